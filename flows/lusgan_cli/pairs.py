"""``lusgan pairs``: compares every image of one folder with every image of another."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lusgan_cli import options
from lusgan_cli.console import err, out, print_json, progress_shown, visible
from lusgan_core.errors import ConfigError, StoreError
from lusgan_core.progress import Task, track

if TYPE_CHECKING:
    from lusgan_core.measures.pairs.frameset import FrameSet
    from lusgan_core.measures.pairs.results import PairResults
    from lusgan_core.registry import Registry

CLOSEST = 5
"""Number of the closest pairs that are shown."""
DEFAULT = "mse,rmse,psnr,psnrb,sam,rase,scc,msssim"
"""The eight whose cost the documentation states; VIF alone would take nearly twice as long."""
FILES = (".parquet", ".csv")
"""Kinds of files for all values."""


def pairs(
    a: Annotated[
        Path,
        typer.Argument(
            metavar="A",
            help="The reference: a folder of images (PNG, JPEG, TIFF, WebP, GIF, BMP, PNM; every "
            "page is a frame), or an .npy, .mat or shard file",
        ),
    ],
    b: Annotated[
        Path | None, typer.Argument(metavar="[B]", help="What to compare; A with itself if absent")
    ] = None,
    metrics: Annotated[
        str, typer.Option(help="E.g. `msssim,psnr`, or `all` that are installed")
    ] = DEFAULT,
    top: Annotated[int, typer.Option(min=1, help="Nearest images of A to keep for each of B")] = 5,
    full: Annotated[
        Path | None,
        typer.Option(
            help="File for every value, .parquet or .csv: columns a, b, then one a metric"
        ),
    ] = None,
    compat: Annotated[
        str,
        typer.Option(help="Version of sewar whose values to give: 0.4.10, or 0.4.6 (the report's)"),
    ] = "0.4.10",
    device: Annotated[str, typer.Option(help="`cpu`, `cuda`, or `auto`")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; all cores")] = None,
    other_clips: Annotated[
        bool,
        typer.Option(
            "--other-clips",
            help="Leave out pairs of one clip: of one sub-folder or .mat file, or, where images "
            "lie side by side, of one name but for the number at its end",
        ),
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="A.B=C",
            help="An option of a metric that has some, as for a run: "
            "`--set evaluation.metric_options.NAME.OPTION=VALUE`; may be repeated",
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Compare every image of A with every image of B, by every metric.

    Values are sewar's: metric(a, b). If interrupted, the same command goes on where it stopped.
    """
    from lusgan_core.measures.pairs.compare import compare_sets
    from lusgan_core.measures.pairs.results import PairsError
    from lusgan_core.pipeline.image_sets import load_frames
    from lusgan_core.registry import installed

    registry = installed()
    names = [n.strip() for n in metrics.split(",") if n.strip()]
    every = "all" in names
    if every:
        names = sorted(registry.pair_metrics())
    chosen = [registry.pair_metric(name) for name in names]
    own = _metric_options(names, settings, registry)
    if full is not None:
        _check_full(full)
    first = load_frames(a, _say)
    second = load_frames(b, _say) if b is not None else None
    if other_clips:
        first, second = _with_clips(first, second)
    values = full.with_name(f".{full.name}.values") if full else None
    place = _checkpoint(
        a, b, [m.name for m in chosen], top, full, compat, other_clips, *own.items()
    )
    if values is not None and values.exists() and not (place and place.exists()):
        err.print("nothing was saved of the comparison that stopped: starting over")

    def compare(progress: Callable[[int, int], None]) -> PairResults:
        return compare_sets(
            first,
            second,
            chosen,
            metric_options=own,
            top=top,
            matrix=values,
            device=device,
            threads=threads,
            engine="ready",
            compat=compat,
            exclude_same_group=other_clips,
            progress=progress,
            checkpoint=place,
            keep_checkpoint=full is not None and place is not None,
            may_fail=frozenset(names if every else ()),
        )

    try:
        found = _go_on_or_start_over(compare, place)
        if full is not None and values is not None:
            _write(full, found, first, second, other_clips)
            shutil.rmtree(values)
            if place is not None:
                place.unlink(missing_ok=True)
    except PairsError as error:
        if error.partial.pairs:
            _show(error.partial, json)
        raise
    _show(found, json)


def _metric_options(
    names: list[str], settings: list[str] | None, registry: Registry
) -> dict[str, dict[str, Any]]:
    """Options of the metrics that have some, checked as those of a run."""
    from lusgan_core.evaluation.stage import EvaluationOptions
    from lusgan_core.plugin_options import with_metrics

    given = options.of_section(settings, "evaluation.metric_options")
    if not names:
        return given
    asked = EvaluationOptions(metrics=tuple(names), metric_options=given)
    return with_metrics(asked, registry).metric_options


def _say(line: str) -> None:
    err.print(visible(line))


