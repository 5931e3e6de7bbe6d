"""The current model of a score: ``current/score-N.json``, written whole or not at all.

Users of a model read this one object. If it is missing, the score has no model that is fit for use:
none was promoted yet, or the one that was has seen an exam that was withdrawn.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from lusgan_core.calls.records import read_record
from lusgan_core.errors import ConfigError, DamagedError, MissingArtifactError, StoreError
from lusgan_core.promotion.history import (
    UNREVIEWED,
    Action,
    By,
    CurrentModel,
    HistoryEntry,
    Review,
    append,
    current_key,
    last_entry,
    lineage,
    read_history,
)
from lusgan_core.promotion.withdrawal_marks import mark_of
from lusgan_core.store import Store

LOG = logging.getLogger(__name__)


def current_model(store: Store, score: int) -> CurrentModel | None:
    """Look up the current model of a score.

    Args:
        store: Store with the models.
        score: Severity score, 0 to 3.

    Returns:
        The model; None if there is none. Where ``current`` is gone or damaged, it is the one of the
        last entry of the history.
    """
    try:
        then = "it is made from the history"
        key, fits = current_key(score), lambda model: model.score == score
        return read_record(store, key, CurrentModel, then, fits)
    except MissingArtifactError:
        pass
    except DamagedError as error:
        LOG.warning("%s", error)
    entry = last_entry(store, score)
    if entry and entry.model:
        with suppress(StoreError):  # who may only read gets it, too
            publish(store, score)
        return entry.model
    return None


def promote(store: Store, model: CurrentModel, review: Review = UNREVIEWED) -> HistoryEntry:
    """Make a model the current one of its score.

    If it is current already, by the same evaluation, the history stays as it is.

    Args:
        store: Store with the model.
        model: The model, its evaluation and who promotes it.
        review: Who answers for it, why, and which report was looked at.

    Returns:
        The entry in the score's history, new or the last one.

    Raises:
        ConfigError: The model saw an exam that was withdrawn.
    """
    refuse_marked(store, model.folder)
    last = last_entry(store, model.score)
    if last and last.model and _same(last.model, model):
        publish(store, model.score)  # the run that wrote the entry may have ended just then
        return last
    return _change(store, model.score, "promoted", model.by, model, review)


def roll_back(store: Store, score: int, review: Review = UNREVIEWED) -> HistoryEntry:
    """Make the model current that was so before; if none is current, the one that was so last.

    The model that is left is not promoted again except by hand. Models that are gone or marked are
    skipped.

    Args:
        store: Store with the models.
        score: Severity score, 0 to 3.
        review: Who answers for it, why, and which report was looked at.

    Returns:
        The new entry in the score's history.

    Raises:
        ConfigError: There is no earlier model to go back to.
    """
    stack, now = lineage(read_history(store, score)), current_model(store, score)
    if now:
        stack = [model for model in stack if model.model != now.model]
    for model in reversed(stack):
        if store.exists(model.trained) and mark_of(store, model.folder) is None:
            return _change(store, score, "rolled back", "hand", model, review)
    raise ConfigError(
        f"score {score} has no earlier model to go back to: `lusgan models` lists what there is, "
        "`lusgan promote` makes any of them current"
    )


def give_up(store: Store, score: int, folder: str, reason: str) -> HistoryEntry | None:
    """Make the model before current where the current one is lost; with none, the score has none.

    Args:
        store: Store with the models.
        score: Severity score, 0 to 3.
        folder: Key prefix of the lost model's folder.
        reason: Why, in words for the history.

    Returns:
        The new entry in the score's history; None where another model is current.
    """
    now = current_model(store, score)
    if now is None or now.folder != folder:
        return None
    for model in reversed(lineage(read_history(store, score))):
        usable = store.exists(model.trained) and mark_of(store, model.folder) is None
        if model.folder != folder and usable:
            return _change(store, score, "rolled back", "damage", model, Review(why=reason))
    return _change(store, score, "emptied", "damage", None, Review(why=reason))


def empty(store: Store, score: int, by: By, reason: str) -> HistoryEntry:
    """Leave a score without a current model.

    Args:
        store: Store with the models.
        score: Severity score, 0 to 3.
        by: Who does so.
        reason: Why, in words for the history.

    Returns:
        The new entry in the score's history.
    """
    return _change(store, score, "emptied", by, None, Review(why=reason))


def refuse_marked(store: Store, folder: str) -> None:
    """Check that a model has seen no exam that was withdrawn.

    Args:
        store: Store with the model.
        folder: Key prefix of the model's folder.

    Raises:
        ConfigError: The model is marked.
    """
    if mark_of(store, folder) is not None:
        raise ConfigError(
            f"model {folder.rpartition('/')[2]} was trained on an exam that was withdrawn since: "
            "it cannot be promoted; `lusgan run` trains another without that exam"
        )


def _change(
    store: Store,
    score: int,
    action: Action,
    by: By,
    model: CurrentModel | None,
    review: Review,
) -> HistoryEntry:
    entry = append(store, score, action, by, model, review)
    publish(store, score)
    return entry


def publish(store: Store, score: int) -> None:
    """Bring ``current`` in line with the history's last entry, though others write meanwhile.

    Args:
        store: Store with the models.
        score: Severity score, 0 to 3.
    """
    entry = last_entry(store, score)
    while entry:
        if entry.model:
            store.put(current_key(score), entry.model.sealed())
        else:
            store.delete(current_key(score))
        latest = last_entry(store, score)
        if latest is None or latest.number == entry.number:
            return
        entry = latest


def _same(one: CurrentModel, other: CurrentModel) -> bool:
    return (one.trained, one.evaluated) == (other.trained, other.evaluated)
