"""Shows the result of a run in the Prefect UI: its data, samples, nearest pairs, the report."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence

from prefect.logging import get_run_logger

from lusgan_core.calls.call import StageContext, data_of
from lusgan_core.calls.provenance import Manifest
from lusgan_core.calls.section import ExamFile, FramePairs, Patient, Range, Section, Sheet, Table
from lusgan_core.domain import SCORES
from lusgan_core.errors import LusganError
from lusgan_core.pipeline.approval import Waiting, waiting
from lusgan_core.pipeline.chain import Outcome
from lusgan_core.reporting.gather import score_sections
from lusgan_core.reporting.pictures import Pictures
from lusgan_core.reporting.wording import number, span
from lusgan_core.selection.stage import ScoreDataset
from lusgan_core.store import Store
from lusgan_core.training.stage import ModelRecord
from lusgan_flows.board import Board

REPORTS_VARIABLE = "LUSGAN_REPORTS_URL"
"""Environment variable with the address under which reports are served; `lusgan up` sets it."""
COLUMNS = 8
PAIRS = 6
REJECTED_CLIPS = "Clips that cannot be used; the report names them"
SIDE = 96
"""Pixels to which the UI's frames are reduced."""


def show_outcome(board: Board, outcome: Outcome, context: StageContext) -> None:
    """Show the whole result of a pipeline run: decisions, data, rejected clips, frames, the report.

    Args:
        board: Where to show it.
        outcome: The result.
        context: Names the store, where frames are read.
    """
    pictures, shown = Pictures(context.store, SIDE), _sections(outcome, context.store)
    if verdicts := verdict_rows(decisions(outcome), shown):
        board.table("verdicts", verdicts, "What became of each score, and what is claimed of it")
    board.table("data", data_rows(outcome), "What each score learns from")
    trained = training_rows(outcome)
    if trained:
        board.table("training", trained, "How each score's training went")
    board.table("rejected", rejected_rows(outcome), REJECTED_CLIPS)
    for score, sections in shown.items():
        for section in sections:
            show_section(board, score, section, pictures)
    if outcome.report:
        board.markdown("report", report_text(outcome.report, context.store), "The report")
    show_waiting(board, context.store)


def rejected_rows(outcome: Outcome) -> list[dict[str, str | int]]:
    """Write a row for each reason why clips cannot be used: clips and exams, by number alone."""
    reasons = sorted({rejection.reason for rejection in outcome.rejected})
    rows: list[dict[str, str | int]] = []
    for reason in reasons:
        of_it = [r for r in outcome.rejected if r.reason == reason]
        exams = len({r.codes for r in of_it})
        rows.append({"reason": reason, "clips": len(of_it), "exams": exams})
    return rows or [{"reason": "none", "clips": 0, "exams": 0}]


def show_waiting(board: Board, store: Store) -> None:
    """Show which models wait for a person, each with a link to its report.

    Args:
        board: Where to show it.
        store: Store with the models.
    """
    board.markdown("waiting", waiting_text(waiting(store), store), "What waits for a person")


def waiting_text(models: Sequence[Waiting], store: Store) -> str:
    """Write which models wait for a person.

    Args:
        models: The models.
        store: The store that holds them.

    Returns:
        Markdown: a table, and how to decide.
    """
    if not models:
        return "Nothing waits: no model is held back."
    lines = ["| score | model | held back by | report |", "|---|---|---|---|"]
    for one in models:
        by = f"{', '.join(one.gates)}: {one.reason}" if one.gates else one.reason
        report = _link(one.report, store) if one.report else "none yet"
        lines.append(f"| {one.score} | `{one.model}` | {by.replace('|', '/')} | {report} |")
    lines += ["", "Look at the report, then run the deployment `approve`: promote or reject."]
    return "\n".join(lines)


def _link(key: str, store: Store) -> str:
    base = os.environ.get(REPORTS_VARIABLE, "")
    return f"[open]({base}/{key})" if base else f"`{store.uri.rstrip('/')}/{key}`"


