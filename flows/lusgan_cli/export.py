"""``lusgan export``: data sets for those who train classifiers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lusgan_cli import options
from lusgan_cli.console import err, out, print_json, progress_shown, visible
from lusgan_core.domain import SCORES
from lusgan_core.errors import ConfigError

if TYPE_CHECKING:
    from lusgan_core.exporting.record import ExportRecord
    from lusgan_core.pipeline.data_sets import Request, Wanted
    from lusgan_core.store import Store

Out = Annotated[Path | None, typer.Option("--out", help="New or empty folder for the data set")]
Format = Annotated[
    str,
    typer.Option(
        "--format",
        help="`png`: ImageFolder with metadata.csv; `mat`: the hospital's layout; `hdf5`; "
        "`parquet`: for Hugging Face's datasets; `dicom`; or any other exporter of "
        "`lusgan plugins`",
    ),
]
Seed = Annotated[
    int, typer.Option(help="Seed of the noise that frames are made from", min=0, max=2**63 - 1)
]
IncludeReal = Annotated[
    bool,
    typer.Option(
        "--include-real",
        help="Real frames, too, with letters for patients: held-out ones are the test side",
    ),
]
Licence = Annotated[
    str, typer.Option("--license", help="Name or address of the licence, for the data set's card")
]
Device = Annotated[str, typer.Option(help="`auto`, `cpu`, `cuda` or `cuda:1` ...")]


def export(
    folder: Out = None,
    form: Format = "png",
    scores: options.Scores = None,
    number: Annotated[
        int,
        typer.Option(
            "--number", "--count", help="Synthetic frames a score; 0 for none", min=0, max=1_000_000
        ),
    ] = 100,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A model in place of the current ones, by its name or the last digits of it; may "
            "be repeated, one a score"
        ),
    ] = None,
    seed: Seed = 7,
    include_real: IncludeReal = False,
    licence: Licence = "",
    device: Device = "auto",
    store: options.Store = options.DEFAULT_STORE,
    json: options.Json = False,
) -> None:
    """Write a data set for training classifiers: PNG, .mat, HDF5, parquet or DICOM.

    It holds frames of the current models, by side and score. Beside them lie tables, the side of
    each patient (by letter), a card with the models' measured values, and a Croissant file. Every
    synthetic frame says that it is one. Real frames go out with `--include-real` alone; whose
    letter is whose stays in the store.
    """
    from lusgan_core.pipeline.data_sets import Request, wanted_frames
    from lusgan_core.store import existing_store

    target = target_folder(folder)
    kept, asked = existing_store(store), chosen_scores(scores)
    if model and scores:
        raise ConfigError("--scores and --model are both given: a model's name says its score")
    wanted = wanted_frames(kept, asked, number, model or ())
    if model:
        asked = [want.score for want in wanted]
    request = Request(form, seed, include_real=include_real, licence=licence)
    record = write(kept, target, wanted, request, asked, device)
    show_record(record, target, json)


def target_folder(folder: Path | None) -> Path:
    """Return the folder of ``--out``; raises ConfigError where there is none."""
    if folder is None:
        raise ConfigError("--out is missing: name a new folder for the data set")
    return folder


def chosen_scores(text: str | None) -> list[int]:
    """Read ``--scores``: all four unless given."""
    parsed = options.parse_scores(text)
    return list(SCORES) if parsed is None else sorted(set(parsed))


def write(
    store: Store,
    folder: Path,
    wanted: tuple[Wanted, ...],
    request: Request,
    scores: list[int],
    device: str,
) -> ExportRecord:
    """Write a data set in this process, and show how far it is.

    Args:
        store: Store with models and datasets.
        folder: New or empty folder.
        wanted: Synthetic frames to make.
        request: Format, seed, and whether real frames are put beside them.
        scores: Scores of real frames.
        device: Device that frames are generated on.

    Returns:
        What was written; see ``export_data_set`` for errors.
    """
    from lusgan_core.calls.call import StageContext
    from lusgan_core.calls.runtime import Runtime
    from lusgan_core.pipeline.data_sets import export_data_set
    from lusgan_core.pipeline.runner import Inline
    from lusgan_core.registry import installed

    registry = installed()
    with progress_shown():
        context = StageContext(store, runtime=Runtime(device=device), registry=registry)
        return export_data_set(Inline(context), store, folder, wanted, request, registry, scores)


def show_record(record: ExportRecord, folder: Path, json: bool) -> None:
    """Print what was written.

    Args:
        record: The data set.
        folder: Where it is.
        json: Whether to print JSON rather than text.
    """
    if json:
        print_json(record.model_dump(mode="json") | {"folder": str(folder)})
        return
    for part in record.parts:
        of = f"synthetic, {part.model} ({part.state})" if part.synthetic else "real"
        err.print(
            visible(f"{part.side}, score {part.score}: {part.count:,} frames, {of}"), soft_wrap=True
        )
    out.print(visible(str(folder)), soft_wrap=True)
