"""Numeric arrays inside the structs and cells of a v5 file, which a person names to have them read.

- A field of a struct is ``struct.field``. Of a struct array, such as MATLAB's movie of
  ``cdata``, the arrays of a field are joined along one more axis.
- A cell is read under its own name where all it holds are arrays of one shape, joined likewise;
  else each array is ``cell.1``, ``cell.2`` and so on.

Arrays follow one another, item by item and field by field, in one stream, and are read in that
order. What is deeper inside is not looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

from lusgan_core.api import ClipError
from lusgan_readers.inflate import skip
from lusgan_readers.mat_variable import FREE_BYTES, Variable
from lusgan_readers.v5_elements import (
    INT32,
    MATRIX,
    MAX_NAME_BYTES,
    Elements,
    read_dimensions,
    read_header,
    read_name,
)

MAX_ARRAYS = 100_000
"""Largest number of arrays in a struct or a cell: a movie has two for each frame."""


@dataclass(frozen=True)
class Place:
    """Which arrays of a struct or a cell make up a variable: every ``step``-th from ``first``."""

    first: int
    step: int
    count: int


def look_inside(kind: str, elements: Elements) -> list[tuple[Variable, Place]]:
    """Find the numeric arrays of a struct or a cell.

    Args:
        kind: ``struct`` or ``cell``.
        elements: Its chain, at its dimensions. Up to ``FREE_BYTES`` are read.

    Returns:
        Each variable, ``inside``, and the arrays that it is made of.

    Raises:
        ClipError: It is damaged, or too large to look through.
    """
    if elements.left > FREE_BYTES:
        raise ClipError(f"a {kind} of {elements.left >> 20} MB, too large to look inside")
    name, fields, items = _begin(kind, elements)
    arrays = list(_arrays(elements, items * len(fields)))
    if kind == "cell":
        whole = _joined(name, arrays)
        if whole is not None:
            return [(whole, Place(0, 1, items))]
        return [
            (replace(array, name=f"{name}.{i + 1}", inside=True), Place(i, items, 1))
            for i, array in enumerate(arrays)
            if array is not None
        ]
    found = []
    for i, field in enumerate(fields):
        whole = _joined(f"{name}.{field}", arrays[i :: len(fields)])
        if whole is not None:
            found.append((whole, Place(i, len(fields), items)))
    return found


class Joined:
    """The numbers of a variable inside a struct or a cell, one array after another."""

    def __init__(self, elements: Elements, kind: str, place: Place) -> None:
        """``elements`` is the chain of the struct or cell, at its dimensions."""
        _, fields, items = _begin(kind, elements)
        self._all = elements
        self._arrays = self._places(place, items * len(fields))
        self._array, self._left = elements, 0

    def numbers(self, target: memoryview) -> None:
        """Fill ``target``; raises ClipError."""
        while len(target):
            if not self._left:
                self._array, self._left = next(self._arrays)
            part = target[: self._left]
            self._array.numbers(part)
            self._left -= len(part)
            target = target[len(part) :]

    def finish(self) -> None:
        """Read the rest, and check that nothing else is left, and the checksum."""
        for _ in self._arrays:
            pass
        self._all.finish()

    def _places(self, place: Place, total: int) -> Iterator[tuple[Elements, int]]:
        """The arrays of the variable, at their numbers, and the size of these in bytes."""
        wanted = range(place.first, place.first + place.step * place.count, place.step)
        for i in range(total):
            inner = _inner(self._all)
            header = read_header(inner) if i in wanted else None
            if isinstance(header, Variable):
                yield inner, header.size
            skip(inner.stream, inner.left)


def _begin(kind: str, elements: Elements) -> tuple[str, Sequence[str], int]:
    """Read up to the first array: the name, the names of fields (one for a cell), the items."""
    items, name = prod(read_dimensions(elements)), read_name(elements)
    fields: Sequence[str] = ("",)
    if kind == "struct":
        number, raw = elements.content(4)
        length = int.from_bytes(raw, "little" if elements.order == "<" else "big")
        if number != INT32 or len(raw) != 4 or not 0 < length <= MAX_NAME_BYTES:
            raise ClipError("a struct without the length of its fields' names: damaged file")
        _, names = elements.content(length * MAX_ARRAYS)
        cut = (names[i : i + length] for i in range(0, len(names), length))
        fields = [one.split(b"\0")[0].decode("latin-1") for one in cut]
    if items * len(fields) > MAX_ARRAYS:
        raise ClipError(f"a {kind} of {items * len(fields)} arrays, expected {MAX_ARRAYS} at most")
    return name, fields, items


def _inner(elements: Elements) -> Elements:
    """The chain of the next array."""
    kind, length = elements.tag()
    if kind != MATRIX:
        raise ClipError(f"a data element of type {kind} where an array should be: damaged file")
    elements.left -= length
    return Elements(elements.stream, elements.order, length)


def _arrays(elements: Elements, count: int) -> Iterator[Variable | None]:
    """The header of each array; None for what is not numeric."""
    for _ in range(count):
        inner = _inner(elements)
        header = read_header(inner) if inner.left else ""  # an empty one may have no header
        yield header if isinstance(header, Variable) else None
        skip(inner.stream, inner.left)


def _joined(name: str, arrays: Sequence[Variable | None]) -> Variable | None:
    """The variable that arrays make up together; None where they differ or are not numeric."""
    first = arrays[0] if arrays else None
    if first is None or any(array != first for array in arrays):
        return None
    shape = first.shape if len(arrays) == 1 else (*first.shape, len(arrays))
    return replace(first, name=name, shape=shape, inside=True)
