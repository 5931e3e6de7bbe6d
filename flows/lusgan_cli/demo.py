"""``lusgan demo``: phantom exams through the whole pipeline."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from lusgan_cli import options
from lusgan_cli.console import err, progress_shown
from lusgan_cli.phantom import make
from lusgan_cli.pipeline import run_pipeline, show
from lusgan_core.phantom.options import PhantomOptions

PHANTOMS = PhantomOptions(patients=24, frames_per_clip=6)
"""Many patients with few frames each: of few patients a training learns the frames by heart."""


def demo(
    folder: Annotated[
        Path, typer.Argument(help="Where exams and results go; kept for the next time")
    ] = Path("demo"),
    set_: options.Settings = None,
    verbose: options.Verbose = False,
) -> None:
    """Make phantom exams, train all four scores on the CPU, and print the report's path.

    Takes about six minutes on two cores. Needs no data, no GPU and no server.
    """
    config = options.chosen("demo", None, set_, None)
    exams = folder / "exams"
    if not exams.exists():
        err.print(f"making phantom exams in {exams}")
        unfinished = folder / "exams.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        with progress_shown():
            make(unfinished, PHANTOMS)
        unfinished.rename(exams)
    store = str(folder / "store")
    outcome = run_pipeline(str(exams), store, config, preset="demo", verbose=verbose)
    show(outcome, store)
    outcome.check()