def _sections(outcome: Outcome, store: Store) -> dict[int, tuple[Section, ...]]:
    """The sections of every score that has samples."""
    found = {}
    for score, stages in outcome.scores.items():
        if "generate" in stages and score not in outcome.failures:
            try:
                found[score] = score_sections(stages, store)
            except LusganError as error:  # a missing artifact must not end the run
                get_run_logger().warning("score %d cannot be shown: %s", score, error)
    return found


def decisions(outcome: Outcome) -> dict[int, tuple[str, str]]:
    """Say of each score whether its model became current, and why it did not.

    Args:
        outcome: The result of a run.

    Returns:
        The decision and its reason by score; scores that the run did not get to are left out.
    """
    found = {score: ("No model", reason) for score, reason in outcome.failures.items()}
    for score, stages in outcome.scores.items():
        if "promote" in stages and score not in found:
            held_back = str(stages["promote"].data["held_back"])
            found[score] = ("Held back", held_back) if held_back else ("Promoted", "")
    return dict(sorted(found.items()))


def verdict_rows(
    decided: Mapping[int, tuple[str, str]], sections: Mapping[int, Sequence[Section]]
) -> list[dict[str, str | int]]:
    """Write what became of each score and what is claimed of its frames, as the report begins.

    Args:
        decided: The decision on each score, with its reason.
        sections: The sections of each score that has samples.

    Returns:
        A row for the decision on a score, one for each claim, and one for what to do next.
    """
    rows: list[dict[str, str | int]] = []
    for score in sorted({*decided, *sections}):
        of = sections.get(score, ())
        said = [("Decision", *decided[score])] if score in decided else []
        said += [(claim.question, claim.answer, claim.text) for s in of for claim in s.claims]
        if todo := " ".join(sentence for section in of for sentence in section.advice):
            said.append(("Next:", "", todo))
        rows += [
            {"score": score, "": question, "answer": answer, "because": why}
            for question, answer, why in said
        ]
    return rows


def data_rows(outcome: Outcome) -> list[dict[str, str | int]]:
    """A row for each score: frames and patients on both sides, and the model or its absence."""
    rows: list[dict[str, str | int]] = []
    for score in SCORES:
        stages = outcome.scores.get(score, {})
        if "select" not in stages:
            continue
        dataset = data_of(stages["select"], ScoreDataset)
        model = stages["train"].data["name"] if "train" in stages else "-"
        rows.append(
            {
                "score": score,
                "training frames": dataset.training_frames,
                "training patients": len({clip.patient for clip in dataset.training}),
                "validation frames": dataset.validation_frames,
                "held-out frames": dataset.held_out_frames,
                "model": outcome.failures.get(score, model),
            }
        )
    return rows


def training_rows(outcome: Outcome) -> list[dict[str, str | float]]:
    """A row for each score that was trained: its speed, its memory, what the monitor did."""
    rows: list[dict[str, str | float]] = []
    for score, stages in outcome.scores.items():
        if "train" in stages:
            model = data_of(stages["train"], ModelRecord)
            rows.append(
                {
                    "score": score,
                    "iterations": model.iterations,
                    "weights of": model.best_iteration or model.iterations,
                    "images/s": model.images_per_s,
                    "peak MB": model.peak_memory_mb,
                    "device": stages["train"].device,
                    "monitor": "; ".join(event.text for event in model.events) or "-",
                }
            )
    return rows


def show_section(board: Board, score: int, section: Section, pictures: Pictures) -> None:
    """Show a section's sheets of frames, pairs of frames and named tables; leave out the rest.

    Args:
        board: Where to show them.
        score: Severity score, 0..3, for keys and titles.
        section: The section, as a stage made it.
        pictures: Reads frames from the store and draws them.
    """
    for figure in (figure for group in section.groups for figure in group.figures):
        if isinstance(figure, Sheet) and figure.frames:
            uri = pictures.sheet(figure, COLUMNS)
            board.image(f"score-{score}-{figure.name}", uri, f"Score {score}: {figure.name}")
        elif isinstance(figure, Table) and figure.name:
            board.table(f"score-{score}-{figure.name}", table_rows(figure), figure.title)
        elif isinstance(figure, FramePairs):
            board.markdown(
                f"score-{score}-{figure.name}",
                pairs_text(figure, pictures),
                f"Score {score}: {figure.about}",
            )


