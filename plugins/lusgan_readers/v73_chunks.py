"""Reads channel 0 of a v7.3 cine, a band of frames at a time, each chunk once.

Shapes: N frames, C channels, W width, H height.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import ClipError
from lusgan_readers.inflate import inflate_exactly
from lusgan_readers.mat_variable import Cine, channels_differ

T = TypeVar("T")

MAX_BAND_BYTES = 256 << 20
"""Largest band, and largest chunk, in bytes: a few frames, however large they are."""


class Bands:
    """The frames of a dataset, ``frames`` at a time: as many as one chunk spans."""

    frames: int

    def __init__(self, data: h5py.Dataset, cine: Cine) -> None:
        """``data`` has the axes (N, C, W, H), (N, W, H) or (C, W, H). Raises ClipError."""
        self._data, self._cine, self._dtype = data, cine, data.dtype
        self._axes = "NCWH" if data.ndim == 4 else "CWH" if cine.channels == 3 else "NWH"
        self._chunk = self._four(data.chunks or data.shape, 1)
        self._chunk_bytes = prod(self._chunk) * self._dtype.itemsize
        self.frames = min(self._chunk[0], cine.count) if data.chunks else 1
        shape = (self.frames, cine.width, cine.height)
        if self.frames > 4 and prod(shape) * self._dtype.itemsize > MAX_BAND_BYTES:
            raise ClipError(
                f"chunks that span {self._chunk[0]} frames, too many to hold at once: save the "
                "clip again from MATLAB, or with chunks of one frame"
            )
        self._band = np.empty(shape, self._dtype)
        self._direct = bool(data.chunks) and _only_deflated(data)

    def read(self, start: int) -> NDArray[Any]:
        """Channel 0 of the frames from ``start`` on, (n, W, H), in the buffer of the last call.

        Raises ClipError where channels differ, and whatever h5py raises on a damaged file.
        """
        band = self._band[: min(self.frames, self._cine.count - start)]
        channels = self._cine.channels if start == 0 else 1
        if self._direct:
            self._read_chunks(start, channels, band)
        else:
            self._read_library(start, channels, band)
        return band

    def _read_chunks(self, start: int, channels: int, band: NDArray[Any]) -> None:
        """Fill ``band`` from the chunks that hold any of the first ``channels`` channels."""
        _, c_step, w_step, h_step = self._chunk
        _, width, height = band.shape
        for c, w, h in product(
            range(0, channels, c_step), range(0, width, w_step), range(0, height, h_step)
        ):
            block = self._inflate((start, c, w, h))[: len(band), :, : width - w, : height - h]
            place = band[:, w : w + w_step, h : h + h_step]
            for i in range(min(c_step, self._cine.channels - c)):
                if c + i == 0:
                    place[...] = block[:, 0]
                else:
                    _compare(place, block[:, i], start)

    def _inflate(self, offset: tuple[int, int, int, int]) -> NDArray[Any]:
        """The chunk at ``offset``, (N, C, W, H); beyond the dataset's edge it holds anything."""
        skipped, raw = self._data.id.read_direct_chunk(self._own(offset))
        if not skipped:
            raw = inflate_exactly(raw, self._chunk_bytes)
        elif len(raw) != self._chunk_bytes:
            raise ClipError(
                f"a chunk of {len(raw)} bytes, expected {self._chunk_bytes}: damaged file"
            )
        return np.frombuffer(raw, self._dtype).reshape(self._chunk)

    def _read_library(self, start: int, channels: int, band: NDArray[Any]) -> None:
        """Fill ``band`` through the HDF5 library, which knows every filter."""
        corner = (slice(start, start + len(band)), slice(0, channels), slice(None), slice(None))
        block = self._data[self._own(corner)].reshape(len(band), channels, *band.shape[1:])
        band[...] = block[:, 0]
        for i in range(1, channels):
            _compare(band, block[:, i], start)

    def _four(self, own: Sequence[int], missing: int) -> tuple[int, ...]:
        """Numbers for the dataset's axes, as numbers for N, C, W, H."""
        known = dict(zip(self._axes, own, strict=True))
        return tuple(known.get(axis, missing) for axis in "NCWH")

    def _own(self, four: Sequence[T]) -> tuple[T, ...]:
        """Numbers for N, C, W, H, as numbers for the dataset's axes."""
        return tuple(value for axis, value in zip("NCWH", four, strict=True) if axis in self._axes)


def _compare(one: NDArray[Any], other: NDArray[Any], start: int) -> None:
    """Raise ClipError where two channels (n, W, H) of the frames from ``start`` on differ."""
    if not np.array_equal(one, other, equal_nan=one.dtype.kind == "f"):
        raise channels_differ(start + int(np.any(one != other, axis=(1, 2)).argmax()))


def _only_deflated(data: h5py.Dataset) -> bool:
    """Whether inflating a chunk gives its numbers as numpy would hold them."""
    plist = data.id.get_create_plist()
    filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    if data.dtype.itemsize == 1:
        filters = [f for f in filters if f != h5py.h5z.FILTER_SHUFFLE]  # single bytes stay put
    same_type = data.id.get_type() == h5py.h5t.py_create(data.dtype)
    return filters == [h5py.h5z.FILTER_DEFLATE] and bool(same_type)
