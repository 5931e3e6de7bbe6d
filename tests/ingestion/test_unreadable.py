"""One file that its disk does not give is named, tried again, and at last left out for now."""

from __future__ import annotations

import errno
from datetime import timedelta
from pathlib import Path

import pytest
from test_outage import Failing

from lusgan_core.calls.call import StageContext
from lusgan_core.errors import ExamError, UnreadableError
from lusgan_core.ingestion import stage as ingest
from lusgan_core.ingestion.discover import discover
from lusgan_core.pipeline import exam_digests, unreadable
from lusgan_core.pipeline.exam_digests import find_exams
from lusgan_core.pipeline.runner import Inline
from lusgan_core.store import LocalStore
from lusgan_core.store.source import FolderSource
from tiny_runs import write_exams


@pytest.fixture
def exams(tmp_path: Path) -> Path:
    """Write the exam of one patient, four clips."""
    return write_exams(tmp_path / "exams", patients=1)


def failing(monkeypatch: pytest.MonkeyPatch, ending: str, number: int = errno.EIO) -> None:
    """Let the end of each name be that of files with a bad sector."""

    def opened(uri: str) -> FolderSource:
        return Failing(Path(uri), ending, number)

    monkeypatch.setattr(exam_digests, "open_source", opened)


def test_it_is_named_tried_again_and_left_out_for_now(
    exams: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two tries end the run and say how it goes on; the third, late enough, rejects the clip alone;
    once the file can be read again, the exam is what it was."""
    where = (str(exams), str(tmp_path / "store"))
    whole = find_exams(*where)
    LocalStore(tmp_path / "store").delete(
        next(i.key for i in LocalStore(tmp_path / "store").list("exams/digests"))
    )
    failing(monkeypatch, "_1.mat")
    for number in (1, 2):
        with pytest.raises(UnreadableError, match=rf"try {number} of 3: .*`lusgan check` names it"):
            find_exams(*where)
    with pytest.raises(UnreadableError, match=r"try 3 of 3"):  # within the hour
        find_exams(*where)
    monkeypatch.setattr(unreadable, "SPAN", timedelta(0))
    (exam,) = find_exams(*where).exams
    (rejected,) = exam.rejected
    assert rejected.file.endswith("_1.mat")
    assert rejected.reason.startswith("cannot be read for now (Input/output error; 4 tries since")
    assert len(exam.clips) == 3
    monkeypatch.undo()
    assert find_exams(*where).exams == whole.exams
    assert not list(LocalStore(tmp_path / "store").list("exams/unreadable"))


def test_no_patient_is_named(exams: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has eight digits of the file's name, none of the patient's."""
    failing(monkeypatch, "_1_score.mat")
    with pytest.raises(UnreadableError) as caught:
        find_exams(str(exams), str(tmp_path / "store"))
    assert "9001" not in str(caught.value).replace(str(tmp_path), "")


def test_a_disk_that_is_away_is_no_bad_file(
    exams: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no file can be read, the run ends each time, and no try is counted."""

    class Away(FolderSource):
        def open(self, key: str) -> object:  # type: ignore[override]
            raise OSError(errno.EIO, "no matter")

    monkeypatch.setattr(exam_digests, "open_source", lambda uri: Away(uri))
    monkeypatch.setattr(unreadable, "SPAN", timedelta(0))
    for _ in range(5):
        with pytest.raises(ExamError, match="an exam cannot be read: Input/output error"):
            find_exams(str(exams), str(tmp_path / "store"))
    assert not list(LocalStore(tmp_path / "store").list("exams/"))


def test_a_file_that_fails_in_a_stage_is_read_whole_at_the_next_look(
    exams: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its digest is known by then, so that looking would not find out; it is noted, and counted."""
    where = (str(exams), str(tmp_path / "store"))
    find_exams(*where)
    source = Failing(exams, "_1.mat", errno.EIO)
    (exam,) = discover(FolderSource(exams)).exams
    runner = Inline(StageContext(LocalStore(tmp_path / "store"), source))
    with pytest.raises(UnreadableError, match="try 1 of 3"):
        runner.one(ingest.call(exam, 1))
    failing(monkeypatch, "_1.mat")
    with pytest.raises(UnreadableError, match="try 2 of 3"):
        find_exams(*where)
    monkeypatch.setattr(unreadable, "SPAN", timedelta(0))
    (exam,) = find_exams(*where).exams
    assert [r.file[-6:] for r in exam.rejected] == ["_1.mat"]
