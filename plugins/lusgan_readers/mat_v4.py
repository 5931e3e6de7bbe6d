"""MATLAB's v4 format: full real matrices of two dimensions, one after another.

Source: MathWorks, "MAT-File Format". Each has a header of five 32-bit numbers (type MOPT in decimal
digits, rows, columns, whether it is complex, length of the name), the name, and the numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import ClipError
from lusgan_readers.mat_variable import (
    MAX_SMALL_BYTES,
    Cine,
    MatVersion,
    Variable,
    too_large,
)

HEADER_BYTES = 20
TYPES = ("f8", "f4", "i4", "i2", "u2", "u1")
KINDS = {1: "char", 2: "sparse"}
MAX_VARIABLES = 1000


def order_of_v4(head: bytes) -> str:
    """Byte order, ``<`` or ``>``, if a file begins with a v4 type; else an empty text."""
    for order in "<>":
        if len(head) >= HEADER_BYTES:
            word, rows, columns, is_complex, name = struct.unpack(order + "5i", head[:HEADER_BYTES])
            digits = word // 1000, word // 100 % 10, word // 10 % 10, word % 10
            if (
                digits[0] in (0, 1)
                and not digits[1]
                and digits[2] <= 5
                and digits[3] <= 2
                and (min(rows, columns) >= 0 and is_complex in (0, 1) and 0 < name <= 1024)
            ):
                return order
    return ""


class MatV4:
    """An open v4 file with its variables found; see ``mat_variable.MatFile``."""

    version: MatVersion = "v4"

    def __init__(self, file: BinaryIO, size: int, order: str) -> None:
        """``size`` is the file's, in bytes. Raises ClipError."""
        self._file, self._starts = file, dict[str, int]()
        self.variables: list[Variable] = []
        self.others: list[str] = []
        at = 0
        while at < size and len(self._starts) < MAX_VARIABLES:
            at = self._look(at, size, order)

    def _look(self, at: int, size: int, order: str) -> int:
        """Note the variable at a position; returns where the next one begins."""
        self._file.seek(at)
        head = self._file.read(HEADER_BYTES)
        if order_of_v4(head) != order:
            raise ClipError("no variable where one should be in a v4 .mat file: damaged")
        word, rows, columns, is_complex, length = struct.unpack(order + "5i", head)
        name = self._file.read(length).rstrip(b"\0").decode("latin-1")
        stored = np.dtype(order + TYPES[word // 10 % 10])
        start = at + HEADER_BYTES + length
        end: int = start + rows * columns * stored.itemsize * (1 + is_complex)
        if end > size:
            raise ClipError("a v4 .mat file that ends in the middle of its numbers: truncated")
        kind = KINDS.get(word % 10, "complex" if is_complex else "")
        if kind:
            self.others.append(kind)
        else:
            self.variables.append(Variable(name, (rows, columns), stored.newbyteorder("="), stored))
        self._starts[name] = start
        return end

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def check(self, variable: Variable) -> None:
        """See ``MatFile``; all was checked when it was found."""

    def planes(self, variable: Variable, cine: Cine) -> Iterator[NDArray[Any]]:
        """None: no cine has two dimensions.

        Args:
            variable: One of ``variables``.
            cine: How its axes are read.

        Returns:
            See ``MatFile``.
        """
        raise ClipError("a v4 .mat file can hold no cine: save it as v5 or v7.3")

    def array(self, variable: Variable, limit: int = MAX_SMALL_BYTES) -> NDArray[Any]:
        """A whole variable; see ``MatFile``.

        Args:
            variable: One of ``variables``.
            limit: Largest size, bytes.

        Returns:
            The variable, with its shape in MATLAB.
        """
        if variable.size > limit:
            raise too_large(variable)
        self._file.seek(self._starts[variable.name])
        numbers = np.frombuffer(self._file.read(variable.size), variable.stored)
        return numbers.reshape(variable.shape, order="F")
