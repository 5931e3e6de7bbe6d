"""``lusgan balance``: the synthetic frames that a training set lacks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from lusgan_cli import options
from lusgan_cli.console import err, out, print_json, visible
from lusgan_cli.export import (
    Device,
    Format,
    IncludeReal,
    Licence,
    Out,
    Seed,
    chosen_scores,
    show_record,
    target_folder,
    write,
)
from lusgan_core.errors import ConfigError

if TYPE_CHECKING:
    from lusgan_core.pipeline.data_sets import Wanted


def balance(
    folder: Out = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show what would be made, and why; make nothing")
    ] = False,
    have: Annotated[
        str | None,
        typer.Option(
            metavar="SCORE=FRAMES,...",
            help="Frames of your training set, e.g. `0=900,3=120`; unless given, those of the "
            "training patients in the store",
        ),
    ] = None,
    target: Annotated[
        int | None,
        typer.Option(
            "--to",
            help="Frames that each score is to have; as many as the largest has unless given",
            min=1,
            max=1_000_000,
        ),
    ] = None,
    scores: options.Scores = None,
    form: Format = "png",
    seed: Seed = 7,
    include_real: IncludeReal = False,
    licence: Licence = "",
    device: Device = "auto",
    store: options.Store = options.DEFAULT_STORE,
    json: options.Json = False,
) -> None:
    """Make the synthetic frames that a training set lacks, and export them.

    Each score is filled up with frames of its current model until it has as many as the largest.
    `--plan` shows how many of which model, and why.
    """
    from lusgan_core.pipeline.data_sets import Request, plan_balance
    from lusgan_core.store import existing_store

    if have is not None and include_real:
        raise ConfigError(
            "--have tells of a training set of your own: --include-real would add the store's"
        )
    kept, asked = existing_store(store), chosen_scores(scores)
    wanted = plan_balance(kept, asked, _have(have), target)
    if plan:
        _show_plan(wanted, json)
        return
    out_folder = target_folder(folder)
    for want in wanted:
        if want.count and want.model is not None:
            err.print(visible(_sentence(want)), soft_wrap=True)
    request = Request(form, seed, include_real=include_real, licence=licence)
    if not include_real and not any(want.count for want in wanted):
        raise ConfigError("nothing is lacking: every score has as many frames as are wanted")
    show_record(write(kept, out_folder, wanted, request, asked, device), out_folder, json)


def _have(text: str | None) -> dict[int, int] | None:
    """Read frames by score, such as ``0=900,3=120``."""
    if text is None:
        return None
    found: dict[int, int] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*=\s*(\d+)\s*", part)
        if match is None:
            raise ConfigError(f"--have {text!r}: expected SCORE=FRAMES, e.g. 0=900,3=120")
        found[int(match[1])] = int(match[2])
    return found


def _show_plan(wanted: tuple[Wanted, ...], json: bool) -> None:
    if json:
        print_json([want.model_dump(mode="json") for want in wanted])
        return
    for want in wanted:
        out.print(visible(_sentence(want)), soft_wrap=True)


def _sentence(want: Wanted) -> str:
    if not want.count:
        return f"score {want.score}: nothing to make ({want.why})"
    said = f"score {want.score}: {want.count:,} synthetic frames ({want.why})"
    if want.model is None:
        return f"{said}, but {want.lacking}"
    model = want.model
    held = f"; held back: {model.held_back}" if model.held_back else ""
    return f"{said}, of {model.model} ({model.state}{held})"
