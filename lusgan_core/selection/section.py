"""What a report shows of the data that models learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lusgan_core.calls.section import Bars, Cell, Group, Patient, Section, Series, Table, plural
from lusgan_core.domain import SCORES, UNLABELLED
from lusgan_core.preprocessing.stage import ExamShards

Counts = Mapping[int, Mapping[str, int]]
"""Score -> patient's code -> labelled frames."""


def data_section(exams: Sequence[ExamShards], held_out: frozenset[str], rejected: int) -> Section:
    """See ``selection.stage.section``."""
    shards = [shard for exam in exams for shard in exam.shards]
    frames: dict[int, dict[str, int]] = {score: {} for score in SCORES}
    for shard in shards:
        for score in SCORES:
            if score in shard.by_score:
                of_score = frames[score]
                before = of_score.get(shard.patient, 0)
                of_score[shard.patient] = before + shard.by_score[score].frames
    patients = sorted({code for by_code in frames.values() for code in by_code})
    held = frozenset(patients) & held_out
    unlabelled = sum(s.by_score[UNLABELLED].frames for s in shards if UNLABELLED in s.by_score)
    lacking = (
        ""
        if held
        else "No patient is held out: every patient’s frames were trained on, so nothing here can "
        "tell copying from likeness."
    )
    return Section(
        name="data",
        title="Data",
        facts=(
            ("Patients with scored frames", len(patients)),
            ("Held out", len(held)),
            ("Exams", len(exams)),
            ("Clips", len(shards)),
            ("Rejected clips", rejected),
            ("Unlabelled frames", unlabelled),
        ),
        text=lacking,
        groups=(
            Group(
                title="Score distribution",
                figures=(*_bars(frames, held), _table(frames, patients, held)),
                caption="Labelled frames and the patients they come from. Frames of one clip are "
                "nearly equal, so the number of patients says more about variety than the number "
                "of frames.",
            ),
        ),
    )


def _side(frames: Counts, score: int, held: frozenset[str], which: bool | None) -> dict[str, int]:
    """Frames of a score by patient: of those held out, of the others, or (None) of all."""
    return {
        code: count
        for code, count in frames[score].items()
        if which is None or which == (code in held)
    }


def _bars(frames: Counts, held: frozenset[str]) -> tuple[Bars, ...]:
    """Frames and patients of each score, training and held-out patients stacked."""
    sides = [Series(name="training patients", kind="a", values=())]
    sides += [Series(name="held-out patients", kind="b", values=())] if held else []
    figures = []
    for label in ("labelled frames", "patients"):
        series = []
        for side in sides:
            of_side = [_side(frames, score, held, side.kind == "b") for score in SCORES]
            values = [sum(s.values()) if label != "patients" else len(s) for s in of_side]
            series.append(side.model_copy(update={"values": tuple(map(float, values))}))
        figures.append(Bars(title=f"{label} by score", label=label, series=tuple(series)))
    return tuple(figures)


def _table(frames: Counts, patients: Sequence[str], held: frozenset[str]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for code in patients:
        counts = [frames[score].get(code, 0) for score in SCORES]
        side = "held out" if code in held else "training"
        rows.append((Patient(code=code), side, *counts, sum(counts)))
    sides: list[tuple[str, bool | None]] = [("All", None)]
    if held:
        sides = [("Training", False), ("Held out", True), *sides]
    totals: list[tuple[Cell, ...]] = []
    for name, which in sides:
        of_side = [_side(frames, score, held, which) for score in SCORES]
        sums = [sum(side.values()) for side in of_side]
        cells = [
            f"{n:,} of {plural(len(s), 'patient')}" for n, s in zip(sums, of_side, strict=True)
        ]
        totals.append((name, "", *cells, sum(sums)))
    return Table(
        title="Frames of each patient by score",
        caption="Labelled frames of each patient by score"
        + ("; held-out patients never train a model" if held else ""),
        columns=("Patient", "Side", *(f"Score {score}" for score in SCORES), "All"),
        rows=tuple(rows),
        totals=tuple(totals),
    )
