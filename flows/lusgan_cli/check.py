"""``lusgan check``: the content of exams, and what would be rejected, with reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lusgan_cli import options
from lusgan_cli.console import err, out, print_json, progress_shown, visible
from lusgan_core.domain import SCORES, UNLABELLED, ClipRecord, ExamRecord, Rejection
from lusgan_core.errors import ClipError, UnreadableError
from lusgan_core.progress import Task, track

if TYPE_CHECKING:
    from lusgan_core.ingestion.agreement import Agreement
    from lusgan_core.ingestion.readers import Readers
    from lusgan_core.preprocessing.options import Canvas, PreprocessingOptions
    from lusgan_core.store.source import ExamSource


@dataclass(frozen=True)
class CheckedExam:
    """The content of one exam: clips that can be used, and what was rejected."""

    patient: str
    exam: str
    clips: tuple[ClipRecord, ...]
    rejected: tuple[Rejection, ...]
    coloured: tuple[int, ...] = ()
    """Largest difference of the colour channels of each clip that has one, grey levels."""
    bright_outside: tuple[str, ...] = ()
    """Files of clips in which something outside of the fan, or of the mask, is bright."""
    bright_inside_mask: tuple[str, ...] = ()
    """Files of clips whose mask keeps something bright beside the fan, so that images show it."""

    @property
    def found(self) -> int:
        """Number of clips, rejected ones included."""
        names = {rejection.file for rejection in self.rejected if rejection.is_clip}
        return len(self.clips) + len(names)


def check(
    exams: Annotated[
        str,
        typer.Argument(
            metavar="EXAMS", help="Folder with PATIENT/EXAM/*.mat, or s3://bucket/prefix"
        ),
    ],
    quick: Annotated[
        bool, typer.Option("--quick", help="Read headers alone; damaged frames go unnoticed")
    ] = False,
    settings: options.Settings = None,
    strict: options.Strict = False,
    json: options.Json = False,
) -> None:
    """Show a table of all exams, totals for each score, and the clips that cannot be used.

    Every frame of every clip is decoded, and its fan is found, so that what passes here passes in a
    run. Of the options, those of `ingestion` and `preprocessing` count. Readers that are installed,
    but not asked, are named on stderr.
    """
    from lusgan_core.ingestion.discover import discover
    from lusgan_core.ingestion.inspect import inspect_exam
    from lusgan_core.ingestion.readers import choose_readers
    from lusgan_core.pipeline.unreadable import others_can_be_read
    from lusgan_core.preprocessing.stage import whole_canvas
    from lusgan_core.registry import installed
    from lusgan_core.store.source import open_source

    source = open_source(exams)
    chosen = options.chosen("demo", None, settings, None)
    readers = choose_readers(chosen.ingestion.readers, declared=chosen.ingestion.declared)
    left = sorted(installed().readers().keys() - readers.keys())
    if left:
        err.print(
            f"not asked: {', '.join(left)}; ingestion.readers names {', '.join(readers)}, and "
            "without it every reader is asked that is installed"
        )
    with progress_shown():
        with track("looking at exams", 0, "files") as task:

            def progress(done: int, total: int) -> None:
                task.total = total
                task.update(done)

            def left_out(error: UnreadableError) -> str:
                if not others_can_be_read(source, error.keys):
                    raise error
                return f"cannot be read: {error.reason}"

            found = discover(source, progress=progress, readers=readers, left_out=left_out)
        total = sum(len(exam.clips) for exam in found.exams)
        with track("checking clips", total, "clips") as task, ThreadPoolExecutor() as threads:
            records = list(threads.map(lambda e: inspect_exam(source, e, readers), found.exams))
            look = _Look(source, readers, chosen.preprocessing, whole_canvas(records), quick, task)
            checked = list(threads.map(look.check, records))
    rejected = [*found.rejected, *(r for exam in checked for r in exam.rejected)]
    if json:
        print_json(summary(checked, rejected) | {"readers": list(readers), "not_asked": left})
    else:
        _print(checked, rejected, list(readers))
    if strict and rejected:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Look:
    """Checks exams by the code that preprocesses them in a run."""

    source: ExamSource
    readers: Readers
    options: PreprocessingOptions
    canvas: Canvas | None
    quick: bool
    task: Task

    def check(self, record: ExamRecord) -> CheckedExam:
        """Check the clips of one exam."""
        from lusgan_core.preprocessing.exam import check_clip
        from lusgan_core.store.source import reason

        clips, rejected = [], list(record.rejected)
        coloured, bright, shown = [], [], []
        for clip in record.clips:
            try:
                if not self.quick:
                    seen = check_clip(self.source, clip, self.readers, self.options, self.canvas)
                    coloured += [seen.colour_gap] if seen.colour_gap else []
                    bright += [clip.files.clip.key] if seen.bright_outside else []
                    shown += [clip.files.clip.key] if seen.bright_beside_fan else []
                clips.append(clip)
            except (ClipError, OSError) as error:
                why = reason(error) if isinstance(error, OSError) else str(error)
                rejected.append(clip.files.rejected(why))
            self.task.advance()
        return CheckedExam(
            record.patient,
            record.exam,
            tuple(clips),
            tuple(rejected),
            tuple(coloured),
            tuple(bright),
            tuple(shown),
        )


def summary(checked: Iterable[CheckedExam], rejected: Iterable[Rejection]) -> dict[str, Any]:
    """Count clips, frames and rejections, for ``--json``.

    Args:
        checked: All exams.
        rejected: All rejections, those outside of exams included.

    Returns:
        A JSON object: totals, rejections with file and reason, files with the same content, and
        counts by exam.
    """
    exams = list(checked)
    scores = _scores(clip for exam in exams for clip in exam.clips)
    return {
        "exams": len(exams),
        "patients": len({exam.patient for exam in exams}),
        "patients_with_scored_frames": _with_scored_frames(exams),
        "clips": sum(exam.found for exam in exams),
        "usable_clips": sum(len(exam.clips) for exam in exams),
        "frames": scores.total(),
        "labelled_frames": {str(score): scores[score] for score in SCORES},
        "unlabelled_frames": scores[UNLABELLED],
        "clips_with_unequal_channels": sum(len(exam.coloured) for exam in exams),
        "largest_channel_difference": max((g for e in exams for g in e.coloured), default=0),
        "bright_outside_fan": [file for exam in exams for file in exam.bright_outside],
        "bright_inside_mask": [file for exam in exams for file in exam.bright_inside_mask],
        "rejected": [{"file": r.file, "reason": r.reason} for r in rejected],
        "twice": twice(exams),
        "by_reader": _by_reader(exams),
        "agreement": [
            {
                "raters": list(pair.raters),
                "rows": pair.rows,
                "equal": pair.equal,
                "kappa": pair.kappa,
                "weighted_kappa": pair.weighted_kappa,
            }
            for pair in _agreements(exams)
        ],
        "by_exam": [
            {
                "patient": exam.patient,
                "exam": exam.exam,
                "clips": exam.found,
                "labelled_frames": {str(s): _scores(exam.clips)[s] for s in SCORES},
                "unlabelled_frames": _scores(exam.clips)[UNLABELLED],
                "rejected": len(exam.rejected),
            }
            for exam in exams
        ],
    }


def twice(checked: Iterable[CheckedExam]) -> list[list[str]]:
    """Find clips that are there under several names: whose files have the same content.

    Args:
        checked: All exams.

    Returns:
        For each such content the files that have it.
    """
    files: dict[str, set[str]] = {}
    for exam in checked:
        for clip in exam.clips:
            files.setdefault(clip.files.clip.digest, set()).add(clip.files.clip.key)
    return sorted(sorted(keys) for keys in files.values() if len(keys) > 1)


def _by_reader(checked: Iterable[CheckedExam]) -> dict[str, dict[str, int]]:
    """Usable clips and their frames, by the reader that reads them."""
    found: dict[str, dict[str, int]] = {}
    for clip in (clip for exam in checked for clip in exam.clips):
        counts = found.setdefault(clip.files.reader, {"clips": 0, "frames": 0})
        counts["clips"] += 1
        counts["frames"] += clip.frames
    return dict(sorted(found.items()))


def _agreements(checked: Iterable[CheckedExam]) -> list[Agreement]:
    from lusgan_core.ingestion.agreement import agreements

    return agreements(clip.files for exam in checked for clip in exam.clips)


def _scores(clips: Iterable[ClipRecord]) -> Counter[int]:
    return Counter(score for clip in clips for score in clip.scores)


def _with_scored_frames(exams: Iterable[CheckedExam]) -> int:
    """Count the patients who have a frame that can be used and has a score."""
    return len({e.patient for e in exams if any(s in SCORES for s in _scores(e.clips))})


def _print(checked: list[CheckedExam], rejected: list[Rejection], readers: list[str]) -> None:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("patient")
    table.add_column("exam")
    for heading in ("clips", *(f"score {s}" for s in SCORES), "unscored", "rejected"):
        table.add_column(heading, justify="right")
    for exam in checked:
        table.add_row(visible(exam.patient), visible(exam.exam), *_cells([exam]))
    table.add_section()
    patients, scored = len({exam.patient for exam in checked}), _with_scored_frames(checked)
    table.add_row(f"{patients} patients", f"{len(checked)} exams", *_cells(checked), style="bold")
    out.print(table)
    if scored < patients:
        out.print(f"{scored} of {patients} patients have frames with a score")
    by_reader = _by_reader(checked)
    for reader in readers:
        found = by_reader.get(reader, {"clips": 0, "frames": 0})
        out.print(f"reader {reader}: {found['clips']:,} clips, {found['frames']:,} frames")
    for pair in _agreements(checked):
        one, other = map(visible, pair.raters)
        kappa = "" if pair.kappa is None else f", kappa {pair.kappa:.2f}"
        if pair.weighted_kappa is not None:
            kappa += f", with quadratic weights {pair.weighted_kappa:.2f}"
        out.print(f"raters {one} and {other}: {pair.equal} of {pair.rows} scores equal{kappa}")
    gaps = [gap for exam in checked for gap in exam.coloured]
    if gaps:
        out.print(
            f"{len(gaps)} clips have colour channels that differ by up to {max(gaps)} grey levels: "
            "taken as grey, their mean"
        )
    bright = [file for exam in checked for file in exam.bright_outside]
    if bright:
        out.print(
            f"{len(bright)} clips have something bright outside of the fan or mask (a name, a "
            f"ruler), which no image shows: {visible(bright[0])}" + (" ..." if bright[1:] else "")
        )
    shown = [file for exam in checked for file in exam.bright_inside_mask]
    if shown:
        out.print(
            f"[yellow]{len(shown)} clips have a mask that keeps something bright beside the fan[/] "
            f"(a name, a ruler), which images show: {visible(shown[0])}"
            + (" ..." if shown[1:] else "")
            + "; draw the mask along the fan, or use --set preprocessing.geometry=fit"
        )
    for item in rejected:
        where = f"rejected[/] {visible(item.file)}" if item.file else "failed[/]"
        out.print(f"[yellow]{where}: {visible(item.reason)}")
    for files in twice(checked):
        out.print(f"[yellow]there twice:[/] {', '.join(map(visible, files))} are the same file")
    if not rejected:
        out.print("every clip can be used")


def _cells(exams: list[CheckedExam]) -> Iterator[str]:
    scores = _scores(clip for exam in exams for clip in exam.clips)
    yield str(sum(exam.found for exam in exams))
    for score in (*SCORES, UNLABELLED):
        yield f"{scores[score]:,}" if scores[score] else "-"
    bad = sum(len(exam.rejected) for exam in exams)
    yield str(bad) if bad else "-"
