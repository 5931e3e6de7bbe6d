"""The full matrix of a metric's values, written block by block into a .npy file.

``numpy.load(path, mmap_mode="r")`` opens it without reading it. Blocks go through plain writes,
not through a memory map: on a full disk a write fails with an error that says so, where a store
to mapped memory kills the process.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

DTYPE = np.dtype("<f8")


class MatrixFile:
    """An (N, M) float64 .npy file; raises OSError if the disk does not hold it."""

    def __init__(self, path: Path, shape: tuple[int, int], fresh: bool) -> None:
        """Open the file, made anew (all NaN) if ``fresh``."""
        self.path, self.shape = path, shape
        path.parent.mkdir(parents=True, exist_ok=True)
        if fresh:
            self._create()
        with path.open("rb") as stream:
            self.start = _read_header(stream, path, shape)

    def _create(self) -> None:
        # Written in full, so that lack of space shows before hours of work, not after them.
        header = {"descr": DTYPE.str, "fortran_order": False, "shape": self.shape}
        row = np.full(self.shape[1], np.nan, DTYPE).tobytes()
        with self.path.open("wb") as stream:
            np.lib.format.write_array_header_1_0(stream, header)
            for _ in range(self.shape[0]):
                stream.write(row)

    def write(self, i0: int, j0: int, values: NDArray[np.float64]) -> None:
        """Write a block of values into the file.

        Args:
            i0: Row of the block's first value.
            j0: Column of the block's first value.
            values: (rows, columns) float64.

        Raises:
            OSError: The disk is full or the file cannot be written.
        """
        width = self.shape[1]
        rows = np.ascontiguousarray(values, DTYPE)
        with self.path.open("r+b", buffering=0) as stream:
            for i, row in enumerate(rows):
                place = self.start + ((i0 + i) * width + j0) * DTYPE.itemsize
                stream.seek(place)
                data = memoryview(row).cast("B")
                while data:
                    data = data[stream.write(data) :]

    def checksum(self, rows: slice, columns: slice, own: NDArray[np.bool_], before: int = 0) -> int:
        """Compute the checksum of a part of the file, as it is on the disk.

        Args:
            rows: Rows of the part.
            columns: Columns of the part.
            own: Which values of the part count; of its shape, or one that broadcasts to it.
            before: Checksum that this one continues.

        Returns:
            CRC-32.

        Raises:
            OSError: The file cannot be read.
            ValueError: The file is too short.
        """
        values = np.load(self.path, mmap_mode="r")[rows, columns]
        return zlib.crc32(np.ascontiguousarray(np.where(own, values, 0.0)).data, before)


def _read_header(stream: BinaryIO, path: Path, shape: tuple[int, int]) -> int:
    version = np.lib.format.read_magic(stream)
    found, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if version != (1, 0) or found != shape or fortran or dtype != DTYPE:
        raise OSError(f"{path} holds a {found} array of {dtype}, expected {shape} of {DTYPE}")
    return int(stream.tell())
