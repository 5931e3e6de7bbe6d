"""Shared by ``lusgan deploy`` and ``lusgan work``: options on where runs are executed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lusgan_core.errors import ConfigError

if TYPE_CHECKING:
    from lusgan_ops.pools import Kind

Type = Annotated[
    str, typer.Option("--type", help="What a run becomes: `process`, `docker` or `kubernetes`")
]
Gpu = Annotated[bool, typer.Option("--gpu", help="Trainings must have a GPU")]
Image = Annotated[
    str, typer.Option(help="Image of runs in containers; lusgan:gpu or lusgan:cpu by default",
                      envvar="LUSGAN_IMAGE", show_default=False)
]  # fmt: skip
Job = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="A variable of the pool, e.g. `network_mode=host` or `gpus=2`; may be repeated",
    ),
]


def pool_kind(text: str) -> Kind:
    """How a run is executed, from the option's text. Raises ConfigError."""
    from lusgan_ops.pools import Kind

    try:
        return Kind(text)
    except ValueError:
        raise ConfigError(f"--type {text!r}: choices: {', '.join(Kind)}") from None


def parse_job(settings: list[str] | None) -> dict[str, Any]:
    """``NAME=VALUE`` settings as values: JSON where they are valid JSON, else text.

    Raises ConfigError for a setting without an equals sign.
    """
    found: dict[str, Any] = {}
    for setting in settings or ():
        name, equals, text = setting.partition("=")
        if not equals:
            raise ConfigError(f"--job {setting!r}: expected NAME=VALUE, e.g. network_mode=host")
        try:
            found[name.strip()] = json.loads(text)
        except ValueError:
            found[name.strip()] = text
    return found