def _go_on_or_start_over(
    compare: Callable[[Callable[[int, int], None]], PairResults], place: Path | None
) -> PairResults:
    """Go on from a checkpoint, or say why that cannot be and start over."""
    from lusgan_core.measures.pairs.checkpoint import UnusableCheckpointError

    with progress_shown(), track("comparing", 0, "pairs") as task:
        try:
            return compare(_progress(task))
        except UnusableCheckpointError as error:
            _say(
                "the comparison cannot go on where it stopped, so it starts over: the checkpoint: "
                + error.reason
            )
            if place is not None:
                place.unlink(missing_ok=True)
            return compare(_progress(task))


def _check_full(path: Path) -> None:
    """Refuse a file for all values that could not be written in the end."""
    if path.suffix not in FILES:
        raise ConfigError(f"--full {path}: expected a name that ends in {' or '.join(FILES)}")
    if path.is_dir():
        raise ConfigError(f"--full {path} is a folder: name a file")
    if not path.parent.is_dir():
        raise ConfigError(f"--full {path}: {path.parent} is no folder; make it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ConfigError(f"--full {path}: {path.parent} cannot be written to; name another folder")


def _with_clips(a: FrameSet, b: FrameSet | None) -> tuple[FrameSet, FrameSet | None]:
    """Both sets with the clips of their frames; ConfigError if no pair would be left."""
    from lusgan_core.pipeline.image_sets import clips_of

    a, b = clips_of(a), clips_of(b) if b is not None else None
    clips = set(a.groups or ()) | set((b or a).groups or ())
    if len(clips) == 1:
        raise ConfigError(
            f"--other-clips leaves no pair: all images are of one clip, {clips.pop()!r} by their "
            "names; put each clip's images into a sub-folder of its own"
        )
    err.print(f"leaving out pairs of one clip; there are {len(clips):,} clips")
    return a, b


def _progress(task: Task) -> Callable[[int, int], None]:
    """Show pairs done and pairs per second, counted from where a resumed run began."""
    began: list[float] = []

    def progress(done: int, total: int) -> None:
        task.total = total
        now = time.monotonic()
        if not began:
            began.extend((now, done))
        passed = now - began[0]
        task.update(done, f"{(done - began[1]) / passed:,.0f} pairs/s" if passed > 0 else None)

    return progress


def _write(
    path: Path, found: PairResults, a: FrameSet, b: FrameSet | None, other_clips: bool
) -> None:
    """Write the file of all values; where that fails, the error carries the computed results."""
    from lusgan_core.measures.pairs.results import PairsError
    from lusgan_core.measures.pairs.value_files import write_values

    try:
        write_values(path, found, a, b, other_clips)
    except StoreError as error:
        raise PairsError(str(error), found) from error


def _checkpoint(a: Path, b: Path | None, *settings: object) -> Path | None:
    """Path of the checkpoint of a comparison of these folders under these settings.

    None, and a line that says so, where its folder cannot be written to.
    """
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lusgan"
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
        err.print(
            visible(f"no checkpoint is kept ({error}): if interrupted, this starts over; ")
            + "XDG_CACHE_HOME names a folder for checkpoints"
        )
        return None
    text = "\n".join(map(str, (a.absolute(), b and b.absolute(), *settings)))
    digest = hashlib.sha256(os.fsencode(text)).hexdigest()
    return home / f"pairs-{digest[:16]}.npz"


def _show(found: PairResults, as_json: bool) -> None:
    if as_json:
        print_json(found.as_json())
        return
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("metric")
    for heading in ("mean", "sd", "min", "max", "pairs"):
        table.add_column(heading, justify="right")
    table.add_column("more alike is")
    for result in found.metrics.values():
        metric, summary = result.metric, result.summary
        numbers = (summary.mean, summary.sd, summary.min, summary.max)
        unit = f" ({metric.unit})" if metric.unit else ""
        table.add_row(
            visible(metric.title + unit),
            *("-" if n is None else f"{n:.4g}" for n in numbers),
            f"{summary.count:,}",
            metric.more_alike,
        )
    out.print(table)
    _show_closest(found)
    for name, reason in found.absent.items():
        out.print(f"[yellow]{visible(name)} is absent:[/] {visible(reason)}")
    for note in found.notes:
        err.print(visible(note))
    rate = f"{found.pairs_per_second:,.0f} pairs a second"
    err.print(f"{found.pairs:,} pairs, sewar {found.compat}, {visible(found.engine)}: {rate}")


def _show_closest(found: PairResults) -> None:
    """Print the closest pairs, by the first metric of likeness that was computed."""
    from lusgan_core.measures.pairs.results import LIKENESS

    name = next((n for n in LIKENESS if n in found.metrics), next(iter(found.metrics), None))
    if name is None:
        return
    out.print(f"closest by {visible(found.metrics[name].metric.title)}:")
    for frame, neighbour in found.closest(name, CLOSEST):
        names = neighbour.name or str(neighbour.index), found.name_of(frame)
        out.print(f"  {neighbour.value:.4f}  {visible(names[0])}  {visible(names[1])}")
