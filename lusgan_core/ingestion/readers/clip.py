"""Opens a clip and streams its frames, whatever the format of its .mat file.

    with open_clip(source, key) as clip:
        for frame in clip.frames():      # (H, W) uint8, overwritten by the next
            ...

A reader holds a few frames at a time, however long the clip is. Anything wrong with a file is a
ClipError, on opening or while reading.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lusgan_core.errors import ClipError
from lusgan_core.ingestion.clip_errors import clip_errors
from lusgan_core.ingestion.readers.grey_scale import Scale, find_scale, known_scale, to_grey
from lusgan_core.ingestion.readers.mat_v5 import HEADER_BYTES, MatV5
from lusgan_core.ingestion.readers.mat_v73 import MatV73
from lusgan_core.ingestion.readers.mat_variable import MatFile, MatVersion, as_cine
from lusgan_core.store.source import ExamSource

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
USER_BLOCK = 512
"""Where HDF5 begins behind MATLAB's own header."""


def open_mat(file: BinaryIO) -> MatFile:
    """The one numeric variable of a .mat file, v5 or v7.3; on success the result owns ``file``.

    Raises ClipError for any other file, and OSError where reading fails.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(USER_BLOCK + len(HDF5_SIGNATURE))
    if not size:
        raise ClipError("an empty file")
    if head.startswith(HDF5_SIGNATURE) or head[USER_BLOCK:] == HDF5_SIGNATURE:
        return MatV73(file, size)
    if _is_v4(head):
        raise ClipError("a v4 .mat file, which holds no cine: save it as v5 or v7.3")
    if len(head) < HEADER_BYTES:
        raise ClipError(f"a file of {size} bytes, too short for a .mat file: truncated")
    if head[126:128] in (b"IM", b"MI"):
        version = head[125] if head[126:128] == b"IM" else head[124]
        if version == 2:
            raise ClipError("a v7.3 .mat file without its HDF5 part: damaged or truncated")
        if version != 1:
            raise ClipError(f"a .mat file of version {version}, expected v5 or v7.3")
        return MatV5(file, size, head[:HEADER_BYTES])
    raise ClipError("not a .mat file: neither a v5 nor a v7.3 header at its beginning")


def _is_v4(head: bytes) -> bool:
    """Whether the first word is a v4 type: the decimal digits M 0..4, O 0, P 0..5, T 0..2."""
    words = (int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big"))
    return len(head) >= 20 and any(
        w <= 4052 and w // 100 % 10 == 0 and w // 10 % 10 <= 5 and w % 10 <= 2 for w in words
    )


class ClipReader:
    """An open clip. Use it in a ``with`` block, or close it."""

    def __init__(self, mat: MatFile) -> None:
        """Take over an open .mat file; raises ClipError where its variable is not a cine."""
        self._mat = mat
        self._cine = as_cine(mat.variable)
        self._scale: Scale | None = known_scale(mat.variable)
        self.mat_version: MatVersion = mat.version
        self.variable: str = mat.variable.name
        self.dtype: str = mat.variable.dtype.name
        self.height: int = self._cine.height
        self.width: int = self._cine.width
        self.channels: int = self._cine.channels
        self.count: int = self._cine.count

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """The frames in order, each (H, W) uint8, 0..255; may be called again, also meanwhile.

        A frame is a view, columns first, of a buffer that the next one overwrites: copy it to keep
        it. Numbers other than uint8 take one more pass, once, to find their range. Draining the
        iterator verifies the clip: checksums, sizes, NaN, and that the channels are equal, wherever
        they are inflated anyway (v5: every frame; v7.3: at least the first).

        Raises ClipError.
        """
        with clip_errors():
            if self._scale is None:
                self._scale = find_scale(self._mat.planes(self._cine))
            planes = self._mat.planes(self._cine)
        while True:
            with clip_errors():
                plane = next(planes, None)
            if plane is None:
                return
            yield to_grey(plane, self._scale).T

    def close(self) -> None:
        """Close the file."""
        self._mat.close()

    def __enter__(self) -> ClipReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_clip(source: ExamSource, key: str) -> ClipReader:
    """Open a clip and read its header; no pixels yet.

    Args:
        source: Where the clip is.
        key: Its key in the source.

    Returns:
        The open clip, to be closed by the caller.

    Raises:
        ClipError: The file is not a .mat file with one cine, or is damaged.
        ExamError: Disk, network or store failed.
    """
    with clip_errors(), ExitStack() as stack:
        file = stack.enter_context(source.open(key))
        reader = ClipReader(stack.enter_context(closing(open_mat(file))))
        stack.pop_all()  # all went well: the reader closes them
        return reader


def read_array(source: ExamSource, key: str) -> NDArray[Any]:
    """Read the one numeric variable of a small .mat file.

    Args:
        source: Where the file is.
        key: Its key in the source.

    Returns:
        The variable, with the shape it has in MATLAB and the type in which it is stored.

    Raises:
        ClipError: The file is not such a .mat file, is damaged, or holds more than a few MB.
        ExamError: Disk, network or store failed.
    """
    with clip_errors(), source.open(key) as file, closing(open_mat(file)) as mat:
        return mat.array()


def verify_clip(source: ExamSource, key: str) -> None:
    """Read a whole clip and check all that can be checked.

    Args:
        source: Where the clip is.
        key: Its key in the source.

    Raises:
        ClipError: The clip is damaged, its channels differ, or frames are missing.
        ExamError: Disk, network or store failed.
    """
    with open_clip(source, key) as clip:
        count = sum(1 for _ in clip.frames())
        if count != clip.count:
            raise ClipError(f"{count} frames read, {clip.count} declared: damaged file")
