"""Runs side by side: the options in which they differ, their samples and their values.

Only what is of a score is compared; nothing here names a patient.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lusgan_core.calls.call import data_of
from lusgan_core.calls.provenance import Manifest
from lusgan_core.calls.section import (
    HELD_OUT,
    SYNTHETIC,
    Cell,
    FrameAt,
    Group,
    Measured,
    Section,
    Sheet,
    Table,
)
from lusgan_core.domain import SCORES
from lusgan_core.errors import ConfigError
from lusgan_core.evaluation.stage import FIRST_SYNTHETIC, EvaluationRecord
from lusgan_core.generation.stage import SHOWN, SampleSet
from lusgan_core.reporting.page import environment
from lusgan_core.reporting.pictures import Pictures
from lusgan_core.reporting.runs import Run, score_manifests
from lusgan_core.store import Store

Stages = Mapping[str, Manifest]
Key = tuple[str, tuple[str, ...], str]
"""Metric, sides and statistic of a measured value."""
SHOWN_STATISTICS = ("mean", "value")
ABSENT = "–"


@dataclass(frozen=True)
class Comparison:
    """What is compared between runs."""

    runs: tuple[Run, ...]
    options: dict[str, tuple[str, ...]]
    """Dotted name of each option that differs -> its value in each run, as text."""
    values: dict[int, tuple[tuple[Measured | None, ...], ...]]
    """Score -> for each value that any run has, that value in each run."""
    samples: dict[int, tuple[SampleSet | None, ...]]
    """Score -> the synthetic frames of each run."""


def compare_runs(store: Store, runs: Sequence[Run]) -> Comparison:
    """Compare runs.

    Args:
        store: The store with their results.
        runs: Two runs or more.

    Returns:
        What differs, and what was measured, in the order of the runs.

    Raises:
        ConfigError: There are fewer than two runs.
    """
    if len(runs) < 2:
        raise ConfigError("a comparison needs two runs or more, given by the eight digits of each")
    stages = [score_manifests(store, run) for run in runs]
    scores = [score for score in SCORES if any(score in of for of in stages)]
    of_score = {score: [of.get(score, {}) for of in stages] for score in scores}
    return Comparison(
        runs=tuple(runs),
        options=_differing([_options(of) for of in stages]),
        values={score: tuple(_values(of)) for score, of in of_score.items()},
        samples={
            score: tuple(data_of(s["generate"], SampleSet) if "generate" in s else None for s in of)
            for score, of in of_score.items()
        },
    )


def comparison_page(compared: Comparison, store: Store) -> str:
    """Draw a comparison as an HTML page that needs nothing else.

    Args:
        compared: The comparison.
        store: The store with the samples.

    Returns:
        HTML.
    """
    names = [run.name for run in compared.runs]
    sections = [_options_section(compared)]
    sections += [_score_section(compared, score) for score in compared.values]
    made = environment()
    made.globals.update(pictures=Pictures(store))
    return made.get_template("compare.html").render(
        title=f"{' and '.join(names)} side by side", runs=compared.runs, sections=sections
    )


def _options(scores: Mapping[int, Stages]) -> dict[str, str]:
    """Every option of a run's stages by its dotted name; of the last score that has it."""
    found: dict[str, str] = {}
    for stages in scores.values():
        for stage, manifest in stages.items():
            found |= {f"{stage}.{name}": text for name, text in _flat(manifest.options)}
    return found


def _flat(options: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in options.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, str(value)


def _differing(options: Sequence[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    names = sorted({name for of in options for name in of})
    rows = {name: tuple(of.get(name, ABSENT) for of in options) for name in names}
    return {name: row for name, row in rows.items() if len(set(row)) > 1}


def _values(runs: Sequence[Stages]) -> Iterator[tuple[Measured | None, ...]]:
    found = [_of_evaluation(stages) for stages in runs]
    for key in dict.fromkeys(key for of in found for key in of):
        yield tuple(of.get(key) for of in found)


def _of_evaluation(stages: Stages) -> dict[Key, Measured]:
    if "evaluate" not in stages:
        return {}
    values = data_of(stages["evaluate"], EvaluationRecord).values
    shown = [
        v
        for v in values
        if v.statistic in SHOWN_STATISTICS
        and SYNTHETIC in v.between  # those between real frames are floors of others
        and FIRST_SYNTHETIC not in v.between
    ]
    shown.sort(key=lambda v: HELD_OUT not in v.between)  # distances to unseen patients come first
    return {(v.metric, v.between, v.statistic): v for v in shown}


def _options_section(compared: Comparison) -> Section:
    table = Table(
        title="Options that differ",
        columns=("Option", *(run.name for run in compared.runs)),
        rows=tuple((name, *row) for name, row in compared.options.items()),
    )
    groups = (Group(figures=(table,)),) if table.rows else ()
    text = "" if groups else "All options are the same; the runs differ in exams or versions."
    return Section(name="options", title="Options that differ", text=text, groups=groups)


def _score_section(compared: Comparison, score: int) -> Section:
    sheets = tuple(
        Sheet(
            name="synthetic",
            title=run.name,
            frames=tuple(
                FrameAt(key=samples.frames_key, row=row) for row in range(min(SHOWN, samples.count))
            ),
        )
        for run, samples in zip(compared.runs, compared.samples[score], strict=True)
        if samples
    )
    answers = [
        {claim.question: claim.answer for claim in run.record.claims.get(score, ())}
        for run in compared.runs
    ]
    claims = Table(
        title=f"What is claimed of score {score}",
        columns=("", *(run.name for run in compared.runs)),
        rows=tuple(
            (question, *(of.get(question, ABSENT) for of in answers))
            for question in dict.fromkeys(question for of in answers for question in of)
        ),
    )
    heads = tuple(head for run in compared.runs for head in (run.name, "floor"))
    rows = tuple(_row(values) for values in compared.values[score])
    table = Table(
        title=f"Values of score {score}",
        caption="Each value beside its floor: the same between real frames.",
        columns=("Metric", "Between", *heads),
        rows=rows,
    )
    return Section(
        name=f"score-{score}",
        title=f"Score {score}",
        groups=(
            *((Group(figures=(claims,)),) if claims.rows else ()),
            Group(title="Samples", figures=sheets),
            *((Group(title="Values", figures=(table,)),) if rows else ()),
        ),
    )


def _row(values: Sequence[Measured | None]) -> tuple[Cell, ...]:
    first = next(value for value in values if value)
    cells: list[Cell] = [f"{first.title}, {first.direction}", " × ".join(first.between)]
    for value in values:
        cells += [value.value, value.floor] if value else [None, None]
    return tuple(cells)
