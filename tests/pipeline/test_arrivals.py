"""Which exams have arrived, and what was announced of them."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lusgan_core.calls.ledger import record_tried
from lusgan_core.ingestion.discover import discover
from lusgan_core.pipeline.arrivals import (
    Announced,
    Announcements,
    StillChangingError,
    arriving,
    find_settled,
    last_changes,
    to_wait_for,
)
from lusgan_core.store import LocalStore
from lusgan_core.store.source import FolderSource
from tiny_runs import write_exams

CODES = ("p", "e")


@pytest.fixture
def place(tmp_path: Path) -> tuple[str, str]:
    """Return a folder of three exams and one for a store."""
    return str(write_exams(tmp_path / "exams")), str(tmp_path / "store")


def codes(found: object) -> set[str]:
    return {exam.patient for exam in found.exams}


def grow(folder: Path) -> None:
    """Add a byte to a clip of an exam."""
    clip = min(folder.rglob("convex_*_score.mat"))
    clip.write_bytes(clip.read_bytes() + b"\0")


def test_a_copy_that_keeps_its_time_counts_as_new(place: tuple[str, str]) -> None:
    """What counts is when a file came here, not the time that it was given."""
    folder = Path(place[0])
    for file in folder.rglob("*"):
        os.utime(file, (1_000_000, 1_000_000))
    changes = last_changes(FolderSource(folder))
    assert set(changes) == {("9001", "1"), ("9002", "1"), ("9003", "1")}
    assert all(time.time() - 60 < changed <= time.time() for changed in changes.values())


def test_new_exams_that_are_still_arriving_are_left_out(place: tuple[str, str]) -> None:
    """An exam in which something changed within the settle time is not taken; others are."""
    time.sleep(1.1)
    grow(Path(place[0]) / "9002")
    everything, found = find_settled(*place, settle_s=1.0)
    assert codes(everything) == {"9001", "9002", "9003"}
    assert codes(found) == {"9001", "9003"}


def test_exams_of_one_upload_wait_for_each_other(place: tuple[str, str]) -> None:
    """While one is arriving, others that have just come wait too; those of long before do not."""
    time.sleep(1.1)
    source = FolderSource(place[0])
    assert not to_wait_for(discover(source), last_changes(source), Announcements(), 1.0)
    grow(Path(place[0]) / "9002")
    found, changes = discover(source), last_changes(source)
    one, everyone = {("9002", "1")}, {("9001", "1"), ("9002", "1"), ("9003", "1")}
    assert set(arriving(found, changes, Announcements(), 1.0)) == one
    assert set(to_wait_for(found, changes, Announcements(), 1.0)) == everyone
    changes[("9001", "1")] -= 60
    assert set(to_wait_for(found, changes, Announcements(), 1.0)) == everyone - {("9001", "1")}


def test_without_a_settle_time_everything_is_taken(place: tuple[str, str]) -> None:
    """Zero turns the rule off, as `lusgan run` has it."""
    everything, found = find_settled(*place, settle_s=0)
    assert codes(found) == codes(everything) == {"9001", "9002", "9003"}


def test_an_exam_that_somebody_says_is_whole_is_taken(place: tuple[str, str]) -> None:
    """`lusgan notify` vouches for an exam with that very content, and no longer."""
    source, store = FolderSource(place[0]), LocalStore(Path(place[1]))
    found = discover(source)
    digest = found.exams[0].digest
    said = Announcements().told(("9001", "1"), digest, complete=True)
    said.save(store, source.uri)
    _, taken = find_settled(*place, settle_s=100)
    assert codes(taken) == {"9001"}
    grow(Path(place[0]) / "9001")
    again = discover(source)
    waiting = arriving(again, last_changes(source), said, 100)
    assert ("9001", "1") in waiting


def test_a_known_exam_that_changes_is_waited_for(place: tuple[str, str]) -> None:
    """A run neither trains without it nor with half of it: it waits until it is whole."""
    source, store = FolderSource(place[0]), LocalStore(Path(place[1]))
    record_tried(store, source.uri, discover(source).exams)
    grow(Path(place[0]) / "9001")
    started = time.monotonic()
    _, taken = find_settled(*place, settle_s=1.0)
    assert codes(taken) == {"9001", "9002", "9003"}
    assert time.monotonic() - started > 0.7


def test_waiting_for_a_known_exam_ends(
    place: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that changes all the time is an error that names no patient."""
    monkeypatch.setattr("lusgan_core.pipeline.arrivals.PATIENCE", 1)
    source, store = FolderSource(place[0]), LocalStore(Path(place[1]))
    record_tried(store, source.uri, discover(source).exams)
    grow(Path(place[0]) / "9001")
    done = threading.Event()

    def keep_growing() -> None:
        while not done.wait(0.1):
            grow(Path(place[0]) / "9001")

    thread = threading.Thread(target=keep_growing)
    thread.start()
    try:
        with pytest.raises(StillChangingError, match="1 known exams") as raised:
            find_settled(*place, settle_s=1.5)
    finally:
        done.set()
        thread.join()
    assert "9001" not in str(raised.value)


def test_an_exam_is_announced_once_per_content(tmp_path: Path) -> None:
    """While a run is under way, or shortly after, it is not told again; other content is."""
    store = LocalStore(tmp_path)
    Announcements().told(CODES, "a").save(store, "/exams")
    said = Announcements.load(store, "/exams")
    assert not said.due(CODES, "a", run_active=False)
    assert said.due(CODES, "b", run_active=True)
    assert Announcements.load(store, "/elsewhere").due(CODES, "a", run_active=True)


def test_what_nobody_took_up_is_announced_again_ever_more_rarely() -> None:
    """After two minutes, if no run is under way; after the second time, four minutes."""

    def said(minutes: float, times: int) -> Announcements:
        at = datetime.now(UTC) - timedelta(minutes=minutes)
        entry = Announced(patient="p", exam="e", digest="a", at=at, times=times)
        return Announcements(exams=(entry,))

    assert said(2.1, 1).due(CODES, "a", run_active=False)
    assert not said(2.1, 1).due(CODES, "a", run_active=True)
    assert not said(3.9, 2).due(CODES, "a", run_active=False)
    assert said(4.1, 2).due(CODES, "a", run_active=False)
    assert said(2.1, 1).told(CODES, "a").exams[0].times == 2


def test_what_a_person_cancelled_is_not_announced_again() -> None:
    """It waits until it changes or is announced anew; what came after the cancelling does not."""
    at = datetime.now(UTC) - timedelta(hours=9)
    entry = Announced(patient="p", exam="e", digest="a", at=at)
    said, later = Announcements(exams=(entry,)), at + timedelta(minutes=1)
    assert said.due(CODES, "a", run_active=False)
    assert not said.due(CODES, "a", run_active=False, cancelled=later)
    assert said.due(CODES, "b", run_active=False, cancelled=later)
    assert said.due(("q", "e"), "a", run_active=False, cancelled=later)
    assert said.due(CODES, "a", run_active=False, cancelled=at - timedelta(minutes=1))


def test_what_waits_for_nothing_is_forgotten() -> None:
    """An exam that a run has tried needs no announcement any more."""
    said = Announcements().told(CODES, "a").told(("q", "e"), "b")
    assert said.keeping([("q", "e")]).exams[0].patient == "q"
    assert said.keeping([]).exams == ()
