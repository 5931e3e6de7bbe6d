"""The finished models of a store: listed, found by name, or made current by hand."""

from __future__ import annotations

from collections.abc import Collection, Set
from datetime import UTC, datetime

from lusgan_core.calls.call import data_of
from lusgan_core.calls.provenance import Manifest
from lusgan_core.domain import SCORES, Record
from lusgan_core.errors import ConfigError, UnknownNameError
from lusgan_core.pipeline import index
from lusgan_core.pipeline.studies import study_datasets
from lusgan_core.promotion.current import current_model, promote
from lusgan_core.promotion.history import (
    UNREVIEWED,
    CurrentModel,
    HistoryEntry,
    Review,
    append,
    barred,
    read_history,
)
from lusgan_core.promotion.stage import PromotionRecord
from lusgan_core.promotion.withdrawal_marks import mark_of
from lusgan_core.store import Store
from lusgan_core.training.stage import ModelRecord

OF_STUDY = "of a study"
"""State of a model that was trained in a fold, and that neither gates nor a person judged."""


class ListedModel(Record):
    """One finished model, as it is listed."""

    score: int
    model: str
    state: str
    """current, promoted (once), held back, rejected, withdrawn, of a study, or not judged."""
    reason: str = ""
    held_back: str = ""
    """Why the gates held it back, also where a person made it current; empty if they did not."""
    gates: tuple[str, ...] = ()
    """Gates that it failed."""
    created: datetime | None
    frames: int
    patients: int
    iterations: int
    manifest: str

    @property
    def folder(self) -> str:
        """Key prefix of the model's folder."""
        return self.manifest.rpartition("/")[0]


def list_models(store: Store, score: int | None = None) -> list[ListedModel]:
    """List every finished model, newest first within its score.

    Args:
        store: Store with the models.
        score: Severity score, 0 to 3; None for all scores.

    Returns:
        The models by rising score.
    """
    prefix = "models/" if score is None else f"models/score-{score}/"
    trained = [m for m in index.manifests(store, prefix) if m.stage == "train"]
    folds = {data.frames_digest for _, _, data in study_datasets(store)}
    scores = {int(manifest.data["score"]) for manifest in trained}
    rejected = {
        score: [n for n, done in barred(read_history(store, score)).items() if done == "rejected"]
        for score in scores
    }
    listed = [_listed(store, m, folds, rejected[int(m.data["score"])]) for m in trained]
    newest = sorted(listed, key=lambda m: m.created.timestamp() if m.created else 0, reverse=True)
    return sorted(newest, key=lambda m: m.score)


def find_model(store: Store, score: int | None, name: str) -> ListedModel:
    """Find a finished model by its name, or by the end of its name.

    Args:
        store: Store with the models.
        score: Severity score, 0 to 3; None looks among the models of all scores.
        name: The whole name, or an end that one model of the score alone has.

    Returns:
        The model.

    Raises:
        UnknownNameError: There is no such score, or not exactly one such model.
    """
    if score is not None:
        known_score(score)
    listed = list_models(store, score)
    found = [model for model in listed if model.model == name] or [
        model for model in listed if name and model.model.endswith(name)
    ]
    if len(found) != 1:
        hint = f"{len(found)} models end like that" if found else ""
        kind = "model" if score is None else f"model of score {score}"
        raise UnknownNameError(kind, name, (m.model for m in listed), hint)
    return found[0]


def known_score(score: int) -> None:
    """Raise UnknownNameError for a number that is no severity score."""
    if score not in SCORES:
        raise UnknownNameError("score", str(score), map(str, SCORES))


def _listed(
    store: Store, manifest: Manifest, folds: Set[str], rejected: Collection[str]
) -> ListedModel:
    model, current = data_of(manifest, ModelRecord), current_model(store, manifest.data["score"])
    of_study = manifest.inputs.get("frames") in folds
    state, reason, held_back = OF_STUDY if of_study else "not judged", "", ""
    gates: tuple[str, ...] = ()
    decision = _decision(store, model.folder)
    if decision:
        state = "promoted" if decision.promoted else "held back"
        reason = held_back = decision.held_back
        gates = tuple(verdict.gate for verdict in decision.verdicts if not verdict.passed)
    if model.name in rejected:
        state, reason = "rejected", "by hand"
    if current and current.folder == model.folder:
        state, reason = "current", "by hand" if current.by == "hand" else ""
    mark = mark_of(store, model.folder)
    if mark:
        state, reason = "withdrawn", f"saw {', '.join(sorted(mark.exams))}"
    return ListedModel(
        score=model.score,
        model=model.name,
        state=state,
        reason=reason,
        held_back=held_back,
        gates=gates,
        created=manifest.created,
        frames=model.training_frames,
        patients=model.training_patients,
        iterations=model.iterations,
        manifest=manifest.manifest_key,
    )


def promote_by_hand(
    store: Store, score: int, name: str, review: Review = UNREVIEWED
) -> HistoryEntry:
    """Make a model the current one of its score, whatever the gates say.

    Args:
        store: Store with the model.
        score: Severity score, 0 to 3.
        name: Name of the model, or the end of it, as in ``find_model``.
        review: Who answers for it, why, and which report was looked at.

    Returns:
        The entry in the score's history.

    Raises:
        UnknownNameError: There is no such model, or several.
        ConfigError: The model saw an exam that was withdrawn.
    """
    chosen = find_model(store, score, name)
    record = CurrentModel(
        score=score,
        model=chosen.model,
        folder=chosen.folder,
        trained=chosen.manifest,
        promoted=datetime.now(UTC),
        by="hand",
    )
    decision = _decision(store, record.folder)
    if decision:
        judged = {"evaluated": decision.evaluated, "verdicts": decision.verdicts}
        record = record.model_copy(update=judged)
    return promote(store, record, review)


def reject_by_hand(
    store: Store, score: int, name: str, review: Review = UNREVIEWED
) -> HistoryEntry:
    """Note that a model is not to become current; gates do not promote it any more.

    Args:
        store: Store with the model.
        score: Severity score, 0 to 3.
        name: Name of the model, or the end of it, as in ``find_model``.
        review: Who answers for it, why, and which report was looked at.

    Returns:
        The entry in the score's history.

    Raises:
        UnknownNameError: There is no such model, or several.
        ConfigError: The model is current.
    """
    chosen = find_model(store, score, name)
    if chosen.state == "current":
        raise ConfigError(
            f"model {chosen.model} is current: `lusgan rollback {score}` makes the one before it "
            "current, and keeps this one from being promoted"
        )
    return append(store, score, "rejected", "hand", review=review, about=chosen.model)


def _decision(store: Store, folder: str) -> PromotionRecord | None:
    """The last decision on a model."""
    found = [
        manifest
        for manifest in index.manifests(store, f"{folder}/promotion/")
        if manifest.stage == "promote"
    ]
    if not found:
        return None
    last = max(found, key=lambda m: m.created.timestamp() if m.created else 0)
    return data_of(last, PromotionRecord)
