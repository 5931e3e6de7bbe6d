"""Videos are decoded as OpenCV decodes them, and refused with a reason where they are none."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lusgan_core.errors import ClipError
from lusgan_core.ingestion.clip import FilesOfClip, open_clip
from lusgan_core.ingestion.discover import discover
from lusgan_core.ingestion.inspect import inspect_exam
from lusgan_core.ingestion.readers import choose_readers
from lusgan_core.store.source import FolderSource
from lusgan_readers.video import VideoOptions
from lusgan_readers.video_clip import open_video
from matfiles import MemorySource
from videofiles import decoded, moving, table, video

REAL = Path(os.environ.get("LUSGAN_REAL_CLIPS", "no folder"))
"""A folder with videos and tables of labels, to read on top; none is in this project."""
CODECS = [("FFV1", ".avi"), ("MJPG", ".avi"), ("mp4v", ".mp4"), ("mp4v", ".mov"), ("PIM1", ".mpeg")]


def a_source(data: bytes, suffix: str = ".avi") -> MemorySource:
    rows = [("file", "patient", "score"), (f"SECRET/a{suffix}", "SECRET", 2)]
    return MemorySource({f"SECRET/a{suffix}": data, "t.csv": table(*rows)})


def read(data: bytes, suffix: str = ".avi") -> tuple[np.ndarray, dict[str, object], int]:
    """Frames as the reader gives them, what it tells of the clip, and the number of frames."""
    source = a_source(data, suffix)
    (exam,) = discover(source, readers=choose_readers({"video": {}})).exams
    with open_video(FilesOfClip(source, exam.clips[0]), VideoOptions()) as clip:
        return np.concatenate(list(clip.frames())), dict(clip.details), clip.count


def reason(data: bytes, suffix: str = ".avi") -> str:
    source, readers = a_source(data, suffix), choose_readers({"video": {}})
    (exam,) = discover(source, readers=readers).exams
    with pytest.raises(ClipError) as caught, open_clip(source, exam.clips[0], readers):
        pass
    assert "SECRET" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("codec", "suffix"), CODECS)
def test_frames_are_those_of_opencv(codec: str, suffix: str) -> None:
    """Every frame, in colour, red first, whatever container and codec; the rate is kept."""
    grey = moving(9)
    colours = np.stack([grey, 255 - grey, grey // 2], axis=-1)
    data = video(colours, codec, suffix)
    frames, details, count = read(data, suffix)
    assert count == len(frames)
    assert np.array_equal(frames, decoded(data, suffix))
    assert details["frame_rate_hz"] == pytest.approx(25, abs=0.1)
    near = np.abs(frames[3].astype(int) - colours[3]).mean()
    assert near < np.abs(frames[3][..., ::-1].astype(int) - colours[3]).mean()


def test_a_lossless_video_gives_what_was_written() -> None:
    """FFV1 loses nothing, so that grey frames come back to the level."""
    grey = moving(7)
    frames, details, _ = read(video(grey))
    assert np.array_equal(frames, grey[..., None].repeat(3, axis=3))
    assert details["video"] == "avi"
    assert details["codec"] == "ffv1"
    assert (details["labelled"], details["raters"]) == ("by clip", 1)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "empty"),
        (b"<html>not found</html>", "no video by its first bytes"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS"),
        (b"#EXTM3U\nfile:///etc/passwd", "no video by its first bytes"),
        (b"ffconcat version 1.0\nfile /etc/passwd", "no video by its first bytes"),
        (b"RIFF\4\0\0\0AVI ", "cannot be decoded"),
        (b"\0\0\0\x18ftypisom" + bytes(100), "cannot be decoded"),
    ],
)
def test_what_is_no_video_is_refused(data: bytes, text: str) -> None:
    """Told by its first bytes: playlists are not handed to FFmpeg, which would follow them."""
    assert text in reason(data)


def test_a_video_cut_short_is_refused() -> None:
    """An AVI says how many frames there should be; an MP4 without its index cannot be opened."""
    data = video(moving(40))
    assert "40 frames declared" in reason(data[: len(data) * 2 // 3])
    data = video(moving(40), "mp4v", ".mp4")
    assert "cannot be decoded" in reason(data[: len(data) * 2 // 3], ".mp4")


def test_a_video_that_a_model_made_is_refused() -> None:
    """The mark may stand at the end of a file, where MP4 has its texts."""
    data = video(moving(30, 200, 300), "mp4v", ".mp4")
    mark = b"\0\0\0\x2cfree" + b"trainedAlgorithmicMedia".ljust(36)
    source = a_source(data + bytes(70_000) + mark, ".mp4")
    readers = choose_readers({"video": {}})
    (exam,) = discover(source, readers=readers).exams
    (told,) = inspect_exam(source, exam, readers).rejected
    assert "says that a model made its frames" in told.reason


def test_nothing_is_said_on_stderr(tmp_path: Path) -> None:
    """FFmpeg and OpenCV name files when they complain, and with them patients."""
    (tmp_path / "SECRET").mkdir()
    data = video(moving(30), "mp4v", ".mp4")
    (tmp_path / "SECRET/a.mp4").write_bytes(data[:-500])
    (tmp_path / "SECRET/b.mp4").write_bytes(data[:900] + bytes(400) + data[1300:])
    rows = [("file", "patient", "score"), ("a.mp4", "P", 1), ("b.mp4", "P", 1)]
    (tmp_path / "t.csv").write_bytes(table(*rows))
    code = f"""
from lusgan_core.ingestion.discover import discover
from lusgan_core.ingestion.inspect import inspect_exam
from lusgan_core.store.source import FolderSource
source = FolderSource({str(tmp_path)!r})
for exam in discover(source).exams:
    print(len(inspect_exam(source, exam).rejected))
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert ran.stderr == ""
    assert ran.stdout.strip() in ("1", "2")


@pytest.mark.skipif(not REAL.is_dir(), reason="LUSGAN_REAL_CLIPS names no folder of real clips")
def test_real_videos_are_read_as_they_are() -> None:
    """Every video that a table names is found, decoded as OpenCV decodes it, and has its score."""
    source, readers = FolderSource(REAL), choose_readers({"video": {}})
    found = discover(source, readers=readers)
    assert found.rejected == ()
    clips = [clip for exam in found.exams for clip in exam.clips]
    with next(REAL.rglob("labels-all.csv")).open(newline="") as file:
        scored = {row["file"]: row["score"] for row in csv.DictReader(file)}
    assert len(clips) == len(scored)
    for files in clips[::9]:
        with open_video(FilesOfClip(source, files), VideoOptions()) as clip:
            frames = np.concatenate(list(clip.frames()))
            (score,) = set(clip.scores())
        path = REAL / files.clip.key
        assert np.array_equal(frames, decoded(path.read_bytes(), path.suffix))
        (given,) = [s for name, s in scored.items() if files.clip.key.endswith(name)]
        assert score == (int(given) if given else -1)
