"""Reads the frames of a v7.3 cine, a band of frames at a time, each chunk once.

Of a clip in colour channels, a chunk of a further channel whose stored bytes equal those of the
first is not inflated: equal bytes are equal numbers.

Shapes: N frames, C channels, W width, H height.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import ClipError
from lusgan_readers.mat_variable import Cine
from lusgan_readers.v73_storage import MAX_BLOCK_BYTES, Storage

T = TypeVar("T")


class Bands:
    """The frames of a dataset, ``frames`` at a time: as many as one chunk spans."""

    frames: int

    def __init__(self, data: Storage, cine: Cine) -> None:
        """``data`` has the axes (N, C, W, H), (N, W, H) or (C, W, H). Raises ClipError."""
        self._data, self._cine = data, cine
        self._axes = "NCWH" if len(data.shape) == 4 else "CWH" if cine.channels == 3 else "NWH"
        self._chunk = self._four(data.block, 1)
        self.frames = min(self._chunk[0], cine.count) if data.is_chunked else 1
        shape = (self.frames, cine.channels, cine.width, cine.height)
        if self.frames > 4 and prod(shape) * data.dtype.itemsize > MAX_BLOCK_BYTES:
            raise ClipError(
                f"chunks that span {self._chunk[0]} frames, too many to hold at once: save the "
                "clip again from MATLAB, or with chunks of one frame"
            )
        self._band = np.empty(shape, data.dtype)

    def read(self, start: int) -> Iterator[NDArray[Any]]:
        """The frames from ``start`` on, in the buffer of the last call.

        Each is (W, H) where its channels are equal, else (C, W, H). Raises ClipError.
        """
        band = self._band[: min(self.frames, self._cine.count - start)]
        equal = [True] * len(band)
        _, c_step, w_step, h_step = self._chunk
        _, channels, width, height = band.shape
        for w, h in product(range(0, width, w_step), range(0, height, h_step)):
            first: tuple[bytes, int] | None = None
            for c in range(0, channels, c_step):
                place = band[:, c : c + c_step, w : w + w_step, h : h + h_step]
                stored = self._data.raw(self._own((start, c, w, h)))
                if c_step == 1 and stored == first:
                    place[...] = band[:, :1, w : w + w_step, h : h + h_step]
                    continue
                first = stored if first is None else first
                block = self._data.numbers(*stored).reshape(self._chunk)
                place[...] = block[tuple(slice(0, n) for n in place.shape)]
                one = band[:, :1, w : w + w_step, h : h + h_step]
                for i in range(len(band)):
                    equal[i] = equal[i] and _equal(one[i], place[i])
        for i, frame in enumerate(band):
            yield frame[0] if equal[i] else frame

    def _four(self, own: Sequence[int], missing: int) -> tuple[int, ...]:
        """Numbers for the dataset's axes, as numbers for N, C, W, H."""
        known = dict(zip(self._axes, own, strict=True))
        return tuple(known.get(axis, missing) for axis in "NCWH")

    def _own(self, four: Sequence[T]) -> tuple[T, ...]:
        """Numbers for N, C, W, H, as numbers for the dataset's axes."""
        return tuple(value for axis, value in zip("NCWH", four, strict=True) if axis in self._axes)


def _equal(one: NDArray[Any], several: NDArray[Any]) -> bool:
    """Whether channels (C, W, H) equal the one of (1, W, H); NaN equals NaN."""
    one = np.broadcast_to(one, several.shape)
    return np.array_equal(one, several, equal_nan=one.dtype.kind == "f")
