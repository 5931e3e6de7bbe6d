"""What is known of a source, and how it differs from what is there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lusgan_core.calls.ledger import Changes, ExamLedger, ledger_key, record_read, record_tried
from lusgan_core.domain import ExamFiles, Rejection
from lusgan_core.errors import DamagedError
from lusgan_core.ingestion.discover import Discovery, discover, hiding
from lusgan_core.ingestion.readers import choose_readers
from lusgan_core.store import LocalStore
from lusgan_core.store.source import open_source
from matfiles import MemorySource
from tiny_runs import write_exams

SOURCE = "/exams"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Discovery:
    """Return what is discovered in three phantom exams."""
    exams = write_exams(tmp_path_factory.mktemp("known") / "exams", clips_per_exam=1)
    return discover(open_source(str(exams)))


def whole(found: Discovery) -> tuple[tuple[ExamFiles, ...], tuple[Rejection, ...]]:
    """Return what a ledger is compared with."""
    return found.exams, found.rejected


def some(found: Discovery, *numbers: int, rejected: tuple[Rejection, ...] = ()) -> Discovery:
    return Discovery(tuple(found.exams[n] for n in numbers), rejected, found.digests)


def codes(exams) -> list[str]:
    return [exam.patient for exam in exams]


def test_nothing_is_known_at_first(tmp_path: Path, found: Discovery) -> None:
    """In a new store every exam is new, and looking writes nothing."""
    store = LocalStore(tmp_path)
    changes = ExamLedger.load(store, SOURCE).compare(found.exams, found.rejected)
    assert changes.new == found.exams
    assert not changes.changed
    assert not changes.withdrawn
    assert list(store.list()) == []


def test_what_was_tried_is_known_and_kept(tmp_path: Path, found: Discovery) -> None:
    """After a run the same source shows no change, in another process too."""
    store = LocalStore(tmp_path)
    ExamLedger.load(store, SOURCE).tried(found.exams).save(store)
    known = ExamLedger.load(store, SOURCE)
    assert not known.compare(found.exams, found.rejected)
    assert {exam.state for exam in known.exams} == {"tried"}
    assert known.tried(found.exams) == known
    before = store.get(ledger_key(SOURCE))
    record_tried(store, SOURCE, found.exams)
    assert store.get(ledger_key(SOURCE)) == before


def test_what_was_read_is_new_until_it_is_tried(tmp_path: Path, found: Discovery) -> None:
    """Of a study, or a run that was killed: a run takes it, and its withdrawal is noticed."""
    store = LocalStore(tmp_path)
    record_tried(store, SOURCE, some(found, 0).exams)
    record_read(store, SOURCE, found.exams)
    known = ExamLedger.load(store, SOURCE)
    assert [exam.state for exam in known.exams] == ["tried", "read", "read"]
    changes = known.compare(found.exams, found.rejected)
    assert (changes.new, changes.changed) == (found.exams[1:], ())
    assert [gone.patient for gone in known.compare(some(found, 0, 1).exams, ()).withdrawn] == codes(
        found.exams[2:]
    )
    record_tried(store, SOURCE, found.exams)
    record_read(store, SOURCE, found.exams)
    known = ExamLedger.load(store, SOURCE)
    assert {exam.state for exam in known.exams} == {"tried"}
    assert not known.compare(*whole(found))


def test_new_changed_and_withdrawn_are_told_apart(found: Discovery) -> None:
    """One exam came, one has other content, one is gone, each in its place."""
    known = ExamLedger(source=SOURCE).tried(some(found, 0, 1).exams)
    other = found.exams[1].model_copy(update={"digest": "f" * 64})
    now = Discovery((other, found.exams[2]), (), {})
    changes = known.compare(now.exams, now.rejected)
    assert changes.new == (found.exams[2],)
    assert changes.changed == (other,)
    assert codes(changes.withdrawn) == ["9001"]
    assert changes


def test_exams_of_a_reader_that_did_not_look_are_not_withdrawn(found: Discovery) -> None:
    """Neither where their reader was not asked or failed, nor in a ledger that named no readers."""
    known = ExamLedger(source=SOURCE).tried(found.exams)
    assert {entry.readers for entry in known.exams} == {("mat",)}
    nameless = tuple(entry.model_copy(update={"readers": ()}) for entry in known.exams)
    for ledger in (known, known.model_copy(update={"exams": nameless})):
        assert not ledger.compare((), (), ("dicom",))
        assert not ledger.compare((), (), ())
        for readers in (("mat",), ("dicom", "mat"), None):
            assert len(ledger.compare((), (), readers).withdrawn) == 3
    assert known.model_copy(update={"exams": nameless}).tried(found.exams) == known


def test_any_kind_of_difference_is_a_change(found: Discovery) -> None:
    """A new exam alone counts, and so does one that changed or went; without any there is none."""
    (entry,) = ExamLedger(source=SOURCE).tried(found.exams[:1]).exams
    assert Changes(new=found.exams[:1], changed=(), withdrawn=())
    assert Changes(new=(), changed=found.exams[:1], withdrawn=())
    assert Changes(new=(), changed=(), withdrawn=(entry,))
    assert not Changes(new=(), changed=(), withdrawn=())


def test_an_exam_is_named_by_eight_digits(found: Discovery) -> None:
    """Where its patient must not be named, the start of its digest does."""
    for entry in ExamLedger(source=SOURCE).tried(found.exams).exams:
        assert entry.short_digest == entry.digest[:8]
        assert len(entry.short_digest) == 8


def test_an_exam_that_failed_is_tried_again_when_it_changes(found: Discovery) -> None:
    """Known means tried: one that failed is not new until its content is another."""
    first = found.exams[0]
    known = ExamLedger(source=SOURCE).tried(found.exams, failed={first.codes})
    assert [exam.state for exam in known.exams] == ["failed", "tried", "tried"]
    assert not known.compare(found.exams, found.rejected)
    mended = first.model_copy(update={"digest": "0" * 64})
    assert known.compare(*whole(Discovery((mended, *found.exams[1:]), (), {}))).changed == (mended,)
    assert known.tried(found.exams).exams[0].state == "tried"
    assert known.tried(found.exams).exams[0].first_seen == known.exams[0].first_seen


def test_a_withdrawn_exam_is_forgotten(tmp_path: Path, found: Discovery) -> None:
    """Nothing goes on naming its patient; if it comes back, it is new."""
    store = LocalStore(tmp_path)
    known = ExamLedger(source=SOURCE).tried(found.exams).without({("9002", "1")})
    known.save(store)
    assert b"9002" not in store.get(ledger_key(SOURCE))
    assert codes(known.compare(found.exams, found.rejected).new) == ["9002"]


@pytest.mark.parametrize("folder", ["9001/", "9001/1/"])
def test_what_cannot_be_looked_at_is_not_gone(found: Discovery, folder: str) -> None:
    """A folder that cannot be read does not count as exams withdrawn; others still do."""
    known = ExamLedger(source=SOURCE).tried(found.exams)
    unreadable = Rejection(file=folder, reason="the folder cannot be read: Permission denied")
    changes = known.compare(*whole(some(found, 2, rejected=(unreadable,))))
    assert codes(changes.withdrawn) == ["9002"]


def test_a_source_that_cannot_be_listed_withdraws_nobody(found: Discovery) -> None:
    """A root that cannot be read, whose key is empty, counts every exam as there."""
    known = ExamLedger(source=SOURCE).tried(found.exams)
    unreadable = Rejection(file="", reason="the folder cannot be read: Permission denied")
    assert not known.compare(*whole(some(found, rejected=(unreadable,))))
    misplaced = Rejection(file="9001", reason="not an exam")
    changes = known.compare(*whole(some(found, rejected=(misplaced,))))
    assert codes(changes.withdrawn) == ["9001", "9002", "9003"]


def test_sources_are_known_apart(tmp_path: Path, found: Discovery) -> None:
    """Two sources of one store do not mix; the object's name holds eight digits of the address."""
    store = LocalStore(tmp_path)
    record_tried(store, SOURCE, found.exams)
    assert ExamLedger.load(store, "/elsewhere").exams == ()
    assert ledger_key(SOURCE) != ledger_key("/elsewhere")
    assert len(ledger_key(SOURCE)) == len("exams/known-01234567.json")


