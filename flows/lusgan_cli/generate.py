"""``lusgan generate``: synthetic frames from a finished model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lusgan_cli import options
from lusgan_cli.console import err, out, print_json, progress_shown, visible


def generate(
    score: Annotated[
        int | None, typer.Option(help="Severity score, 0 to 3, whose current model is taken")
    ] = None,
    model: Annotated[
        str, typer.Option(help="Another model, by its name or the last digits of it")
    ] = "",
    number: Annotated[
        int | None, typer.Option("--number", "--count", help="Frames; 100 by default")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the noise; 7 by default")] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--out", help="New or empty folder to which the frames are copied"),
    ] = None,
    formats: Annotated[
        str | None,
        typer.Option(
            help="`png`, `mat`, any other exporter, or several: `png,mat`; HDF5 is always written. "
            "PNG by default"
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="A.B=C",
            help="An option of `generation`, e.g. of an exporter: "
            "`--set generation.format_options.png.say_synthetic=false`; may be repeated",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="`auto`, `cpu`, `cuda` or `cuda:1` ...")] = "auto",
    store: options.Store = options.DEFAULT_STORE,
    json: options.Json = False,
) -> None:
    """Generate frames from a model: the current one of a score, or one that is named.

    It takes no exams and trains nothing; `lusgan models` lists the models there are. Which model is
    used, and whether it was held back, is said on stderr.
    """
    from lusgan_core.calls.call import StageContext
    from lusgan_core.calls.runtime import Runtime
    from lusgan_core.errors import DamagedError
    from lusgan_core.generation.copy_out import check_empty, copy_out, empty
    from lusgan_core.pipeline.runner import Inline
    from lusgan_core.pipeline.sampling import choose_model, remark, sample
    from lusgan_core.registry import installed
    from lusgan_core.store import existing_store

    kept, registry = existing_store(store), installed()
    if folder is not None:
        check_empty(folder)
    asked = options.generation(number, seed, formats, settings)
    chosen = choose_model(kept, score, model)
    said = visible(remark(chosen))
    err.print(f"[yellow]{said}[/]" if chosen.held_back else said, soft_wrap=True)
    with progress_shown():
        context = StageContext(kept, runtime=Runtime(device=device), registry=registry)
        made = sample(Inline(context), kept, chosen, asked, registry)
        if folder is not None:
            try:
                copy_out(kept, made, folder)
            except DamagedError as error:  # set aside, so that it is made again
                err.print(f"[yellow]{visible(str(error))}[/]", soft_wrap=True)
                made = sample(Inline(context), kept, chosen, asked, registry)
                empty(folder)
                copy_out(kept, made, folder)
    if json:
        told: dict[str, Any] = {"model": chosen.model_dump(mode="json")}
        print_json(made.model_dump(mode="json") | told)
    else:
        where = folder if folder is not None else f"{store}/{made.artifacts['frames'].key}"
        out.print(visible(str(where)), soft_wrap=True)
