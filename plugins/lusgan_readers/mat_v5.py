"""MATLAB's v5 format (``save`` without ``-v7.3``): a header and a chain of tagged elements.

Source: MathWorks, "MAT-File Format", 2019 edition. The file begins with 128 bytes, the last two of
which tell the byte order. Then elements follow: 4 bytes of type, 4 of length, content. A variable
is an element *matrix*, usually inside an element *compressed* (a zlib stream), and is itself a
chain: flags (class, logical, complex), dimensions, name, numbers. Each of these is padded to 8
bytes, and a *small* element packs type, length and up to 4 bytes of content into 8.

Nothing that a file declares is trusted: lengths are checked against what the element can hold
before anything is allocated or read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import ClipError
from lusgan_readers.inflate import Inflated, Section
from lusgan_readers.mat_variable import (
    MAX_EXPANSION,
    MAX_SMALL_BYTES,
    Cine,
    MatVersion,
    Variable,
    too_large,
)
from lusgan_readers.v5_elements import COMPRESSED, MATRIX, Elements, read_header
from lusgan_readers.v5_nested import Joined, Place, look_inside

HEADER_BYTES = 128
MAX_VARIABLES = 1000


@dataclass(frozen=True)
class _Found:
    """A numeric variable and where it is in the file."""

    variable: Variable
    kind: int
    start: int
    size: int
    inside: str = ""
    """``struct`` or ``cell``, where it is inside one."""
    place: Place | None = None


class MatV5:
    """An open v5 file with its variables found; see ``mat_variable.MatFile``."""

    version: MatVersion = "v5"

    def __init__(self, file: BinaryIO, size: int, header: bytes) -> None:
        """``size`` is the file's, in bytes; ``header`` its first 128. Raises ClipError."""
        self._file, self._size = file, size
        self._order: Literal["<", ">"] = "<" if header[126:128] == b"IM" else ">"
        self._found: list[_Found] = []
        self.others: list[str] = []
        for kind, start, length in self._top():
            self._look(kind, start, length)
        self.variables = [found.variable for found in self._found]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def check(self, variable: Variable) -> None:
        """See ``MatFile``; all was checked when it was found."""

    def planes(self, variable: Variable, cine: Cine) -> Iterator[NDArray[Any]]:
        """The frames; see ``MatFile``.

        Args:
            variable: One of ``variables``.
            cine: How its axes are read.

        Returns:
            See ``MatFile``.
        """
        elements = self._numbers(variable)
        frame = np.empty((cine.channels, cine.width, cine.height), variable.stored)
        bits = frame.view(np.uint8)
        for _ in range(cine.count):
            for channel in frame:
                elements.numbers(_bytes(channel))
            yield frame[0] if all(np.array_equal(bits[0], other) for other in bits[1:]) else frame
        elements.finish()

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
        elements = self._numbers(variable)
        flat = np.empty(prod(variable.shape), variable.stored)
        elements.numbers(_bytes(flat))
        elements.finish()
        return flat.reshape(variable.shape, order="F")

    def _numbers(self, variable: Variable) -> Elements | Joined:
        """A variable, read up to its numbers."""
        at = next(found for found in self._found if found.variable is variable)
        elements = self._open(at.kind, at.start, at.size)
        read_header(elements)
        return elements if at.place is None else Joined(elements, at.inside, at.place)

    def _top(self) -> Iterator[tuple[int, int, int]]:
        """Type, start and length of the elements of the file."""
        position = HEADER_BYTES
        for _ in range(MAX_VARIABLES):
            if position >= self._size:
                return
            self._file.seek(position)
            raw = self._file.read(8)
            if not any(raw) and self._only_zeros():
                return  # padding behind the last variable
            if len(raw) < 8:
                raise ClipError("the file ends in the middle of an element's tag: truncated")
            kind, length = struct.unpack(self._order + "II", raw)
            position += 8
            if kind not in (MATRIX, COMPRESSED):
                raise ClipError(f"a data element of type {kind} where a variable should be")
            if position + length > self._size:
                raise ClipError(
                    f"a variable declares {length} bytes where the file has "
                    f"{self._size - position} left: truncated file"
                )
            yield kind, position, length
            position += length
        raise ClipError(f"more than {MAX_VARIABLES} variables, expected one")

    def _only_zeros(self) -> bool:
        """Whether nothing but zeros follows, up to the end of the file."""
        while data := self._file.read(1 << 16):
            if any(data):
                return False
        return True

    def _look(self, kind: int, start: int, length: int) -> None:
        """Read the header of a variable and add it to those found, or its kind to the others."""
        elements = self._open(kind, start, length)
        header = read_header(elements)
        if isinstance(header, str):
            self.others.append(header)
            if header in ("struct", "cell"):
                with suppress(ClipError):  # it matters where it is named alone, and is missed then
                    self._found += [
                        _Found(variable, kind, start, length, header, place)
                        for variable, place in look_inside(header, elements)
                    ]
        elif header.name and not header.name.startswith("__"):  # nameless: MATLAB's own workspace
            self._found.append(_Found(header, kind, start, length))

    def _open(self, kind: int, start: int, length: int) -> Elements:
        """The chain of elements inside a variable."""
        if kind == MATRIX:
            return Elements(Section(self._file, start, length), self._order, length)
        outer = Elements(Inflated(self._file, start, length), self._order, MAX_EXPANSION * length)
        kind, inner = outer.tag()
        if kind != MATRIX:
            raise ClipError(f"a data element of type {kind} where a variable should be")
        return Elements(outer.stream, self._order, inner)


def _bytes(array: NDArray[Any]) -> memoryview:
    """The memory of a contiguous array."""
    return array.reshape(-1).view(np.uint8).data