def test_a_damaged_record_is_no_empty_one(tmp_path: Path) -> None:
    """Half a record, without a copy, stops with what to do, since an empty one would hide
    withdrawals; with a copy nobody notices."""
    store = LocalStore(tmp_path)
    half = json.dumps({"source": SOURCE})[:-3].encode()
    store.put(ledger_key(SOURCE), half)
    with pytest.raises(DamagedError, match=r"known-\w{8}\.json in .* is damaged: .*: restore it,"):
        ExamLedger.load(store, SOURCE)
    exams = write_exams(tmp_path / "exams", patients=1, clips_per_exam=2)
    known = ExamLedger(source=SOURCE).tried(discover(open_source(str(exams))).exams)
    known.save(store)
    store.put(ledger_key(SOURCE), half)
    assert ExamLedger.load(store, SOURCE) == known
    store.delete(ledger_key(SOURCE))
    assert ExamLedger.load(store, SOURCE) == known


def test_files_decide_not_times(tmp_path: Path) -> None:
    """A copy of an exam with other times is known; one file less is a change."""
    exams = write_exams(tmp_path / "exams", patients=1, clips_per_exam=2)
    known = ExamLedger(source=SOURCE).tried(discover(open_source(str(exams))).exams)
    again = tmp_path / "again"
    shutil.copytree(exams, again, copy_function=shutil.copyfile)
    assert not known.compare(*whole(discover(open_source(str(again)))))
    clip = next(p for p in sorted((again / "9001" / "1").glob("*.mat")) if "_score" not in p.name)
    clip.unlink()
    assert codes(known.compare(*whole(discover(open_source(str(again))))).changed) == ["9001"]


