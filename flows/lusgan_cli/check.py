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
from lusgan_core.domain import SCORES, UNLABELLED, ClipRecord, ExamFiles, Rejection
from lusgan_core.errors import ClipError
from lusgan_core.progress import Task, track

if TYPE_CHECKING:
    from lusgan_core.ingestion.agreement import Agreement
    from lusgan_core.ingestion.readers import Readers
    from lusgan_core.store.source import ExamSource


@dataclass(frozen=True)
class CheckedExam:
    """The content of one exam: clips that can be used, and what was rejected."""

    patient: str
    exam: str
    clips: tuple[ClipRecord, ...]
    rejected: tuple[Rejection, ...]

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

    Every frame of every clip is decoded, so that what passes here passes in a run. Of the options,
    those of `ingestion` count. Readers that are installed, but not asked, are named on stderr.
    """
    from lusgan_core.ingestion.discover import discover
    from lusgan_core.ingestion.readers import choose_readers
    from lusgan_core.registry import installed
    from lusgan_core.store.source import open_source

    source = open_source(exams)
    chosen = options.chosen("demo", None, settings, None).ingestion.readers if settings else None
    readers = choose_readers(chosen)
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

            found = discover(source, progress=progress, readers=readers)
        total = sum(len(exam.clips) for exam in found.exams)
        with track("checking clips", total, "clips") as task, ThreadPoolExecutor() as threads:
            checked = list(
                threads.map(lambda exam: _check(source, exam, readers, quick, task), found.exams)
            )
    rejected = [*found.rejected, *(r for exam in checked for r in exam.rejected)]
    if json:
        print_json(summary(checked, rejected) | {"readers": list(readers), "not_asked": left})
    else:
        _print(checked, rejected, list(readers))
    if strict and rejected:
        raise typer.Exit(1)


def _check(
    source: ExamSource, exam: ExamFiles, readers: Readers, quick: bool, task: Task
) -> CheckedExam:
    from lusgan_core.ingestion.clip import verify_clip
    from lusgan_core.ingestion.inspect import inspect_exam
    from lusgan_core.store.source import reason

    record = inspect_exam(source, exam, readers)
    clips, rejected = [], list(record.rejected)
    for clip in record.clips:
        try:
            if not quick:
                verify_clip(source, clip.files, readers)
            clips.append(clip)
        except (ClipError, OSError) as error:
            why = reason(error) if isinstance(error, OSError) else str(error)
            rejected.append(clip.files.rejected(why))
        task.advance()
    return CheckedExam(exam.patient, exam.exam, tuple(clips), tuple(rejected))


def summary(checked: Iterable[CheckedExam], rejected: Iterable[Rejection]) -> dict[str, Any]:
    """Count clips, frames and rejections, for ``--json``.

    Args:
        checked: All exams.
        rejected: All rejections, those outside of exams included.

    Returns:
        A JSON object: totals, rejections with file and reason, and counts by exam.
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
        "rejected": [{"file": r.file, "reason": r.reason} for r in rejected],
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
    for item in rejected:
        where = f"rejected[/] {visible(item.file)}" if item.file else "failed[/]"
        out.print(f"[yellow]{where}: {visible(item.reason)}")
    if not rejected:
        out.print("every clip can be used")


def _cells(exams: list[CheckedExam]) -> Iterator[str]:
    scores = _scores(clip for exam in exams for clip in exam.clips)
    yield str(sum(exam.found for exam in exams))
    for score in (*SCORES, UNLABELLED):
        yield f"{scores[score]:,}" if scores[score] else "-"
    bad = sum(len(exam.rejected) for exam in exams)
    yield str(bad) if bad else "-"
