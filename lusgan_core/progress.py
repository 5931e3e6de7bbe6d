"""Reports the progress of long work to listeners; depends on no terminal and no server.

A stage opens a ``Task`` and advances it; listeners (a bar on a terminal, plain lines in a log, an
artifact in the Prefect UI) are added once a process.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol


@dataclass
class Task:
    """One piece of work under way: ``done`` of ``total`` units, and a note for people."""

    label: str
    total: int
    unit: str = ""
    done: int = 0
    note: str = ""
    finished: bool = False
    said: list[str] = field(default_factory=list)
    """Lines for the log: what happened on the way, in order."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def advance(self, by: int = 1, note: str | None = None) -> None:
        """Count units as done, from any thread, and tell the listeners.

        Args:
            by: Units done since the last call; may be negative.
            note: Text for people, such as a rate; None keeps the one before.
        """
        with self._lock:
            self.done += by
            if note is not None:
                self.note = note
        _tell(self)

    def update(self, done: int, note: str | None = None) -> None:
        """Set the number of units done, and tell the listeners.

        Args:
            done: Units done since the beginning.
            note: Text for people, such as a rate; None keeps the one before.
        """
        self.advance(done - self.done, note)

    def say(self, text: str) -> None:
        """Add a line to the log.

        Args:
            text: What happened; must not name a patient.
        """
        with self._lock:
            self.said.append(text)
        _tell(self)


class Listener(Protocol):
    """Is called for every task: when it starts, after each advance, and when it is ``finished``."""

    def __call__(self, task: Task) -> None:
        """Take the state of a task; must be quick and must not raise."""


_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Add a listener to all work in this process for the length of a block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def track(label: str, total: int, unit: str = "") -> Iterator[Task]:
    """Open a task for the length of a block; it counts as finished even if the block raises.

    Args:
        label: What is done, for people; must not name a patient.
        total: Units to do; 0 where the number is not known yet.
        unit: What is counted, in the plural, e.g. ``frames``.

    Yields:
        The task, to advance.
    """
    task = Task(label, total, unit)
    _tell(task)
    try:
        yield task
    finally:
        task.finished = True
        _tell(task)


def _tell(task: Task) -> None:
    for listener in tuple(_listeners):
        listener(task)
