"""Opens a video by OpenCV, whose FFmpeg decodes it, and streams its frames."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from lusgan_core.api import Clip, ClipError, ClipObjects
from lusgan_readers.frame_labels import details, scores
from lusgan_readers.video import VideoOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INDEXED = ("mp4", "avi")
"""Formats that say exactly how many frames there are; others estimate it."""


@contextmanager
def open_video(objects: ClipObjects, options: VideoOptions) -> Iterator[Clip]:
    """Open a video and count its frames.

    Args:
        objects: The clip, with its labels among its facts.
        options: Which rater's scores count.

    Returns:
        A context with the open clip. Batches are (1, H, W, 3) uint8, red first.

    Raises:
        ClipError: It is no video, or damaged.
        OSError: Reading failed.
    """
    with objects.open() as file:
        kind = container(file)
    with ExitStack() as stack:
        path = stack.enter_context(objects.local_path())
        yield _clip(path, kind, objects, options, stack)


def _clip(
    path: Path, kind: str, objects: ClipObjects, options: VideoOptions, stack: ExitStack
) -> Clip:
    cv2 = _opencv()
    with ExitStack() as header:
        video = _capture(path, header)
        count = 0
        while video.grab():  # headers of some formats are a few frames wrong
            count += 1
        width, height = (
            int(video.get(what)) for what in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        rate, told = video.get(cv2.CAP_PROP_FPS), video.get(cv2.CAP_PROP_FRAME_COUNT)
        codec = int(video.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").decode("latin-1")
    if not count or min(width, height) < 1:
        raise ClipError("no frame of this video can be decoded: damaged file")
    if kind in INDEXED and count < told:
        raise ClipError(f"{told:.0f} frames declared, {count} can be decoded: damaged file")
    described = details(objects.facts, options.raters)
    described |= {"video": kind, "codec": "".join(filter(str.isalnum, codec)).lower()}
    if 0 < rate < 1e4:
        described["frame_rate_hz"] = round(rate, 3)
    return Clip(
        height=height,
        width=width,
        count=count,
        frames=_passes(path, stack),
        scores=lambda: scores(objects.facts, count, options.raters),
        channels=3,
        details=described,
    )


def _passes(path: Path, stack: ExitStack) -> Callable[[], Iterator[NDArray[np.uint8]]]:
    """Start passes over the frames, each of which decodes the video anew."""

    def frames() -> Iterator[NDArray[np.uint8]]:
        video = _capture(path, stack)
        while True:
            there, frame = video.read()
            if not there:
                break
            yield frame[None, :, :, ::-1]  # OpenCV has blue first
        video.release()

    return frames


def container(file: BinaryIO) -> str:
    """Tell a video's format by its first bytes, whatever it is called.

    Only what is a video itself is handed to FFmpeg, which would follow a playlist to other files.

    Args:
        file: The video, open at its beginning.

    Returns:
        ``mp4`` (QuickTime too), ``avi``, ``mpeg``, ``matroska``, ``wmv`` or ``gif``.

    Raises:
        ClipError: It is no video.
    """
    head = file.read(64)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"):
        return "mp4"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "avi"
    for kind, begins in {
        "mpeg": (b"\0\0\1\xba", b"\0\0\1\xb3"),
        "matroska": (b"\x1a\x45\xdf\xa3",),
        "wmv": (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",),
        "gif": (b"GIF87a", b"GIF89a"),
    }.items():
        if head.startswith(begins):
            return kind
    if not head:
        raise ClipError("the file is empty")
    if head.startswith(b"version https://git-lfs"):
        raise ClipError("a pointer of Git LFS, and not the video itself: run `git lfs pull`")
    raise ClipError("no video by its first bytes: expected mp4, mov, avi, mpeg, mkv, wmv or gif")


def _capture(path: Path, stack: ExitStack) -> Any:
    """Open the file; it is closed with the stack. The messages of FFmpeg are left out."""
    cv2 = _opencv()
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    stack.callback(video.release)
    if not video.isOpened():
        raise ClipError("this video cannot be decoded: damaged file, or a format unknown to FFmpeg")
    return video


@cache
def _opencv() -> Any:
    """OpenCV, told to be quiet: its messages name files, and with them patients."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2
