"""``lusgan options``: every option of a run, with its value, what it may be and what it does."""

from __future__ import annotations

from typing import Annotated

import typer

from lusgan_cli import options as shared
from lusgan_cli.console import err, out, print_json, visible
from lusgan_core.presets import DEFAULT_PRESET


def options(
    section: Annotated[
        str,
        typer.Argument(help="Only these, e.g. `training` or `training.penalties.r1`"),
    ] = "",
    preset: shared.PresetName = DEFAULT_PRESET,
    config: shared.ConfigFile = None,
    set_: shared.Settings = None,
    json: shared.Json = False,
) -> None:
    """List the options of a run: value in the preset, what it may be, what it does.

    Those of plugins are among them; where a plugin is not chosen, its options have no value.
    """
    from lusgan_core.option_list import listed
    from lusgan_core.registry import installed

    rows = listed(shared.chosen(preset, config, set_, None), installed(), section)
    if json:
        print_json([row.model_dump() for row in rows])
        return
    for row in rows:
        value = f" = {row.value}" if row.value else ""
        title = f"[bold]{visible(row.name)}[/]{visible(value)}  [dim]{visible(row.allowed)}[/]"
        out.print(title, f"    {visible(row.description)}", sep="\n", soft_wrap=True)
    err.print(
        visible(
            "`--set NAME=VALUE` of run, train and others changes one; the section may be left "
            "out where the name is clear without it, or is an option of the training"
        ),
        soft_wrap=True,
    )
