"""The history of each score's current model: a log of numbered entries, each written once.

``current/history/score-N/00001.json`` and so on, and ``current/history/withdrawals/`` for exams
that were withdrawn. A number is taken by a conditional put, so changes made at the same time by two
runs come in one order, and the last one names the current model.

Each entry says who answers for it and holds the digest of the one before; ``current/heads/``
repeats number and digest of the last one. So an entry that was changed or removed is found
(``broken``). Whoever writes the whole log and its head anew leaves no trace in them.
"""

from __future__ import annotations

import getpass
import json
import logging
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Literal

from pydantic import Field

from lusgan_core.calls.provenance import ArtifactRef, Sealed, digest_json
from lusgan_core.calls.records import kept_keys, peek, put_kept, read_kept, read_record
from lusgan_core.domain import Record
from lusgan_core.errors import AlreadyExistsError, DamagedError, MissingArtifactError
from lusgan_core.judgement import Verdict
from lusgan_core.store import Store

LOG = logging.getLogger(__name__)
Action = Literal[
    "promoted", "rolled back", "emptied", "rejected", "withdrawn", "returned", "begun", "noted"
]
By = Literal["gates", "hand", "withdrawal", "damage", "lusgan"]
CHANGES = ("promoted", "rolled back", "emptied")
"""Actions that change the current model; the others leave it as it is."""
NO_REASON = "none given"


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


@dataclass(frozen=True)
class Review:
    """Who answers for a change, and on what grounds."""

    who: str = ""
    """The person; empty where nobody decided, but a gate or a withdrawal."""
    why: str = ""
    report: ArtifactRef | None = None
    """The report that was looked at."""


UNREVIEWED = Review()


class HistoryEntry(Sealed):
    """One entry of a score's history, or of the withdrawals."""

    number: int
    action: Action
    by: By
    at: datetime
    model: CurrentModel | None
    """The current model from then on; None if there is none."""
    left: str = ""
    """Name of the model that was current before; empty if there was none, or it still is."""
    reason: str = ""
    who: str = ""
    """The person who decided; empty where nobody did, and in entries of earlier releases."""
    account: str = ""
    """USER@HOST that wrote the entry; empty in entries of earlier releases."""
    report: ArtifactRef | None = None
    """The report that was looked at."""
    about: str = ""
    """What it is about, where that is not ``model``: a rejected model, eight digits of an exam."""
    before: str | None = None
    """Digest of the entry before; empty in the first, None in entries of earlier releases."""
    earlier: dict[int, str] = Field(default_factory=dict)
    """In the entry that begins the chain of an older history: digests of the entries until then."""
    lost: tuple[int, ...] = ()
    """In an entry ``noted``: numbers of entries that are not what was written, or gone."""

    @property
    def digest(self) -> str:
        """sha256 of what the entry says; fields at their defaults do not enter it.

        So an entry keeps its digest when a later release adds fields.
        """
        return digest_json(json.loads(self.model_dump_json(exclude_defaults=True)))


class Head(Sealed):
    """Where a history ended when it was last written to."""

    number: int
    digest: str


class Broken(Record):
    """One entry of a history that is not what was written, or is gone."""

    number: int
    key: str
    expected: str
    """The digest that the entry after it, or the head, says it has; empty where neither does."""
    found: str
    """Its digest; empty where it is gone."""
    noted: bool = False
    """Whether an entry of the history says so."""


def history_folder(score: int | None) -> str:
    """Where the history of a score is kept; None is that of withdrawn exams."""
    return f"current/history/{_name(score)}/"


def head_key(score: int | None) -> str:
    """Key of the head of a score's history; None is that of withdrawn exams."""
    return f"current/heads/{_name(score)}.json"


def current_key(score: int) -> str:
    """Key of the object that names the current model of a score."""
    return f"current/score-{score}.json"


def _name(score: int | None) -> str:
    return "withdrawals" if score is None else f"score-{score}"


def _key(score: int | None, number: int) -> str:
    return f"{history_folder(score)}{number:05d}.json"


def account() -> str:
    """The account of this process, as USER@HOST."""
    try:
        import pwd

        user = pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):  # Windows; a container's user without a name
        try:
            user = getpass.getuser()
        except (OSError, KeyError):
            user = str(os.getuid())
    return f"{user}@{platform.node()}"


def history_keys(store: Store, score: int | None) -> list[str]:
    """List the keys of a score's history.

    Args:
        store: Store with the models.
        score: Severity score, 0 to 3; None for the withdrawals of exams.

    Returns:
        Keys, oldest first.
    """
    return kept_keys(store, history_folder(score))


def read_history(store: Store, score: int | None) -> tuple[HistoryEntry, ...]:
    """Read the whole history of a score's current model.

    Args:
        store: Store with the models.
        score: Severity score, 0 to 3; None for the withdrawals of exams.

    Returns:
        Entries, oldest first; one of which both copies are damaged is left out and set aside.
    """
    read = (_entry(store, key) for key in history_keys(store, score))
    return tuple(entry for entry in read if entry)


