"""Where the numbers of a v7.3 variable lie in its file, and how a block of them is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import ClipError
from lusgan_readers.mat_variable import MAX_EXPANSION, Variable, too_large
from lusgan_readers.v73_filters import check_filters, undo

MAX_BLOCK_BYTES = 256 << 20
"""Largest chunk, and largest band of frames, in bytes: a few frames, however large they are."""
MAX_CHUNKS = 1_000_000


class Storage:
    """The blocks of one dataset; axes are those of HDF5, the reverse of MATLAB's."""

    shape: tuple[int, ...]
    block: tuple[int, ...]
    """Shape of a block: a chunk, or where there are none, one step of the first axis."""

    def __init__(
        self, file: BinaryIO, size: int, variable: Variable, told: Mapping[str, Any]
    ) -> None:
        """Check what the helper process told of the storage; raises ClipError."""
        self._file, self._size, self._variable = file, size, variable
        self.shape, self.dtype = variable.shape[::-1], variable.stored
        self._filters: list[tuple[int, str]] = []
        self._stored: dict[tuple[int, ...], tuple[int, int, int]] = {}
        self._compact, self._at = b"", 0
        self.is_chunked = told["layout"] == "chunks"
        declared = prod(self.shape) * self.dtype.itemsize
        if told["layout"] == "elsewhere":
            raise ClipError("the variable's numbers are kept in other files; save it whole")
        if told["layout"] == "odd type":
            raise ClipError("numbers of a type that MATLAB does not have: save the clip as uint8")
        if declared > MAX_EXPANSION * size:
            raise too_large(variable)
        if self.is_chunked:
            self.block = tuple(told["chunks"])
            self._take_chunks(told, declared)
            return
        if declared > size:
            raise too_large(variable)
        self.block = (1, *self.shape[1:]) if self.shape else ()
        if told["layout"] == "compact":
            self._compact = bytes.fromhex(told["hex"])
            written = len(self._compact)
        else:
            self._at, written = told["at"] or 0, told["stored"]
        if written < declared:
            raise ClipError("the variable's numbers were never written: incomplete file")

    def raw(self, index: Sequence[int]) -> tuple[bytes, int]:
        """A block as stored, and its filter mask; ``index`` is its first number's."""
        if self.is_chunked:
            at, length, mask = self._stored[tuple(index)]
        else:
            length, mask = prod(self.block) * self.dtype.itemsize, 0
            at = self._at + (index[0] if index else 0) * length
            if self._compact:
                return self._compact[at : at + length], 0
        self._file.seek(at)
        data = self._file.read(length)
        if len(data) != length:
            raise ClipError("the file ends in the middle of its data: truncated")
        return data, mask

    def numbers(self, raw: bytes, mask: int) -> NDArray[Any]:
        """Decode a block.

        Args:
            raw: The block as stored.
            mask: Its filter mask.

        Returns:
            Its numbers, of the shape of a block; beyond the dataset's edge they are anything.
        """
        size = prod(self.block) * self.dtype.itemsize
        data = undo(raw, self._filters, mask, size, self.dtype.itemsize)
        return np.frombuffer(data, self.dtype).reshape(self.block)

    def whole(self) -> NDArray[Any]:
        """All numbers, in MATLAB's order of axes; the caller has looked at the size."""
        array = np.empty(self.shape, self.dtype)
        for index in self.indices():
            place = array[tuple(slice(i, i + n) for i, n in zip(index, self.block, strict=True))]
            block = self.numbers(*self.raw(index))
            place[...] = block[tuple(slice(0, n) for n in place.shape)]
        return array.transpose()

    def indices(self) -> product[tuple[int, ...]]:
        """Where blocks begin."""
        return product(
            *(range(0, n, max(1, step)) for n, step in zip(self.shape, self.block, strict=True))
        )

    def _take_chunks(self, told: Mapping[str, Any], declared: int) -> None:
        """Refuse chunks that are missing, too many, or larger than makes sense."""
        expected, stored = told["expected"], told["stored"]
        if expected > MAX_CHUNKS:
            raise ClipError(f"{expected} chunks, expected {MAX_CHUNKS} at most: save it again")
        chunk_bytes = prod(self.block) * self.dtype.itemsize
        if chunk_bytes > MAX_BLOCK_BYTES:
            raise ClipError(f"chunks of {chunk_bytes >> 20} MB, expected {MAX_BLOCK_BYTES >> 20}")
        self._filters = [(number, name) for number, name in told["filters"]]
        check_filters(self._filters, chunk_bytes)
        self._stored = {tuple(index): (at, size, mask) for index, at, size, mask in stored}
        if len(stored) != expected or any(index not in self._stored for index in self.indices()):
            raise ClipError(
                f"{len(stored)} of the variable's {expected} chunks are there: incomplete file"
            )
        sizes = [size for _, size, _ in self._stored.values()]
        if sum(sizes) > self._size or max(sizes, default=0) > 2 * chunk_bytes + 1024:
            raise ClipError("chunks that overlap, or are larger than what they hold: damaged file")
        if declared > MAX_EXPANSION * sum(sizes):
            raise too_large(self._variable)
