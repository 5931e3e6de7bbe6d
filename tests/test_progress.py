from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console

from lusgan_core.progress import Task, listening, track
from lusgan_core.progress_bars import shown_on


def test_listeners_hear_start_advances_and_end() -> None:
    """A listener sees a task at its start, after each advance, and finished."""
    heard: list[tuple[str, int, str, bool]] = []

    def listen(task: Task) -> None:
        heard.append((task.label, task.done, task.note, task.finished))

    with listening(listen), track("work", 10, "frames") as task:
        task.advance()
        task.update(7, "nearly")
    assert heard == [
        ("work", 0, "", False), ("work", 1, "", False), ("work", 7, "nearly", False),
        ("work", 7, "nearly", True),
    ]  # fmt: skip


def test_a_task_that_fails_is_finished_too() -> None:
    """Bars do not stay behind when work ends in an error."""
    seen: list[Task] = []
    with pytest.raises(RuntimeError), listening(seen.append), track("work", 1):
        raise RuntimeError
    assert seen[-1].finished


def test_nobody_hears_after_the_block() -> None:
    """Listening ends with its block, whatever was raised in it; other listeners go on."""
    inner: list[Task] = []
    outer: list[Task] = []
    with listening(outer.append):
        with pytest.raises(RuntimeError), listening(inner.append):
            raise RuntimeError
        with track("work", 1):
            pass
    assert not inner
    assert len(outer) == 2


def test_advances_from_many_threads_add_up() -> None:
    """No count is lost when clips of several exams are done at once."""
    with track("work", 4000) as task:
        threads = [
            threading.Thread(target=lambda: [task.advance() for _ in range(1000)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert task.done == 4000


def test_what_a_task_says_is_printed_once() -> None:
    """Each line for the log comes at once and once, with the task's label, however often the task
    advances; square brackets in it are no markup."""
    out = io.StringIO()
    with shown_on(Console(file=out, width=200)), track("train", 3, "it") as task:
        task.say("went back [at once]")
        assert out.getvalue() == "train: went back [at once]\n"
        task.advance()
        task.say("collapsed")
        task.advance(2)
    assert out.getvalue().splitlines()[:2] == ["train: went back [at once]", "train: collapsed"]
    assert out.getvalue().count("collapsed") == 1
