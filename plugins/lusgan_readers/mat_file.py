"""Opens a .mat file, whatever its format, and finds its variables."""

from __future__ import annotations

import os
from contextlib import closing
from typing import Any, BinaryIO

from numpy.typing import NDArray

from lusgan_core.api import ClipError
from lusgan_readers.mat_v4 import MatV4, order_of_v4
from lusgan_readers.mat_v5 import HEADER_BYTES, MatV5
from lusgan_readers.mat_v73 import MatV73
from lusgan_readers.mat_variable import MatFile, matrix_variable

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
USER_BLOCKS = (0, *(512 << i for i in range(8)))
"""Where HDF5 may begin; MATLAB's own header takes 512 bytes before it."""
OTHER_FILES = {
    b"\x1f\x8b": "a gzip file: decompress it first",
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"version https://git-lfs": "a Git LFS pointer instead of the file: fetch it (git lfs pull)",
    b"<": "an HTML or XML page, perhaps of a login or an error: download the file again",
    b"RIFF": "an AVI or WAV file",
    b"\x89PNG": "a PNG picture",
}
"""How other files begin that are found under this suffix."""


def open_mat(file: BinaryIO) -> MatFile:
    """The variables of a .mat file, v4, v5 or v7.3; on success the result owns ``file``.

    Raises ClipError for any other file, and OSError where reading fails.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(HEADER_BYTES)
    if not size:
        raise ClipError("an empty file")
    for start in USER_BLOCKS:
        if start < size and _signature(file, start):
            return MatV73(file, size)
    order = order_of_v4(head)
    if order:
        return MatV4(file, size, order)
    for beginning, what in OTHER_FILES.items():
        if head.lstrip(b" \r\n\t\xef\xbb\xbf").startswith(beginning):
            raise ClipError(f"not a .mat file, but {what}")
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


def _signature(file: BinaryIO, start: int) -> bool:
    file.seek(start)
    return file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE


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
        return mat.array(matrix_variable(mat))
