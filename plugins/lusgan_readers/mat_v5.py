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
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import ClipError
from lusgan_readers.inflate import ByteStream, Inflated, Section, read_exactly, skip
from lusgan_readers.mat_variable import (
    MAX_EXPANSION,
    MAX_SMALL_BYTES,
    Cine,
    MatVersion,
    Variable,
    sizes,
    too_large,
)

HEADER_BYTES = 128
MAX_VARIABLES = 1000
MAX_DIMENSIONS = 32
MAX_NAME_BYTES = 1024

INT8, INT32, UINT32, MATRIX, COMPRESSED = 1, 5, 6, 14, 15
NUMBERS = {
    INT8: "i1", 2: "u1", 3: "i2", 4: "u2", INT32: "i4", UINT32: "u4",
    7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
"""Element types that hold numbers."""
CLASSES = {
    6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8",
}  # fmt: skip
"""Numeric array classes."""
OTHER_CLASSES = {
    1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse", 16: "function handle", 17: "object"
}  # fmt: skip
LOGICAL, COMPLEX = 0x0200, 0x0800


@dataclass(frozen=True)
class _Found:
    """A numeric variable and where it is in the file."""

    variable: Variable
    kind: int
    start: int
    size: int


class _Elements:
    """Reads a chain of elements from a stream that declares to be ``size`` bytes long."""

    def __init__(self, stream: ByteStream, order: Literal["<", ">"], size: int) -> None:
        self.stream, self.order, self.left = stream, order, size
        self._small = b""

    def tag(self) -> tuple[int, int]:
        """Type and length of the next element; its content follows."""
        raw = self._take(8)
        kind, length = struct.unpack(self.order + "II", raw)
        if kind >> 16:  # small: the upper half is the length, and the content is here already
            kind, length = kind & 0xFFFF, kind >> 16
            if length > 4:
                raise ClipError(f"a small data element of {length} bytes: damaged file")
            self._small = raw[4 : 4 + length]
        elif length > self.left:
            raise ClipError(
                f"a data element declares {length} bytes where {self.left} are left: "
                "truncated or damaged file"
            )
        return kind, length

    def content(self, limit: int) -> tuple[int, bytes]:
        """Type and content of the next element, of at most ``limit`` bytes."""
        kind, length = self.tag()
        if self._small:
            data, self._small = self._small, b""
            return kind, data
        if length > limit:
            raise ClipError(f"a header element of {length} bytes, expected {limit} at most")
        data = self._take(length)
        self._take(min(-length % 8, self.left))
        return kind, data

    def numbers(self, target: memoryview) -> None:
        """Fill ``target`` with content of the element whose tag was read last."""
        if self._small:
            target[:] = self._small[: len(target)]
            self._small = self._small[len(target) :]
        else:
            self.stream.readinto(target)
            self.left -= len(target)

    def finish(self) -> None:
        """Check that nothing but padding is left, and the checksum; raises ClipError."""
        if self.left >= 8:
            raise ClipError(f"{self.left} bytes beyond the declared size: damaged file")
        skip(self.stream, self.left)
        self.stream.finish()

    def _take(self, count: int) -> bytes:
        if count > self.left:
            raise ClipError("a data element ends too early: truncated or damaged file")
        self.left -= count
        return read_exactly(self.stream, count)


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

    def _numbers(self, variable: Variable) -> _Elements:
        """A variable, read up to its numbers."""
        at = next(found for found in self._found if found.variable is variable)
        elements = self._open(at.kind, at.start, at.size)
        self._header(elements)
        return elements

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
        header = self._header(self._open(kind, start, length))
        if isinstance(header, str):
            self.others.append(header)
        elif header.name and not header.name.startswith("__"):  # nameless: MATLAB's own workspace
            self._found.append(_Found(header, kind, start, length))

    def _open(self, kind: int, start: int, length: int) -> _Elements:
        """The chain of elements inside a variable."""
        if kind == MATRIX:
            return _Elements(Section(self._file, start, length), self._order, length)
        outer = _Elements(Inflated(self._file, start, length), self._order, MAX_EXPANSION * length)
        kind, inner = outer.tag()
        if kind != MATRIX:
            raise ClipError(f"a data element of type {kind} where a variable should be")
        return _Elements(outer.stream, self._order, inner)

    def _header(self, elements: _Elements) -> Variable | str:
        """Read all up to the numbers; where it is no real numeric array, say what it is."""
        kind, flags = elements.content(8)
        if kind != UINT32 or len(flags) != 8:
            raise ClipError("a variable without array flags: damaged file")
        (word,) = struct.unpack(self._order + "I", flags[:4])
        number = word & 0xFF
        if number not in CLASSES:
            return OTHER_CLASSES.get(number, f"class {number}")
        shape = self._dimensions(elements)
        _, name = elements.content(MAX_NAME_BYTES)
        if word & COMPLEX:
            return "complex"
        dtype = np.dtype(bool if word & LOGICAL else CLASSES[number])
        kind, length = elements.tag()
        if kind not in NUMBERS:
            raise ClipError(f"numbers in a data element of type {kind}: damaged file")
        stored = np.dtype(self._order + NUMBERS[kind])
        if prod(shape) * stored.itemsize - length in range(1 << 32, 1 << 44, 1 << 32):
            raise ClipError(
                f"a variable of {sizes(shape)}, larger than the 4 GB that v5 can hold: its writer "
                "(Octave does not look) has cut its length; save it with -v7.3"
            )
        if prod(shape) * stored.itemsize != length:
            raise ClipError(
                f"a variable of {sizes(shape)} with {length} bytes of {stored.name} numbers, "
                f"expected {prod(shape) * stored.itemsize}: damaged file, or made to mislead"
            )
        return Variable(name.decode("latin-1"), shape, dtype, stored)

    def _dimensions(self, elements: _Elements) -> tuple[int, ...]:
        kind, raw = elements.content(4 * MAX_DIMENSIONS)
        if kind not in (INT32, UINT32) or len(raw) % 4 or len(raw) < 8:
            raise ClipError("a variable without dimensions: damaged file")
        shape = struct.unpack(f"{self._order}{len(raw) // 4}i", raw)
        if min(shape) < 0:
            raise ClipError("a variable with negative dimensions: damaged file")
        return shape


def _bytes(array: NDArray[Any]) -> memoryview:
    """The memory of a contiguous array."""
    return array.reshape(-1).view(np.uint8).data
