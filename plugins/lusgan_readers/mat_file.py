"""Opens a .mat file, whatever its format, and finds its one numeric variable."""

from __future__ import annotations

import os
from contextlib import closing
from typing import Any, BinaryIO

from numpy.typing import NDArray

from lusgan_core.api import ClipError
from lusgan_readers.mat_v5 import HEADER_BYTES, MatV5
from lusgan_readers.mat_v73 import MatV73
from lusgan_readers.mat_variable import MatFile

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


def read_array(file: BinaryIO) -> NDArray[Any]:
    """Read the one numeric variable of a small .mat file, which is closed.

    Args:
        file: The file, open and seekable.

    Returns:
        The variable, with the shape it has in MATLAB and the type in which it is stored.

    Raises:
        ClipError: The file is not such a .mat file, is damaged, or holds more than a few MB.
        OSError: Reading failed.
    """
    with file, closing(open_mat(file)) as mat:
        return mat.array()
