"""``lusgan phantom``: made-up exams in the hospital's layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lusgan_cli import options
from lusgan_cli.console import out, print_json, progress_shown
from lusgan_core.phantom.options import PhantomOptions
from lusgan_core.progress import track

if TYPE_CHECKING:
    from lusgan_core.phantom.tree import PhantomTree

_DEFAULTS = PhantomOptions()


def phantom(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; new or empty")],
    patients: Annotated[int, typer.Option(help="Patients", min=1)] = _DEFAULTS.patients,
    exams: Annotated[int, typer.Option(help="Exams a patient", min=1)] = (
        _DEFAULTS.exams_per_patient
    ),
    clips: Annotated[int, typer.Option(help="Clips an exam", min=1, max=14)] = (
        _DEFAULTS.clips_per_exam
    ),
    frames: Annotated[int, typer.Option(help="Frames a clip", min=1)] = _DEFAULTS.frames_per_clip,
    size: Annotated[int, typer.Option(help="Nominal frame height, pixels", min=64)] = (
        _DEFAULTS.size
    ),
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes", min=0)] = (
        _DEFAULTS.seed
    ),
    json: options.Json = False,
) -> None:
    """Write phantom exams with severity scores 0 to 3, as a hospital would hand them over."""
    chosen = PhantomOptions(
        patients=patients,
        exams_per_patient=exams,
        clips_per_exam=clips,
        frames_per_clip=frames,
        size=size,
        seed=seed,
    )
    with progress_shown():
        tree = make(folder, chosen)
    if json:
        print_json(tree.model_dump(mode="json"))
        return
    scores = ", ".join(f"{count:,} of score {score}" for score, count in tree.by_score.items())
    out.print(f"{folder}: {tree.patients} patients, {tree.clips} clips, {tree.frames:,} frames")
    out.print(f"labelled: {scores}")


def make(folder: Path, chosen: PhantomOptions = _DEFAULTS) -> PhantomTree:
    """Write phantom exams and show the progress.

    Args:
        folder: Folder to write to; it must be empty or not exist.
        chosen: Number, size and kind of the exams, and the seed.

    Returns:
        Numbers of what was written.

    Raises:
        ConfigError: The folder is not empty.
    """
    from lusgan_core.phantom.tree import write_phantoms

    with track("phantom exams", 0, "clips") as task:

        def progress(done: int, total: int) -> None:
            task.total = total
            task.update(done)

        return write_phantoms(folder, chosen, progress)
