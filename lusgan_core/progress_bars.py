"""Draws the progress of tracked work on a console: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from lusgan_core.progress import Task, listening

LINE_EVERY_S = 15.0
"""Seconds between two lines on the same work where there is no terminal for bars."""


@contextmanager
def shown_on(console: Console) -> Iterator[None]:
    """Show all work that is tracked in a block: bars on a terminal, plain lines elsewhere."""
    if not console.is_terminal:
        with listening(_Lines(console)):
            yield
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", style="dim"),
    )
    with Progress(*columns, console=console) as bars, listening(_Bars(bars)):
        yield


class _Log:
    """Prints what tasks say, each line once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed: dict[int, int] = {}
        self._lock = threading.Lock()

    def __call__(self, task: Task) -> None:
        with self._lock:
            first = self._printed.get(id(task), 0)
            new = task.said[first:]
            if task.finished:
                self._printed.pop(id(task), None)
            elif new:
                self._printed[id(task)] = first + len(new)
        for text in new:
            self._console.print(escape(f"{task.label}: {text}"))


class _Bars:
    """A bar for each task."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._ids: dict[int, TaskID] = {}
        self._log = _Log(bars.console)

    def __call__(self, task: Task) -> None:
        self._log(task)
        number = self._ids.get(id(task))
        if number is None:
            number = self._ids[id(task)] = self._bars.add_task(
                task.label, total=task.total or None, unit=task.unit, note=""
            )
        self._bars.update(
            number, completed=task.done, total=task.total or None, note=escape(task.note)
        )
        if task.finished:
            self._bars.stop_task(number)
            del self._ids[id(task)]


class _Lines:
    """A line when a task has run for a while, and when it ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._said: dict[int, float] = {}
        self._log = _Log(console)

    def __call__(self, task: Task) -> None:
        self._log(task)
        now = time.monotonic()
        with self._lock:
            last = self._said.setdefault(id(task), now)
            if not task.finished and now - last < LINE_EVERY_S:
                return
            self._said[id(task)] = now
            if task.finished:
                del self._said[id(task)]
        of = f" of {task.total:,}" if task.total else ""
        note = f"  {task.note}" if task.note else ""
        self._console.print(escape(f"{task.label}: {task.done:,}{of} {task.unit}{note}"))
