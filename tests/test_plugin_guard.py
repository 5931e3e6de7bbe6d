"""What plugins do to the process while they are loaded reaches nobody else."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from lusgan_core import plugin_watch
from lusgan_core.plugin_guard import described, guarded


def test_what_a_plugin_does_to_torch_and_numpy_is_put_back() -> None:
    """Trainings of others compute in the same type, on the same device, with as many threads and
    with gradients; overflows warn as before. Each is told."""
    with guarded("theirs") as changes:
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.set_grad_enabled(False)
        torch.set_num_threads(2)
        np.seterr(all="raise")
    assert torch.zeros(1, requires_grad=True).mul(2).requires_grad
    assert (torch.zeros(1).dtype, torch.zeros(1).device.type) == (torch.float32, "cpu")
    assert torch.get_num_threads() == 1
    assert np.geterr()["over"] == "warn"
    for what in ("default type", "default device", "gradients", "threads", "floating-point"):
        assert any(what in change for change in changes), what


def test_what_is_put_back_is_put_back_after_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin that fails half-way leaves no more behind than one that does not."""
    monkeypatch.setenv("LUSGAN_TEST", "before")
    here = Path.cwd()

    def fail() -> None:
        os.chdir(tmp_path)
        os.environ["LUSGAN_TEST"] = "after"
        os.environ["LUSGAN_TEST_NEW"] = "new"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), guarded("theirs"):
        fail()
    assert Path.cwd() == here
    assert os.environ["LUSGAN_TEST"] == "before"
    assert os.environ.pop("LUSGAN_TEST_NEW") == "new"


def test_a_plugin_that_changes_nothing_is_told_of_nothing() -> None:
    """An ordinary import is no news."""
    with guarded("theirs") as changes:
        import colorsys  # noqa: F401
    assert changes == []


def test_threads_become_daemons_only_while_a_plugin_is_loaded() -> None:
    """What it starts cannot keep the process from ending; what lusgan starts afterwards can."""
    seen: list[bool] = []

    def start() -> None:
        thread = threading.Thread(target=lambda: seen.append(thread.daemon))
        thread.start()
        thread.join()

    with guarded("theirs") as changes:
        start()
    start()
    assert seen == [True, False]
    assert changes == ["starts 1 thread"]


def test_a_slow_plugin_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While it still computes, on stderr, with what to do; a quick one is not."""
    monkeypatch.setattr(plugin_watch, "SLOW_S", 0.05)
    with guarded("theirs (dist 1.0)") as changes:
        until = time.thread_time() + 20
        while not (said := capsys.readouterr().err) and time.thread_time() < until:
            pass
    assert "the plugin theirs (dist 1.0) takes more than 0.05 s" in said
    assert "LUSGAN_PLUGINS" in said
    assert any("to load" in change for change in changes)
    monkeypatch.setattr(plugin_watch, "SLOW_S", 60.0)
    with guarded("quick"):
        pass
    assert capsys.readouterr().err == ""


def test_a_busy_machine_is_no_plugins_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Time in which a plugin is kept from computing, as by other processes, is not held against
    it; one that does not end is named all the same, while it is loaded, but is not called slow."""
    monkeypatch.setattr(plugin_watch, "SLOW_S", 0.5)
    with guarded("theirs") as changes:
        time.sleep(0.8)
    assert capsys.readouterr().err == ""
    assert not [change for change in changes if "to load" in change]
    monkeypatch.setattr(plugin_watch, "HANGS_S", 0.05)
    with guarded("theirs") as changes:
        until = time.monotonic() + 60
        while not (said := capsys.readouterr().err) and time.monotonic() < until:
            time.sleep(0.05)
    assert "the plugin theirs has not ended after 0.05 s" in said
    assert changes == []


def test_other_threads_are_no_plugins_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the process computes elsewhere meanwhile, a training for one, does not count."""
    monkeypatch.setattr(plugin_watch, "SLOW_S", 0.4)
    ended = threading.Event()

    def compute() -> None:
        while not ended.is_set():
            pass

    other = threading.Thread(target=compute)
    other.start()
    try:
        with guarded("theirs") as changes:
            until = time.process_time() + 1.0
            while time.process_time() < until:
                time.sleep(0.02)
    finally:
        ended.set()
        other.join()
    assert changes == []


@pytest.mark.parametrize("drawn", [1, 623, 624, 625, 5000])
def test_random_numbers_that_are_drawn_are_no_fault(drawn: int) -> None:
    """Other threads draw from them meanwhile, as Prefect's do; seeding them is told, and undone."""
    random.seed(7)
    before = random.Random()
    before.setstate(random.getstate())
    with guarded("theirs") as changes:
        numbers = [random.getrandbits(32) for _ in range(drawn)]
    assert changes == []
    assert numbers == [before.getrandbits(32) for _ in range(drawn)]
    with guarded("theirs") as changes:
        random.seed(7)
    assert changes == ["changes Python's random numbers"]
    assert random.getrandbits(32) == before.getrandbits(32)


def test_an_exception_is_described_on_one_short_line() -> None:
    """Whatever a plugin raises, a listing stays a listing."""
    text = described(ValueError("one\n  two\n" + "x" * 1000))
    assert text.startswith("ValueError: one two xxx")
    assert len(text) < 420
    assert "\n" not in text
