"""What the command line prints: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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

out = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
err = Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())

LINE_EVERY_S = 15.0
"""Seconds between two lines on the same work where there is no terminal for bars."""


def visible(text: str) -> str:
    """Text from outside, safe to print: control characters are escaped, markup is not followed."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return escape(shown.encode("utf-8", "backslashreplace").decode())


def print_json(value: Any) -> None:
    """Print a value as JSON on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, sort_keys=True) + "\n")


@contextmanager
def progress_shown() -> Iterator[None]:
    """Show all work that is tracked in a block: bars on a terminal, plain lines elsewhere."""
    if not err.is_terminal:
        with listening(_Lines()):
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
    with Progress(*columns, console=err) as bars, listening(_Bars(bars)):
        yield


class _Bars:
    """A bar for each task."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._ids: dict[int, TaskID] = {}

    def __call__(self, task: Task) -> None:
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

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: dict[int, float] = {}

    def __call__(self, task: Task) -> None:
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
        err.print(escape(f"{task.label}: {task.done:,}{of} {task.unit}{note}"))
