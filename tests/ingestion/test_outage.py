"""A disk or a network that fails is nobody's clip: nothing is rejected for it, the run ends."""

from __future__ import annotations

import errno
import io
import os
import shutil
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from lusgan_core.calls.call import StageContext
from lusgan_core.errors import ExamError, MissingArtifactError, StoreError
from lusgan_core.ingestion import stage as ingest
from lusgan_core.ingestion.discover import discover
from lusgan_core.ingestion.inspect import inspect_exam
from lusgan_core.pipeline.runner import Inline
from lusgan_core.preprocessing import stage as preprocess
from lusgan_core.store.source import FolderSource, is_outage, reason
from tiny_runs import Pipeline, tiny_config, write_exams


class Failing(FolderSource):
    """A folder in which reading one file fails from some byte on."""

    def __init__(self, path: Path, ending: str, number: int) -> None:
        super().__init__(path)
        self.ending, self.number = ending, number

    def open(self, key: str) -> BinaryIO:
        """See FolderSource.open."""
        file = super().open(key)
        if not key.endswith(self.ending):
            return file
        return io.BufferedReader(_Breaks(file, self.number), 512)


class _Breaks(io.RawIOBase):
    """A file whose reads fail behind the first 100 bytes."""

    def __init__(self, file: BinaryIO, number: int) -> None:
        self._file, self._number = file, number

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        if self._file.tell() >= 100:
            raise OSError(self._number, "no matter")
        data = self._file.read(min(len(buffer), 100 - self._file.tell()))
        buffer[: len(data)] = data
        return len(data)


@pytest.fixture(scope="module")
def exams(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the exam of one patient."""
    return write_exams(tmp_path_factory.mktemp("outage") / "exams", patients=1)


@pytest.mark.parametrize("ending", ["_1.mat", "_1_score.mat", "_1_mask.png"])
def test_an_outage_ends_the_run(exams: Path, ending: str) -> None:
    """Whichever file it strikes, of clip, scores and mask, listing or decoding."""
    failing = Failing(exams, ending, errno.EIO)
    with pytest.raises(ExamError, match=r"cannot be read: .*run the same command again"):
        discover(failing)
    (exam,) = discover(FolderSource(exams)).exams
    with pytest.raises(ExamError, match=r"cannot be read: .*run the same command again"):
        inspect_exam(failing, exam)


def test_a_file_that_may_not_be_read_is_rejected(exams: Path) -> None:
    """What is wrong with one file alone leaves the others."""
    (exam,) = discover(Failing(exams, "_1.mat", errno.EACCES)).exams
    (rejected,) = exam.rejected
    assert rejected.file.endswith("_1.mat")
    assert rejected.reason == "cannot be read: Permission denied"
    assert exam.clips


class _Entry:
    """A folder's entry whose disk is gone."""

    def __init__(self, entry: os.DirEntry[str], number: int) -> None:
        self.name, self.path, self.number = entry.name, entry.path, number

    def stat(self) -> os.stat_result:
        raise OSError(self.number, "no matter", self.path)


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOTCONN])
@pytest.mark.parametrize("how", ["stat", "scandir"])
def test_a_folder_that_an_outage_hides_ends_the_run(
    exams: Path, monkeypatch: pytest.MonkeyPatch, how: str, number: int
) -> None:
    """A patient's folder on a dead mount is not left out in silence, whatever call finds it."""
    scandir = os.scandir

    def failing(folder: str | Path) -> Any:
        if not str(folder).endswith("9001"):
            return scandir(folder)
        if how == "scandir":
            raise OSError(number, "no matter", str(folder))
        return nullcontext([_Entry(entry, number) for entry in scandir(folder)])

    monkeypatch.setattr("lusgan_core.store.source.os.scandir", failing)
    with pytest.raises(ExamError, match="run the same command again") as caught:
        discover(FolderSource(exams))
    assert "9001" not in str(caught.value)


def test_what_counts_as_an_outage() -> None:
    """A bucket that does not answer does, and what is gone after it was listed; a refusal not."""
    assert is_outage(StoreError("nothing answers there"))
    assert is_outage(MissingArtifactError("it is gone"))
    assert is_outage(OSError(errno.ESTALE, "stale"))
    assert is_outage(OSError(errno.ENOENT, "gone"))
    assert not is_outage(OSError(errno.EACCES, "shut"))


def test_a_reason_names_no_path() -> None:
    """A bucket's error is told as it is, a disk's by its number: Python's text holds the path."""
    assert reason(StoreError("nothing answers there")) == "nothing answers there"
    assert reason(OSError(errno.EIO, "no matter", "/9001/1")) == os.strerror(errno.EIO)
    assert reason(OSError("/9001/1 is bad")) == "input/output error"


def test_a_disk_that_was_away_in_a_run_costs_no_clip(tmp_path: Path) -> None:
    """Unplugged between two stages, it ends the run and leaves no record without its clips."""
    exams, disk = write_exams(tmp_path / "exams"), tmp_path / "disk"
    shutil.move(exams / "9002", disk)
    (exams / "9002").symlink_to(disk)
    pipeline = Pipeline(exams, tmp_path / "store")
    found = discover(pipeline.source)
    runner = Inline(StageContext(pipeline.store, pipeline.source))
    ingested = [runner.one(ingest.call(exam, 1)) for exam in found.exams]
    shutil.move(disk, tmp_path / "unplugged")
    with pytest.raises(ExamError, match=r"cannot be read: No such file.*run the same command"):
        runner.one(preprocess.call(ingested[1], tiny_config().preprocessing, None, 1))
    with pytest.raises(ExamError, match=r"cannot be read: No such file.*run the same command"):
        inspect_exam(pipeline.source, found.exams[1])
    assert not pipeline.files("shards/")
    shutil.move(tmp_path / "unplugged", disk)
    outcome = pipeline.run(tiny_config(scores=(0,)), until="preprocess")
    assert (outcome.clips, outcome.rejected) == (12, ())


def test_a_temporary_folder_that_is_missing_costs_no_clip(
    exams: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, rather than that an exam cannot be read, or that no clip can be used."""
    pipeline = Pipeline(exams, tmp_path / "store")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(StoreError, match=r"no room for temporary files.*set TMPDIR"):
        pipeline.run(tiny_config(scores=(0,)), until="preprocess")
