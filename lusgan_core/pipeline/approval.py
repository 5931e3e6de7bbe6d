"""What waits for a person: models that gates held back; and what a person decides about them."""

from __future__ import annotations

from typing import Literal

from lusgan_core.calls.call import data_of
from lusgan_core.calls.provenance import ArtifactRef, Manifest
from lusgan_core.domain import SCORES, Record
from lusgan_core.errors import MissingArtifactError
from lusgan_core.pipeline.chain import Outcome
from lusgan_core.pipeline.models import (
    OF_STUDY,
    find_model,
    known_score,
    list_models,
    promote_by_hand,
    reject_by_hand,
)
from lusgan_core.promotion.current import current_model
from lusgan_core.promotion.history import NO_REASON, HistoryEntry, Review, account
from lusgan_core.promotion.stage import PromotionRecord
from lusgan_core.reporting.runs import find_run, list_runs
from lusgan_core.store import Store

Decision = Literal["promote", "reject"]


class Waiting(Record):
    """A model that was held back and waits for a person."""

    score: int
    model: str
    gates: tuple[str, ...]
    """Gates that it failed; none where it passed and waits for its promotion by hand."""
    reason: str
    report: str
    """Key of the newest report that shows it; empty if there is none."""


def waiting(store: Store) -> tuple[Waiting, ...]:
    """List the models that wait for a person: of each score the newest, if it was held back.

    Models of studies, which no gate judges, do not count.

    Args:
        store: Store with the models.

    Returns:
        The models by rising score.
    """
    models = [model for model in list_models(store) if model.state != OF_STUDY]
    newest = (next((m for m in models if m.score == score), None) for score in SCORES)
    held = [model for model in newest if model and model.state == "held back"]
    pages = _pages(store) if held else {}
    return tuple(
        Waiting(
            score=model.score,
            model=model.model,
            gates=model.gates,
            reason=model.held_back,
            report=pages.get(model.manifest, ""),
        )
        for model in held
    )


def decide_by_hand(
    store: Store, decision: Decision, score: int, name: str, review: Review
) -> HistoryEntry:
    """Promote or reject a model as a person says.

    Args:
        store: Store with the model.
        decision: ``promote`` or ``reject``.
        score: Severity score, 0 to 3.
        name: Name of the model, or the end of it, as in ``find_model``.
        review: Who decided, as ``review_of`` makes it.

    Returns:
        The entry in the score's history.

    Raises:
        UnknownNameError: There is no such model, or several.
        ConfigError: The model to promote saw a withdrawn exam, or the one to reject is current.
    """
    made = promote_by_hand if decision == "promote" else reject_by_hand
    return made(store, score, name, review)


def review_of(
    store: Store, score: int, name: str, who: str = "", why: str = "", report: str = ""
) -> Review:
    """Put together who answers for a decision on a model, why, and which report was looked at.

    Args:
        store: Store with models and reports.
        score: Severity score, 0 to 3.
        name: Name of the model, or the end of it, as in ``find_model``.
        who: The person; empty for the user of this process.
        why: The reason; empty where none is given, and that is what is recorded.
        report: Eight digits of the report, or its address; empty for the newest one that shows the
            model.

    Returns:
        The review.

    Raises:
        UnknownNameError: There is no such model, or several.
        ConfigError: There is no such report.
    """
    return _reviewed(store, find_model(store, score, name).manifest, who, why, report)


def review_of_current(
    store: Store, score: int, who: str = "", why: str = "", report: str = ""
) -> Review:
    """As ``review_of``, of leaving the current model of a score, if it has one.

    Args:
        store: Store with models and reports.
        score: Severity score, 0 to 3.
        who: As in ``review_of``.
        why: As in ``review_of``.
        report: As in ``review_of``.

    Returns:
        The review.

    Raises:
        UnknownNameError: There is no such score.
        ConfigError: There is no such report.
    """
    known_score(score)
    current = current_model(store, score)
    return _reviewed(store, current.trained if current else "", who, why, report)


def _reviewed(store: Store, trained: str, who: str, why: str, report: str) -> Review:
    page = find_run(store, report).page if report else _pages(store).get(trained, "")
    return Review(
        who=who.strip() or account().partition("@")[0],
        why=why.strip() or NO_REASON,
        report=_page(store, page) if page else None,
    )


def held_back(store: Store, outcome: Outcome) -> dict[int, str]:
    """Which models of a run were held back and are not current now.

    Args:
        store: Store with the models.
        outcome: The result of the run.

    Returns:
        Score -> the gates that the model failed, or why else it waits.
    """
    found = {}
    for score, stages in outcome.scores.items():
        if "promote" in stages:
            decided = data_of(stages["promote"], PromotionRecord)
            current = current_model(store, score)
            if not decided.promoted and (current is None or current.model != decided.model):
                failed = [verdict.gate for verdict in decided.verdicts if not verdict.passed]
                found[score] = ", ".join(failed) or decided.held_back
    return found


def in_a_line(outcome: Outcome, held: dict[int, str]) -> str:
    """Say what became of a run whose models are not all current.

    Args:
        outcome: The result of the run.
        held: What ``held_back`` returned.

    Returns:
        E.g. ``all 4 models held back: score 0 (collapse), ...``; ``nothing trained: too few frames
        of scores 0, 1``; empty where all models are current, or failed for other reasons.
    """
    short = sorted(score for score in outcome.failures if outcome.too_few(score))
    said = []
    if held:
        judged = sum("promote" in stages for stages in outcome.scores.values())
        how_many = f"{len(held)} of {judged} models" if len(held) < judged else (
            f"all {judged} models" if judged > 1 else "the model"
        )  # fmt: skip
        said += [f"{how_many} held back: " + "; ".join(f"score {s} ({w})" for s, w in held.items())]
    if short:
        models = any("train" in stages for stages in outcome.scores.values())
        which = f"score{'s' * (len(short) > 1)} {', '.join(map(str, short))}"
        nothing = "" if models else "nothing trained: "
        said += [f"{nothing}too few frames of {which}"]
    return "; ".join(said)


def _pages(store: Store) -> dict[str, str]:
    """Key of a training's manifest -> page of the newest report that shows it."""
    pages: dict[str, str] = {}
    for run in list_runs(store):  # the latest first
        for key in run.record.stages:
            pages.setdefault(key, run.page)
    return pages


def _page(store: Store, page: str) -> ArtifactRef | None:
    """The page of a report with its digest, as its manifest has it."""
    try:
        key = f"{page.rpartition('/')[0]}/manifest.json"
        return Manifest.model_validate_json(store.get(key)).artifacts["page"]
    except (MissingArtifactError, ValueError, KeyError):
        return None
