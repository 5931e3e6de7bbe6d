"""What a report shows of a study."""

from __future__ import annotations

from typing import Literal

from lusgan_core.calls.section import (
    Cell,
    Claim,
    Group,
    IntervalRow,
    Intervals,
    Measured,
    Range,
    Section,
    Table,
)
from lusgan_core.usefulness.stage import ArmRecord, StudyRecord, Verdict

EXPERTS = (
    "Experts themselves disagree about severity: all 20 readers of the LESSON study agreed on 6 of "
    "25 clips (2024); kappa was 0.74 for normal lungs and “fair” for B-lines (Herraiz 2023), and "
    "the intraclass correlation 0.70 (Baloescu 2023). No classifier can be expected to agree with "
    "labels better than experts do with each other."
)
"""The ceiling of every value, from the literature."""
ANSWERS: dict[Verdict, tuple[str, Literal["good", "warn", "bad", "unknown"]]] = {
    "helps": ("Yes", "good"),
    "does not help": ("No", "warn"),
    "harms": ("Harms", "bad"),
    "cannot tell": ("Cannot say", "unknown"),
}


def study_section(record: StudyRecord) -> Section:
    """Make the section of a study from its record.

    Args:
        record: The study.

    Returns:
        The verdict, the table of arms, and the change of macro-F1 as a picture.
    """
    of_data = " ".join(raters_in_words(record))
    return Section(
        name="useful",
        title="Does it help a classifier?",
        facts=(
            ("Verdict", record.verdict),
            ("Patients, each judged once a seed", record.patients),
            ("Folds", record.folds),
            ("Seeds", record.seeds),
            ("Frames judged", record.frames),
            ("Rarest score", record.minority),
        ),
        text=record.text,
        groups=(
            Group(
                figures=(_changes(record), arms_table(record)),
                text="",
                caption=f"{EXPERTS} {of_data}".strip(),
            ),
            *([Group(title="What could not be done", text=" ".join(record.notes))]
              if record.notes else []),
        ),
    )  # fmt: skip


def score_section(record: StudyRecord, score: int) -> Section:
    """Make the part of a score's page that says whether its frames help.

    Args:
        record: The study.
        score: Severity score of the page.

    Returns:
        A section with one claim.
    """
    answer, state = ANSWERS[record.verdict]
    text = record.text
    chosen = next((arm for arm in record.arms if arm.arm == record.decisive), None)
    if chosen and score != record.minority:
        own = find_metric(chosen.differences, f"recall/{score}")
        if own is not None and own.value is not None:
            text += f" Recall of score {score} changes by {own.value:+.2f}{_ends(own)}."
    claim = Claim(question="Helps a classifier?", answer=answer, state=state, text=text)
    return Section(
        name="helps",
        title="Usefulness",
        claims=(claim,),
        text="See “Does it help a classifier?” below; the verdict is one for all scores.",
    )


def raters_in_words(record: StudyRecord) -> list[str]:
    """Say how far raters of the study's own clips agree, a sentence for each two."""
    return [
        f"Of these clips, raters {r.names[0]} and {r.names[1]} scored {r.clips} both: "
        + ("kappa unknown." if r.kappa is None else f"kappa {r.kappa:.2f}.")
        for r in record.raters
    ]


def arms_table(record: StudyRecord) -> Table:
    """Make the table of a study: a row an arm.

    Args:
        record: The study.

    Returns:
        The table, without patients.
    """
    rare = f"recall/{record.minority}"
    return Table(
        name="arms",
        title="Arms of the study",
        caption="Classifiers judged on patients whom neither they nor the GANs behind the "
        "synthetic frames have seen. Changes are those over real frames alone, patient by patient; "
        "ranges are those with other patients, 5% to 95%. Kappa is the agreement with the labels; "
        "calibration error: 0 is best.",
        columns=(
            "Trained on", "Real frames", "Synthetic",
            "Macro-F1", "5% to 95%", "Change", "Change, 5% to 95%",
            f"Recall of score {record.minority}", "5% to 95%", "Change", "Change, 5% to 95%",
            "Kappa", "Calibration error", "5% to 95%", "Change, 5% to 95%",
        ),
        rows=tuple(_row(arm, rare) for arm in record.arms),
    )  # fmt: skip


def _row(arm: ArmRecord, rare: str) -> tuple[Cell, ...]:
    def value(name: str) -> tuple[Cell, Cell]:
        found = find_metric(arm.values, name)
        return (found.value, Range.of(found.interval)) if found else (None, None)

    def change(name: str) -> tuple[Cell, Cell]:
        found = find_metric(arm.differences, name)
        return (found.value, Range.of(found.interval)) if found else (None, None)

    return (
        arm.title, _frames(arm.real), _frames(arm.synthetic),
        *value("macro_f1"), *change("macro_f1"),
        *value(rare), *change(rare),
        value("kappa")[0], *value("ece"), change("ece")[1],
    )  # fmt: skip


def _frames(ends: tuple[int, int]) -> str:
    low, high = ends
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _changes(record: StudyRecord) -> Intervals:
    rows = []
    for arm in record.arms:
        found = find_metric(arm.values, "macro_f1")
        if found is not None:
            rows.append(
                IntervalRow(
                    name=arm.title,
                    kind="a" if arm.synthetic[1] else "b",
                    value=found.value,
                    interval=found.interval,
                )
            )
    return Intervals(title="Macro-F1 on patients not seen", label="macro-F1", rows=tuple(rows))


def find_metric(values: tuple[Measured, ...], name: str) -> Measured | None:
    """Find a value of an arm.

    Args:
        values: Values or changes of the arm.
        name: Name of the metric.

    Returns:
        The value; None where it was not measured.
    """
    return next((value for value in values if value.metric == name), None)


def _ends(value: Measured) -> str:
    return f" [{value.interval[0]:+.2f}, {value.interval[1]:+.2f}]" if value.interval else ""