def show_tables(board: Board, key: str, section: Section) -> None:
    """Show the named tables of a section that is about no score.

    Args:
        board: Where to show them.
        key: Start of the artifacts' keys.
        section: The section.
    """
    for figure in (figure for group in section.groups for figure in group.figures):
        if isinstance(figure, Table) and figure.name:
            board.table(f"{key}-{figure.name}", table_rows(figure), figure.title)


def table_rows(figure: Table) -> list[dict[str, str]]:
    """Write the rows of a table that names no patient, each cell as a report spells it."""
    return [
        {
            column: _spelled(cell)
            for column, cell in zip(figure.columns, cells, strict=True)
            if not isinstance(cell, Patient | ExamFile)
        }
        for cells in figure.rows
    ]


def _spelled(cell: str | float | Range | None) -> str:
    if isinstance(cell, Range):
        return span(cell.low, cell.high)
    return cell if isinstance(cell, str) else number(cell)


def pairs_text(figure: FramePairs, pictures: Pictures) -> str:
    """Write pairs of frames as a Markdown table, the synthetic frame on the left.

    Args:
        figure: The pairs, closest first; the first ``PAIRS`` are shown.
        pictures: Reads frames from the store and draws them.

    Returns:
        Markdown with embedded pictures.
    """
    lines = [
        f"### {figure.title}, by {figure.metric}",
        "",
        f"| synthetic and real | {figure.metric} | the real frame |",
        "|---|---|---|",
    ]
    for pair in figure.pairs[:PAIRS]:
        side = "held out" if pair.held_out else "trained on"
        lines.append(f"| ![pair]({pictures.pair(pair)}) | {number(pair.value)} | {side} |")
    return "\n".join(lines)


def report_text(report: Manifest, store: Store) -> str:
    """Write where the report is.

    Args:
        report: Manifest of the report.
        store: The store that holds it.

    Returns:
        Markdown: a link, where an address is set under which reports are served, and the report's
        address in the store.
    """
    key = report.artifacts["page"].key
    base = os.environ.get(REPORTS_VARIABLE, "")
    link = f"[Open the report]({base}/{key})\n\n" if base else ""
    return f"{link}`{store.uri.rstrip('/')}/{key}`"


def retraining(scores: Collection[int], new: int, withdrawn: int = 0) -> str:
    """Make a run's name from the scores it trains and the reasons.

    Args:
        scores: Severity scores that are trained, in any order.
        new: Number of new or changed exams.
        withdrawn: Number of withdrawn exams.

    Returns:
        The name, e.g. ``retrain scores 0, 2 (1 new exam)``.
    """
    which = ", ".join(map(str, sorted(scores)))
    return f"retrain score{'s' * (len(scores) > 1)} {which}{_because(new, withdrawn)}"


def tried(until: str, exams: int, new: int, withdrawn: int = 0) -> str:
    """Make a run's name before it is known which scores it trains; a run that fails keeps it.

    Args:
        until: Last stage of the run.
        exams: Number of exams.
        new: Number of new or changed exams.
        withdrawn: Number of withdrawn exams.

    Returns:
        The name, e.g. ``report of 12 exams (1 new exam)``.
    """
    return f"{until} of {exams} exam{'s' * (exams != 1)}{_because(new, withdrawn)}"


def _because(new: int, withdrawn: int) -> str:
    reasons = [f"{new} new exam{'s' * (new != 1)}"] if new else []
    reasons += [f"{withdrawn} withdrawn"] if withdrawn else []
    return f" ({', '.join(reasons)})" if reasons else ""