def test_a_clip_that_lost_its_row_in_a_table_is_not_withdrawn(tmp_path: Path) -> None:
    """A table that is gone, or being written anew, withdraws nobody whose clip is still there."""
    files = {
        "a/labels.csv": b"file,patient,score\n1.mp4,P1,2\n",
        "a/1.mp4": b"x",
        "b/labels.csv": b"file,patient,score\n2.mp4,P2,1\n3.mp4,P3,1\n",
        "b/2.mp4": b"x",
        "b/3.mp4": b"x",
    }

    def looked_at(changed: dict[str, bytes]) -> Discovery:
        readers = choose_readers({"video": {}})
        return discover(MemorySource(changed), readers=readers, empty_ok=True)

    known = ExamLedger(source=SOURCE).tried(looked_at(files).exams)
    assert codes(known.exams) == ["P1", "P2", "P3"]
    del files["b/labels.csv"], files["b/3.mp4"]
    assert codes(known.compare(*whole(looked_at(files))).withdrawn) == ["P3"]
    files["b/labels.csv"] = b""
    assert codes(known.compare(*whole(looked_at(files))).withdrawn) == ["P3"]


@pytest.mark.parametrize("away", ["9001", "9001/1"])
def test_a_link_to_a_disk_that_is_away_is_not_gone(tmp_path: Path, away: str) -> None:
    """A patient's or an exam's folder that is a link counts as there while its target is away."""
    exams = write_exams(tmp_path / "exams", clips_per_exam=1)
    disk = tmp_path / "disk"
    shutil.move(exams / away, disk)
    (exams / away).symlink_to(disk)
    known = ExamLedger(source=SOURCE).tried(discover(open_source(str(exams))).exams)
    shutil.move(disk, tmp_path / "unplugged")
    shutil.rmtree(exams / "9002")
    found = discover(open_source(str(exams)))
    assert codes(found.exams) == ["9003"]
    assert codes(known.compare(found.exams, found.rejected).withdrawn) == ["9002"]
    (rejection,) = hiding(found.rejected)
    assert rejection.file == f"{away}/"
    assert "No such file" in rejection.reason
