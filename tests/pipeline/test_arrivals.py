"""Which exams have arrived, and what was announced of them."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import pytest

from lusgan_core.calls.ledger import record_tried
from lusgan_core.domain import ExamCodes
from lusgan_core.ingestion.discover import Discovery, discover
from lusgan_core.ingestion.readers import choose_readers
from lusgan_core.pipeline import arrivals
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
from lusgan_core.store.source import FolderSource, SourceStat
from small_readers import RAW, registry
from tiny_runs import write_exams

CODES = ("p", "e")


@pytest.fixture
def place(tmp_path: Path) -> tuple[str, str]:
    """Return a folder of three exams and one for a store."""
    return str(write_exams(tmp_path / "exams")), str(tmp_path / "store")


class Listing(FolderSource):
    """A source that lists what it is told, with the times that it is told."""

    def __init__(self, changed: Mapping[str, float]) -> None:
        super().__init__("/exams")
        self.changed = changed

    def objects(self) -> Iterator[SourceStat]:
        """List every object, in the order in which it was given."""
        for key, when in self.changed.items():
            yield SourceStat(key, 1, "1", changed=when)

    def open(self, key: str) -> BinaryIO:
        """Every object holds a byte."""
        return io.BytesIO(b"x")


def changes_of(changed: Mapping[str, float]) -> dict[ExamCodes, float]:
    """Times of the last change in the exams of what is listed."""
    source = Listing(changed)
    return last_changes(source, discover(source))


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
    source = FolderSource(folder)
    changes = last_changes(source, discover(source))
    assert set(changes) == {("9001", "1"), ("9002", "1"), ("9003", "1")}
    assert all(time.time() - 60 < changed <= time.time() for changed in changes.values())


def test_an_exam_changed_when_the_last_of_its_files_did() -> None:
    """In whatever order files are listed; also one that begins under a hidden name. What lies
    elsewhere in the source is no part of an exam."""
    times = {"1/2/convex_1_2_3.mat": 5.0, "1/2/.convex_1_2_4.mat.part": 9.0, "1/2/notes.txt": 7.0}
    for order in (list(times), list(times)[::-1], sorted(times, key=times.__getitem__)):
        assert changes_of({key: times[key] for key in order}) == {("1", "2"): 9.0}
    elsewhere = dict.fromkeys(("README", "1/a.mat", "1/2/deeper/a.mat", "1/3/a.mat"), 99.0)
    assert changes_of(times | elsewhere) == {("1", "2"): 9.0}


def test_a_mask_that_arrives_changes_its_exam_alone() -> None:
    """A mask counts by its name, in upper or lower case, and an older one makes nothing older."""
    clips = {
        f"{p}/{e}/convex_{p}_{e}_1{end}.mat": 10.0
        for p, e in (("1a", "2"), ("1a", "22"), ("1", "2"))
        for end in ("", "_score")
    }
    masks = {
        "Binary-Masks/convex_1A_2_1_MASK.png": 30.0,
        "Binary-Masks/convex_1a_2_2_mask.png": 20.0,
        "Binary-Masks/convex_1a_22_1_mask.png": 40.0,
        "Binary-Masks/convex_1_2_1_mask.png": 5.0,
    }
    for listed in (clips | masks, masks | clips):
        assert changes_of(listed) == {
            ("1a", "2"): 30.0, ("1a", "22"): 40.0, ("1", "2"): 10.0
        }  # fmt: skip
    on_its_way = {"Binary-Masks/convex_1A_22_7_mask.png": 40.0}  # before its clip
    assert changes_of(clips | on_its_way) == {
        ("1a", "2"): 10.0, ("1a", "22"): 40.0, ("1", "2"): 10.0
    }  # fmt: skip


@pytest.mark.parametrize("told_by", ["patient", "exam"])
def test_a_name_that_tells_half_of_an_exam_is_taken_whole(told_by: str) -> None:
    """Where a clip's name without the number of its area names the patient or the exam alone, what
    belongs to another exam or patient is told by that number, and changes nothing here."""
    first, second = {"patient": ("7a-01", "7a-02"), "exam": ("7e-01", "7e-02")}[told_by]
    folders = {"patient": ("7a/1", "7a/2"), "exam": ("11/7e", "12/7e")}[told_by]
    clips = {
        f"{folder}/2_{name}.raw": 10.0
        for folder, name in zip(folders, (first, second), strict=True)
    }
    source = Listing(clips | {f"masks/2_{second}_mask.png": 30.0})
    found = discover(source, readers=choose_readers(None, registry(RAW)))
    one, other = (tuple(folder.split("/")) for folder in folders)
    assert last_changes(source, found) == {one: 10.0, other: 30.0}


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
    assert not to_wait_for(
        discover(source), last_changes(source, discover(source)), Announcements(), 1.0
    )
    grow(Path(place[0]) / "9002")
    found = discover(source)
    changes = last_changes(source, found)
    one, everyone = {("9002", "1")}, {("9001", "1"), ("9002", "1"), ("9003", "1")}
    assert set(arriving(found, changes, Announcements(), 1.0)) == one
    assert set(to_wait_for(found, changes, Announcements(), 1.0)) == everyone
    changes[("9001", "1")] -= 60
    assert set(to_wait_for(found, changes, Announcements(), 1.0)) == everyone - {("9001", "1")}


def test_an_upload_that_never_ends_holds_the_others_for_ten_settle_times_at_most(
    place: tuple[str, str],
) -> None:
    """What came within ten settle times before waits for the one that is arriving; no longer."""
    found, now = discover(FolderSource(place[0])), time.time()
    one, held, before = (exam.codes for exam in found.exams)
    changes = {one: now, held: now - 590, before: now - 610}
    assert set(to_wait_for(found, changes, Announcements(), 60)) == {one, held}
    assert set(arriving(found, changes, Announcements(), 60)) == {one}


def test_what_comes_during_a_look_shows_as_a_change(
    place: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes are listed after discovery: a file that came in between makes its exam wait."""
    time.sleep(1.1)

    def find_exams(exams: str, store: str, readers: object) -> Discovery:
        found = discover(FolderSource(exams))
        grow(Path(exams) / "9002")
        return found

    monkeypatch.setattr(arrivals, "find_exams", find_exams)
    _, found = find_settled(*place, settle_s=1.0)
    assert codes(found) == {"9001", "9003"}


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
    waiting = arriving(again, last_changes(source, again), said, 100)
    assert ("9001", "1") in waiting


