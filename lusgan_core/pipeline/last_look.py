"""When the exam source was looked at last, so that somebody notices when nobody looks any more.

``exams/looked-<source8>.json`` in the store: it outlives the server's memory of its runs.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lusgan_core.calls.provenance import Sealed, short_digest
from lusgan_core.calls.records import peek
from lusgan_core.store import Store

SILENT_H = 6.0
"""Hours without a look after which somebody is alarmed."""
TELL_EVERY = timedelta(hours=1)
"""Interval between two events that say that there are looks."""


class LastLook(Sealed):
    """What the last look at an exam source found."""

    at: datetime
    exams: int
    announced: int
    """Exams that were announced, as new, changed or withdrawn."""
    arriving: int
    """Exams that are still being uploaded."""
    told: datetime | None = None
    """When the server was told last that there are looks."""

    @property
    def silent_h(self) -> float:
        """Hours since then."""
        return (datetime.now(UTC) - self.at).total_seconds() / 3600


def look_key(source: str) -> str:
    """Where the store keeps the last look at the source of that address."""
    return f"exams/looked-{short_digest(source)}.json"


def last_look(store: Store, source: str) -> LastLook | None:
    """Read when a source was looked at last.

    Args:
        store: Store with the record.
        source: Address of the exam source.

    Returns:
        The record; None if there was no look, or it is damaged.
    """
    return peek(store, look_key(source), LastLook)


def record_look(store: Store, source: str, exams: int, announced: int, arriving: int) -> bool:
    """Record a look at a source.

    Args:
        store: Store to write to.
        source: Address of the exam source.
        exams: Number of exams that it has.
        announced: Number of exams that were announced.
        arriving: Number of exams that are still being uploaded.

    Returns:
        Whether the server is to be told that there are looks, which is so once an hour.
    """
    before, now = last_look(store, source), datetime.now(UTC)
    told = before.told if before else None
    due = told is None or now - told > TELL_EVERY
    found = {"exams": exams, "announced": announced, "arriving": arriving}
    look = LastLook(at=now, told=now if due else told, **found)
    store.put(look_key(source), look.sealed())
    return due
