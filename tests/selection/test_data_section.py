"""What a report shows of the data: counts by score, by patient and by side."""

from __future__ import annotations

from typing import Any

import pytest

from lusgan_core.calls.section import Bars, Patient, Section, Table
from lusgan_core.domain import UNLABELLED, ScoreCount, ShardRecord
from lusgan_core.preprocessing.stage import ExamShards
from lusgan_core.selection.stage import ClipFrames, frames_at, section


def exam(patient: str, *clips: dict[int, int]) -> ExamShards:
    """Return what preprocessing left of an exam, given the frames of each score in each clip."""
    shards = tuple(
        ShardRecord(
            patient=patient, exam="1", clip=f"clip {number}", area=1, key=f"{number}.h5",
            digest="0", frames=sum(counts.values()),
            by_score={s: ScoreCount(frames=n, digest="0") for s, n in counts.items()},
        )
        for number, counts in enumerate(clips)
    )  # fmt: skip
    return ExamShards(patient=patient, exam="1", shards=shards)


EXAMS = [
    exam("A", {0: 10, 2: 5}, {0: 2, UNLABELLED: 7}),
    exam("C", {2: 1000}),
    exam("B", {0: 3, 3: 40}, {3: 60}),
    exam("A", {1: 4, UNLABELLED: 8}),
    exam("D", {UNLABELLED: 100}),
]
"""Four patients, one with two exams and one without any labelled frame."""
FRAMES = {"A": (12, 4, 5, 0), "B": (3, 0, 0, 100), "C": (0, 0, 1000, 0)}
"""Labelled frames of each patient by score, counted by hand."""


def figure(found: Section, kind: type) -> Any:
    """Return the figures of a kind."""
    return [f for group in found.groups for f in group.figures if isinstance(f, kind)]


@pytest.mark.parametrize("held_out", ["", "B", "BD"])
def test_facts_count_what_there_is(held_out: str) -> None:
    """Patients are those with a labelled frame; so are those held out. Frames that nobody scored
    are counted over all clips, whether or not others of the clip are scored."""
    facts = dict(section(EXAMS, frozenset(held_out), 3).facts)
    assert facts == {
        "Patients with scored frames": 3,
        "Held out": len(set(held_out) - {"D"}),
        "Exams": 5,
        "Clips": 7,
        "Rejected clips": 3,
        "Unlabelled frames": 115,
    }


def test_bars_stack_the_two_sides() -> None:
    """Frames and patients of each score are counted for training and for held-out patients."""
    frames, patients = figure(section(EXAMS, frozenset("B"), 0), Bars)
    assert [(s.kind, s.values) for s in frames.series] == [
        ("a", (12, 4, 1005, 0)),
        ("b", (3, 0, 0, 100)),
    ]
    assert [(s.kind, s.values) for s in patients.series] == [
        ("a", (1, 1, 2, 0)),
        ("b", (1, 0, 0, 1)),
    ]
    assert (frames.label, patients.label) == ("labelled frames", "patients")


def test_the_table_has_a_row_a_patient() -> None:
    """Patients are in the order of their codes, each with side, frames by score, and their sum."""
    (table,) = figure(section(EXAMS, frozenset("B"), 0), Table)
    assert table.columns == ("Patient", "Side", "Score 0", "Score 1", "Score 2", "Score 3", "All")
    assert table.rows == tuple(
        (Patient(code=code), "held out" if code == "B" else "training", *counts, sum(counts))
        for code, counts in FRAMES.items()
    )


def test_the_table_sums_up_each_side() -> None:
    """Its foot has frames and patients of either side and of both, by score."""
    (table,) = figure(section(EXAMS, frozenset("B"), 0), Table)
    assert table.totals == (
        ("Training", "", "12 of 1 patient", "4 of 1 patient", "1,005 of 2 patients",
         "0 of 0 patients", 1021),
        ("Held out", "", "3 of 1 patient", "0 of 0 patients", "0 of 0 patients",
         "100 of 1 patient", 103),
        ("All", "", "15 of 2 patients", "4 of 1 patient", "1,005 of 2 patients",
         "100 of 1 patient", 1124),
    )  # fmt: skip


@pytest.mark.parametrize("held_out", ["", "D", "E"])
def test_where_nobody_is_held_out_that_is_said(held_out: str) -> None:
    """Without a held-out patient who has labelled frames there is one side, and a sentence why
    copying cannot be told from likeness."""
    found = section(EXAMS, frozenset(held_out), 0)
    assert found.text.startswith("No patient is held out")
    assert [[series.kind for series in bars.series] for bars in figure(found, Bars)] == [["a"]] * 2
    (table,) = figure(found, Table)
    assert [row[0] for row in table.totals] == ["All"]
    assert {row[1] for row in table.rows} == {"training"}


def test_where_patients_are_held_out_nothing_is_lacking() -> None:
    """With a held-out patient the sentence is gone."""
    assert section(EXAMS, frozenset("B"), 0).text == ""


def test_no_exam_at_all_is_shown_as_nothing() -> None:
    """Without any exam every count is zero, and no patient has a row."""
    found = section([], frozenset("A"), 0)
    assert set(dict(found.facts).values()) == {0}
    assert all(s.values == (0,) * 4 for bars in figure(found, Bars) for s in bars.series)
    (table,) = figure(found, Table)
    assert table.rows == ()


def test_frames_to_show_are_spread_over_all_clips() -> None:
    """Of five frames three are the first, the middle one and the last; one is the first; and no
    more than there are."""
    clips = [
        ClipFrames(patient="A", clip=key, key=key, frames=count, digest="0")
        for key, count in (("a", 3), ("b", 2))
    ]
    every = [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1)]
    for most, rows in ((1, every[:1]), (3, every[::2]), (5, every), (9, every)):
        found = frames_at(clips, 2, most)
        assert [(frame.key, frame.row, frame.score) for frame in found] == [(*at, 2) for at in rows]