def last_entry(store: Store, score: int | None) -> HistoryEntry | None:
    """Read the last entry of a score's history.

    Args:
        store: Store with the models.
        score: Severity score, 0 to 3; None for the withdrawals of exams.

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
    score: int | None,
    action: Action,
    by: By,
    model: CurrentModel | None = None,
    review: Review = UNREVIEWED,
    *,
    about: str = "",
    lost: tuple[int, ...] = (),
) -> HistoryEntry:
    """Write the next entry of a history, under the next free number.

    A history of an earlier release, whose entries hold no digests, gets an entry first that says
    so and holds the digests of all of them.

    Args:
        store: Store with the models.
        score: Severity score, 0 to 3; None for the withdrawals of exams.
        action: What was done.
        by: Who or what did it.
        model: The current model from now on; None if there is none. Not used by an action that
            changes no current model.
        review: Who answers for it, why, and which report was looked at.
        about: What it is about, where that is not ``model``.
        lost: Numbers of entries that are noted as lost.

    Returns:
        The entry as written.
    """
    while True:
        head = read_head(store, score)  # first: it never knows of an entry that is not there yet
        last = last_entry(store, score)
        at = Head(number=last.number, digest=last.digest) if last else Head(number=0, digest="")
        if head and head.number >= at.number:  # where the last entry is lost, its number is taken
            at = head
        now = _model_now(store, score, last, at)
        older = last is not None and last.before is None
        entry = HistoryEntry(
            number=at.number + 1,
            action="begun" if older else action,
            by="lusgan" if older else by,
            at=datetime.now(UTC),
            model=model if action in CHANGES and not older else now,
            left=now.model if now and action in CHANGES and not older else "",
            reason=BEGUN if older else review.why,
            who="" if older else review.who,
            account=account(),
            report=None if older else review.report,
            about="" if older else about,
            before=at.digest,
            earlier={e.number: e.digest for e in read_history(store, score)} if older else {},
            lost=() if older else lost,
        )
        try:
            put_kept(store, _key(score, entry.number), entry, if_absent=True)
        except AlreadyExistsError:
            continue  # another process has taken the number
        if not older:
            write_head(store, score)
            return entry


BEGUN = "entries before this one are of an earlier release, which kept no digests of them"


def _model_now(
    store: Store, score: int | None, last: HistoryEntry | None, at: Head
) -> CurrentModel | None:
    """The current model; where the last entry is not what was written, ``current`` names it."""
    if score is not None and at.number and (last is None or at.digest != last.digest):
        try:
            return read_record(store, current_key(score), CurrentModel)
        except (MissingArtifactError, DamagedError):
            return None
    return last.model if last else None


def read_head(store: Store, score: int | None) -> Head | None:
    """Read where a history ended when it was last written to.

    Args:
        store: Store with the models.
        score: Severity score, 0 to 3; None for the withdrawals of exams.

    Returns:
        The record; None if there is none, or it was damaged.
    """
    try:
        return read_record(store, head_key(score), Head, "it is made from the last entry")
    except MissingArtifactError:
        return None
    except DamagedError as error:
        LOG.warning("%s", error)
        return None


def write_head(store: Store, score: int | None) -> None:
    """Bring the head in line with the last entry, though others write meanwhile.

    Args:
        store: Store with the models.
        score: Severity score, 0 to 3; None for the withdrawals of exams.
    """
    last = last_entry(store, score)
    while last:
        store.put(head_key(score), Head(number=last.number, digest=last.digest).sealed())
        latest = last_entry(store, score)
        if latest is None or latest.number == last.number:
            return
        last = latest


def as_they_are(store: Store, score: int | None) -> tuple[dict[int, HistoryEntry], Head | None]:
    """Read a history and its head as they are: nothing is set aside, and no copy put in place.

    Args:
        store: Store with the models.
        score: Severity score, 0 to 3; None for the withdrawals of exams.

    Returns:
        Entries by number, without those of which no copy is whole, and the head.
    """
    head = peek(store, head_key(score), Head)  # first: entries may be added meanwhile
    keys = history_keys(store, score)
    read = (peek(store, key, HistoryEntry, partial(_is_at, key=key)) for key in keys)
    return {entry.number: entry for entry in read if entry}, head


def broken(store: Store, score: int | None) -> tuple[Broken, ...]:
    """Find the entries of a history that were changed or removed; changes nothing.

    Args:
        store: Store with the models.
        score: Severity score, 0 to 3; None for the withdrawals of exams.

    Returns:
        These entries by rising number. What a broken entry says of the one before it is not
        believed, so that the one before is not blamed.
    """
    entries, head = as_they_are(store, score)
    expected = {head.number: head.digest} if head else {}
    noted = {number for entry in entries.values() for number in entry.lost}
    chained = [number for number, entry in entries.items() if entry.before is not None]
    first = min(chained or expected, default=0)
    found = []
    for number in range(max([*entries, *expected], default=0), 0, -1):
        entry, wanted = entries.get(number), expected.get(number)
        if entry and wanted in (None, entry.digest):
            if entry.before:
                expected = {**entry.earlier, number - 1: entry.before, **expected}
        elif entry or wanted or number > first:
            found.append(
                Broken(
                    number=number,
                    key=_key(score, number),
                    expected=wanted or "",
                    found=entry.digest if entry else "",
                    noted=number in noted,
                )
            )
    return tuple(reversed(found))


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
        elif entry.action == "emptied":
            stack = [model for model in stack if model.model != entry.left]
    return stack


def barred(history: Sequence[HistoryEntry]) -> Mapping[str, str]:
    """Models that a person has rolled back from or rejected, and nobody has promoted by hand since.

    Args:
        history: The history of a score.

    Returns:
        Name of the model -> what was done: ``rolled back`` or ``rejected``.
    """
    names: dict[str, str] = {}
    for entry in history:
        if entry.by != "hand":
            continue
        if entry.action == "rolled back" and entry.left:
            names[entry.left] = entry.action
        if entry.action == "rejected":
            names[entry.about] = entry.action
        if entry.action in CHANGES and entry.model:
            names.pop(entry.model.model, None)
    return names