def test_an_announcement_is_no_declaration() -> None:
    """What the watch announces is not complete by that, the first time or again."""
    once = Announcements().told(CODES, "a")
    assert not once.exams[0].complete
    assert not once.told(CODES, "a").exams[0].complete
    assert not Announced(patient="p", exam="e", digest="", at=datetime.now(UTC)).complete


def test_what_somebody_vouched_for_stays_vouched_for() -> None:
    """The watch that announces the exam again does not take it back; other content is another."""
    said = Announcements().told(CODES, "a", complete=True).told(CODES, "a")
    assert (said.exams[0].complete, said.exams[0].times) == (True, 2)
    assert not said.told(CODES, "b").exams[0].complete


def test_a_known_exam_of_the_same_content_is_not_waited_for(
    place: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that were only copied again, or touched, are what a run has tried before."""
    monkeypatch.setattr("lusgan_core.pipeline.arrivals.PATIENCE", 0)  # waiting is an error
    source, store = FolderSource(place[0]), LocalStore(Path(place[1]))
    record_tried(store, source.uri, discover(source).exams)
    for file in (Path(place[0]) / "9001").rglob("*.mat"):
        file.touch()
    _, taken = find_settled(*place, settle_s=100)
    assert codes(taken) == {"9001", "9002", "9003"}


def test_a_known_exam_that_changes_is_waited_for(place: tuple[str, str]) -> None:
    """A run neither trains without it nor with half of it: it waits until it is whole."""
    source, store = FolderSource(place[0]), LocalStore(Path(place[1]))
    record_tried(store, source.uri, discover(source).exams)
    grow(Path(place[0]) / "9001")
    started = time.monotonic()
    _, taken = find_settled(*place, settle_s=1.0)
    assert codes(taken) == {"9001", "9002", "9003"}
    assert time.monotonic() - started > 0.7


def test_what_settles_is_seen_soon(place: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait is made of pauses of a quarter of the settle time, of ten seconds at most."""
    source, store = FolderSource(place[0]), LocalStore(Path(place[1]))
    record_tried(store, source.uri, discover(source).exams)
    for settle_s, pause in ((1.0, 0.25), (100.0, 10.0)):
        grow(Path(place[0]) / "9001")
        pauses: list[float] = []

        def passes(seconds: float, pauses: list[float] = pauses) -> None:
            pauses.append(seconds)
            if len(pauses) == 2:
                record_tried(store, source.uri, discover(source).exams)

        clock = SimpleNamespace(time=time.time, monotonic=time.monotonic, sleep=passes)
        monkeypatch.setattr(arrivals, "time", clock)
        find_settled(*place, settle_s=settle_s)
        assert pauses == [pause] * 2


def test_waiting_for_a_known_exam_ends(
    place: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that changes all the time is an error that names no patient, after some settle times."""
    monkeypatch.setattr("lusgan_core.pipeline.arrivals.PATIENCE", 3)
    source, store = FolderSource(place[0]), LocalStore(Path(place[1]))
    record_tried(store, source.uri, discover(source).exams)
    grow(Path(place[0]) / "9001")
    done = threading.Event()

    def keep_growing() -> None:
        while not done.wait(0.1):
            grow(Path(place[0]) / "9001")

    thread, started = threading.Thread(target=keep_growing), time.monotonic()
    thread.start()
    try:
        with pytest.raises(StillChangingError, match=r"1 known exams .* after 4\.5 s") as raised:
            find_settled(*place, settle_s=1.5)
    finally:
        done.set()
        thread.join()
    assert time.monotonic() - started > 4.5
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
    """After two minutes, if no run is under way; then after four, eight ..., at most six hours."""

    def said(minutes: float, times: int) -> Announcements:
        at = datetime.now(UTC) - timedelta(minutes=minutes)
        entry = Announced(patient="p", exam="e", digest="a", at=at, times=times)
        return Announcements(exams=(entry,))

    assert said(2.1, 1).due(CODES, "a", run_active=False)
    assert not said(2.1, 1).due(CODES, "a", run_active=True)
    assert not said(3.9, 2).due(CODES, "a", run_active=False)
    assert said(4.1, 2).due(CODES, "a", run_active=False)
    assert said(2.1, 1).told(CODES, "a").exams[0].times == 2
    for times, minutes in ((3, 8), (4, 16), (8, 256), (9, 360), (30, 360), (5000, 360)):
        assert not said(minutes - 0.1, times).due(CODES, "a", run_active=False)
        assert said(minutes + 0.1, times).due(CODES, "a", run_active=False)


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
