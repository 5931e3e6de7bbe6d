"""The history of each score's current model: one numbered object a change, written once.

``current/history/score-N/00001.json`` and so on. A number is taken by a conditional put, so changes
made at the same time by two runs come in one order, and the last one names the current model.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from lusgan_core.calls.provenance import Sealed
from lusgan_core.calls.records import kept_keys, put_kept, read_kept
from lusgan_core.errors import AlreadyExistsError, DamagedError
from lusgan_core.judgement import Verdict
from lusgan_core.store import Store

LOG = logging.getLogger(__name__)
Action = Literal["promoted", "rolled back", "emptied"]
By = Literal["gates", "hand", "withdrawal", "damage"]


class CurrentModel(Sealed):
    """The model of a score that is to be used."""

    score: int
    model: str
    folder: str
    """Where the model is in the store."""
    trained: str
    """Key of the manifest of its training, which names the weights."""
    evaluated: str = ""
    """Key of the manifest of the evaluation that it was judged by; empty if it was not."""
    verdicts: tuple[Verdict, ...] = ()
    promoted: datetime
    by: By


class HistoryEntry(Sealed):
    """One change of a score's current model."""

    number: int
    action: Action
    by: By
    at: datetime
    model: CurrentModel | None
    """The current model from then on; None if there is none."""
    left: str = ""
    """Name of the model that was current before; empty if there was none."""
    reason: str = ""


def history_keys(store: Store, score: int) -> list[str]:
    """List the keys of a score's history.

    Args:
        store: Store with the models.
        score: Severity score, 0 to 3.

    Returns:
        Keys, oldest first.
    """
    return kept_keys(store, f"current/history/score-{score}/")


def read_history(store: Store, score: int) -> tuple[HistoryEntry, ...]:
    """Read all changes of a score's current model.

    Args:
        store: Store with the models.
        score: Severity score, 0 to 3.

    Returns:
        Entries, oldest first; one of which both copies are damaged is left out and set aside.
    """
    read = (_entry(store, key) for key in history_keys(store, score))
    return tuple(entry for entry in read if entry)


def last_entry(store: Store, score: int) -> HistoryEntry | None:
    """Read the latest change of a score's current model.

    Args:
        store: Store with the models.
        score: Severity score, 0 to 3.

    Returns:
        The entry; None if no model was ever current.
    """
    read = (_entry(store, key) for key in reversed(history_keys(store, score)))
    return next((entry for entry in read if entry), None)


def _entry(store: Store, key: str) -> HistoryEntry | None:
    try:
        then = "the history goes on without it"
        return read_kept(store, key, HistoryEntry, then, lambda entry: _is_at(entry, key))
    except DamagedError as error:
        LOG.warning("%s", error)
        return None


def _is_at(entry: HistoryEntry, key: str) -> bool:
    """Whether an entry has the number, and the score, of its key."""
    number = key.endswith(f"/{entry.number:05d}.json")
    return number and (entry.model is None or f"/score-{entry.model.score}/" in key)


def append(
    store: Store,
    score: int,
    action: Action,
    by: By,
    model: CurrentModel | None,
    reason: str = "",
) -> HistoryEntry:
    """Write the next entry of a score's history, under the next free number.

    Args:
        store: Store with the models.
        score: Severity score, 0 to 3.
        action: What changed.
        by: Who changed it.
        model: The current model from now on; None if there is none.
        reason: Why, in words; empty if that is clear.

    Returns:
        The entry as written.
    """
    while True:
        last = last_entry(store, score)
        entry = HistoryEntry(
            number=last.number + 1 if last else 1,
            action=action,
            by=by,
            at=datetime.now(UTC),
            model=model,
            left=last.model.model if last and last.model else "",
            reason=reason,
        )
        key = f"current/history/score-{score}/{entry.number:05d}.json"
        try:
            put_kept(store, key, entry, if_absent=True)
        except AlreadyExistsError:
            continue  # another process has taken the number
        return entry


def lineage(history: Sequence[HistoryEntry]) -> list[CurrentModel]:
    """Models that a rollback could go to, oldest first: a stack of promotions.

    A rollback removes the models above the one it went to; a model that was emptied is removed,
    too.
    """
    stack: list[CurrentModel] = []
    for entry in history:
        if entry.action == "promoted" and entry.model:
            stack = [model for model in stack if model.model != entry.model.model]
            stack.append(entry.model)
        elif entry.action == "rolled back" and entry.model:
            names = [model.model for model in stack]
            if entry.model.model in names:
                stack = stack[: names.index(entry.model.model) + 1]
        else:
            stack = [model for model in stack if model.model != entry.left]
    return stack


def barred(history: Sequence[HistoryEntry]) -> frozenset[str]:
    """Names of models that a person has rolled back from, and nobody has promoted by hand since."""
    names: set[str] = set()
    for entry in history:
        if entry.action == "rolled back" and entry.by == "hand" and entry.left:
            names.add(entry.left)
        if entry.model and entry.by == "hand":
            names.discard(entry.model.model)
    return frozenset(names)
