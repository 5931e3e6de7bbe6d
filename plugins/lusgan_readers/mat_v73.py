"""MATLAB's v7.3 format: HDF5 with an attribute ``MATLAB_class`` on each variable.

HDF5 has the dimensions in reverse: H x W x 3 x N is a dataset of (N, 3, W, H), cut into chunks,
each compressed by itself. Only the chunks that hold channel 0 are read, each once, a *band* of
frames at a time: as many as one chunk spans. Chunks compressed by deflate alone are read from the
file as they are and inflated by igzip, twice as fast as inside the HDF5 library; all others go
through the library.

Links to other files, external storage and virtual datasets are refused: a clip is one file.

Shapes: N frames, C channels, W width, H height.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any, BinaryIO

import h5py
import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import ClipError
from lusgan_readers.mat_variable import (
    MAX_EXPANSION,
    MAX_SMALL_BYTES,
    Cine,
    MatVersion,
    Variable,
    only_variable,
    too_large,
)
from lusgan_readers.v73_chunks import MAX_BAND_BYTES, Bands

MAX_VARIABLES = 1000
MAX_CHUNKS = 1_000_000
NUMERIC = {
    "double": "f8", "single": "f4", "logical": "?", "int8": "i1", "uint8": "u1", "int16": "i2",
    "uint16": "u2", "int32": "i4", "uint32": "u4", "int64": "i8", "uint64": "u8",
}  # fmt: skip
OTHER_KINDS = frozenset({"cell", "struct", "char", "function_handle"})
FOREIGN = "foreign"
"""Kind of a variable that MATLAB did not write."""


@contextmanager
def _hdf5_errors() -> Iterator[None]:
    """Turn whatever h5py raises on a damaged file into a ClipError."""
    try:
        yield
    except ClipError:
        raise
    except (OSError, ValueError, TypeError, LookupError, RuntimeError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno:  # the disk's fault, not the file's
            raise
        raise ClipError(
            "the HDF5 library cannot read this v7.3 file: truncated or damaged"
        ) from error


class MatV73:
    """An open v7.3 file with its one numeric variable found; see ``mat_variable.MatFile``."""

    version: MatVersion = "v7.3"

    def __init__(self, file: BinaryIO, size: int) -> None:
        """``size`` is the file's, in bytes. Raises ClipError."""
        self._file, self._size = file, size
        with _hdf5_errors():
            self._hdf5 = h5py.File(file, "r")
            try:
                self._data, self.variable = self._find()
                self._check_storage()
            except BaseException:
                self._hdf5.close()
                raise

    def close(self) -> None:
        """Close the file."""
        self._hdf5.close()
        self._file.close()

    def planes(self, cine: Cine) -> Iterator[NDArray[Any]]:
        """Channel 0 of each frame; see ``MatFile``.

        Compares the channels of the first band, and wherever a chunk holds several of them.
        """
        with _hdf5_errors():
            bands = Bands(self._data, cine)
        for start in range(0, cine.count, bands.frames):
            with _hdf5_errors():
                band = bands.read(start)
            yield from band

    def array(self) -> NDArray[Any]:
        """The whole variable; see ``MatFile``."""
        if prod(self.variable.shape) * self.variable.stored.itemsize > MAX_SMALL_BYTES:
            raise too_large(self.variable)
        with _hdf5_errors():
            array: NDArray[Any] = self._data[()].transpose()
            return array

    def _find(self) -> tuple[h5py.Dataset, Variable]:
        """The one numeric variable of the file."""
        found: list[tuple[h5py.Dataset, Variable]] = []
        others: list[str] = []
        if len(self._hdf5) > MAX_VARIABLES:
            raise ClipError(f"{len(self._hdf5)} variables, expected one")
        for name in self._hdf5:
            if name.startswith(("#", "__")):  # MATLAB's own: references, function workspaces
                continue
            if not isinstance(self._hdf5.get(name, getlink=True), h5py.HardLink):
                others.append("links")
                continue
            item = self._hdf5[name]
            kind = _kind(item)
            if kind in NUMERIC:
                variable = Variable(
                    name, (item.shape or ())[::-1], np.dtype(NUMERIC[kind]), item.dtype
                )
                found.append((item, variable))
            else:
                others.append(kind)
        if not found and FOREIGN in others:
            raise ClipError(
                "an HDF5 file, but not one that MATLAB wrote: no MATLAB_class attribute; "
                "save the clip from MATLAB, with or without -v7.3"
            )
        only_variable([variable for _, variable in found], others)
        return found[0]

    def _check_storage(self) -> None:
        """Refuse a dataset that is elsewhere, has holes, or declares more than the file holds."""
        data, variable = self._data, self.variable
        plist = data.id.get_create_plist()
        if data.is_virtual or plist.get_external_count():
            raise ClipError("the variable's numbers are kept in other files; save it whole")
        declared = prod(variable.shape) * variable.stored.itemsize
        if declared > MAX_EXPANSION * self._size:
            raise too_large(variable)
        if data.chunks:
            self._check_chunks(declared)
        elif declared > self._size:
            raise too_large(variable)
        elif plist.get_layout() == h5py.h5d.CONTIGUOUS and data.id.get_storage_size() < declared:
            raise ClipError("the variable's numbers were never written: incomplete file")

    def _check_chunks(self, declared: int) -> None:
        """Refuse chunks that are missing, too many, or larger than makes sense."""
        data, variable = self._data, self.variable
        expected = prod(-(-n // c) for n, c in zip(data.shape, data.chunks, strict=True))
        if expected > MAX_CHUNKS:
            raise ClipError(f"{expected} chunks, expected {MAX_CHUNKS} at most: save it again")
        chunk_bytes = prod(data.chunks) * variable.stored.itemsize
        if chunk_bytes > MAX_BAND_BYTES:
            raise ClipError(f"chunks of {chunk_bytes >> 20} MB, expected {MAX_BAND_BYTES >> 20}")
        stored: list[int] = []

        def note(chunk: h5py.h5d.StoreInfo) -> bool | None:
            stored.append(chunk.size)
            return True if len(stored) > expected else None  # anything but None ends it

        data.id.chunk_iter(note)
        if len(stored) != expected:
            raise ClipError(
                f"{len(stored)} of the variable's {expected} chunks are there: incomplete file"
            )
        if sum(stored) > self._size or max(stored, default=0) > 2 * chunk_bytes + 1024:
            raise ClipError("chunks that overlap, or are larger than what they hold: damaged file")
        if declared > MAX_EXPANSION * sum(stored):
            raise too_large(variable)


def _kind(item: h5py.HLObject) -> str:
    """MATLAB's class of a variable, where it is a full, real, numeric array; else what it is."""
    value = item.attrs.get("MATLAB_class", b"")
    kind = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    if not kind:
        return FOREIGN
    if "MATLAB_sparse" in item.attrs:
        return "sparse"
    if "MATLAB_empty" in item.attrs:  # the numbers are the dimensions then
        return "empty array"
    if kind in NUMERIC and not isinstance(item, h5py.Dataset):
        return "group"
    if kind in NUMERIC and item.dtype.kind not in "iuf":
        return "complex"
    return kind if kind in NUMERIC or kind in OTHER_KINDS else "object"
