"""The chain of elements inside a variable of a v5 file, and the header of an array.

An array is a chain of elements: flags (class, logical, complex), dimensions, name, and numbers; or,
of a struct and a cell, further arrays. Lengths are checked before anything is read.
"""

from __future__ import annotations

import struct
from math import prod
from typing import Literal

import numpy as np

from lusgan_core.api import ClipError
from lusgan_readers.inflate import ByteStream, read_exactly, skip
from lusgan_readers.mat_variable import Variable, sizes

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


class Elements:
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


def read_header(elements: Elements) -> Variable | str:
    """Read all of an array up to its numbers.

    Args:
        elements: The array's chain, at its beginning.

    Returns:
        The array; where it is no real numeric one, what it is, and the chain is at its dimensions.

    Raises:
        ClipError: It is damaged.
    """
    kind, flags = elements.content(8)
    if kind != UINT32 or len(flags) != 8:
        raise ClipError("a variable without array flags: damaged file")
    (word,) = struct.unpack(elements.order + "I", flags[:4])
    number = word & 0xFF
    if number not in CLASSES:
        return OTHER_CLASSES.get(number, f"class {number}")
    shape, name = read_dimensions(elements), read_name(elements)
    if word & COMPLEX:
        return "complex"
    dtype = np.dtype(bool if word & LOGICAL else CLASSES[number])
    kind, length = elements.tag()
    if kind not in NUMBERS:
        raise ClipError(f"numbers in a data element of type {kind}: damaged file")
    stored = np.dtype(elements.order + NUMBERS[kind])
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
    return Variable(name, shape, dtype, stored)


def read_dimensions(elements: Elements) -> tuple[int, ...]:
    """Read the dimensions of an array, the second element of its chain. Raises ClipError."""
    kind, raw = elements.content(4 * MAX_DIMENSIONS)
    if kind not in (INT32, UINT32) or len(raw) % 4 or len(raw) < 8:
        raise ClipError("a variable without dimensions: damaged file")
    shape = struct.unpack(f"{elements.order}{len(raw) // 4}i", raw)
    if min(shape) < 0:
        raise ClipError("a variable with negative dimensions: damaged file")
    return shape


def read_name(elements: Elements) -> str:
    """Read the name of an array, the third element of its chain. Raises ClipError."""
    return elements.content(MAX_NAME_BYTES)[1].decode("latin-1")
