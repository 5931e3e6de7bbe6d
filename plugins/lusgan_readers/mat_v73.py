"""MATLAB's v7.3 format: HDF5 with an attribute ``MATLAB_class`` on each variable.

HDF5 has the dimensions in reverse: H x W x 3 x N is a dataset of (N, 3, W, H), cut into chunks,
each compressed by itself. The HDF5 library, in a process of its own, says where they are; they are
read from the file as they are and inflated by igzip, twice as fast as inside that library.

Links to other files, external storage and virtual datasets are refused: a clip is one file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import ClipError
from lusgan_readers.hdf5_process import describe
from lusgan_readers.mat_variable import (
    MAX_SMALL_BYTES,
    Cine,
    MatVersion,
    Variable,
    too_large,
)
from lusgan_readers.v73_chunks import Bands
from lusgan_readers.v73_storage import Storage

NUMERIC = {
    "double": "f8", "single": "f4", "logical": "?", "int8": "i1", "uint8": "u1", "int16": "i2",
    "uint16": "u2", "int32": "i4", "uint32": "u4", "int64": "i8", "uint64": "u8",
}  # fmt: skip
OTHER_KINDS = frozenset({"cell", "struct", "char", "function_handle"})
FOREIGN = "foreign"
"""Kind of a variable that MATLAB did not write."""


class MatV73:
    """An open v7.3 file with its variables found; see ``mat_variable.MatFile``."""

    version: MatVersion = "v7.3"

    def __init__(self, file: BinaryIO, size: int) -> None:
        """``size`` is the file's, in bytes. Raises ClipError."""
        self._file, self._size = file, size
        self._told: dict[str, Mapping[str, Any]] = {}
        self.variables: list[Variable] = []
        self.others: list[str] = []
        for told in describe(file, size):
            self._sort(told)
        if not self.variables and FOREIGN in self.others:
            raise ClipError(
                "an HDF5 file, but not one that MATLAB wrote: no MATLAB_class attribute; "
                "save the clip from MATLAB, with or without -v7.3"
            )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def check(self, variable: Variable) -> None:
        """Check what is declared of a variable's storage; see ``MatFile``."""
        self._storage(variable)

    def planes(self, variable: Variable, cine: Cine) -> Iterator[NDArray[Any]]:
        """The frames; see ``MatFile``.

        Args:
            variable: One of ``variables``.
            cine: How its axes are read.

        Returns:
            See ``MatFile``.
        """
        bands = Bands(self._storage(variable), cine)
        for start in range(0, cine.count, bands.frames):
            yield from bands.read(start)

    def array(self, variable: Variable, limit: int = MAX_SMALL_BYTES) -> NDArray[Any]:
        """A whole variable; see ``MatFile``.

        Args:
            variable: One of ``variables``.
            limit: Largest size, bytes.

        Returns:
            The variable, with its shape in MATLAB.
        """
        if prod(variable.shape) * variable.stored.itemsize > limit:
            raise too_large(variable)
        return self._storage(variable).whole()

    def _storage(self, variable: Variable) -> Storage:
        return Storage(self._file, self._size, variable, self._told[variable.name])

    def _sort(self, told: Mapping[str, Any]) -> None:
        """Keep a numeric variable, or the kind of another."""
        kind = _kind(told)
        inside = "." in told["name"]  # a field of a struct, which is meant only where it is named
        if kind not in NUMERIC:
            if not inside:
                self.others.append(kind)
            return
        self._told[told["name"]] = told["storage"]
        shape = tuple(told["shape"] or ())[::-1]
        self.variables.append(
            Variable(told["name"], shape, np.dtype(NUMERIC[kind]), np.dtype(told["type"]), inside)
        )


def _kind(told: Mapping[str, Any]) -> str:
    """MATLAB's class of a variable, where it is a full, real, numeric array; else what it is."""
    if told.get("link"):
        return "links"
    kind = str(told["class"])
    if not kind:
        return FOREIGN
    if told["sparse"]:
        return "sparse"
    if told["empty"]:  # the numbers are the dimensions then
        return "empty array"
    if kind in NUMERIC and "kind" not in told:
        return "group"
    if kind in NUMERIC and "storage" not in told:
        return "complex"
    return kind if kind in NUMERIC or kind in OTHER_KINDS else "object"
