"""What a .mat file declares about its variables, and which of them can be a cine.

MATLAB's order of dimensions is used throughout: H x W x 3 x N, columns first in memory. One channel
of a frame is therefore one run of W x H numbers, column after column.

Shapes: H height, W width, C channels (1 or 3), N frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import ClipError

MIN_SIDE = 16
"""Smallest side of a frame, pixels."""
MAX_SIDE = 8192
"""Largest side of a frame, pixels."""
MAX_EXPANSION = 1032
"""Deflate cannot shrink data by more: two bits stand for at most 258 bytes (zlib's manual)."""
MAX_SMALL_BYTES = 1 << 22
"""Largest array that is read as a whole; a matrix of 3 scores for 100,000 frames has 2.4 MB."""

MAX_LARGE_BYTES = 1 << 30
"""Largest clip of another order of axes than MATLAB's, which is read as a whole."""
FREE_BYTES = 512 << 20
"""Size up to which a clip may be compressed as well as deflate can: a matter of seconds."""
MAX_LARGE_EXPANSION = 200
"""How far a larger clip may be compressed; real ones shrink by a factor of 3 to 50."""

MatVersion = Literal["v4", "v5", "v7.3"]


@dataclass(frozen=True)
class Variable:
    """A real numeric variable of a .mat file."""

    name: str
    shape: tuple[int, ...]
    """In MATLAB's order: rows, columns, ..."""
    dtype: np.dtype[Any]
    """Type in MATLAB: ``bool`` for logical, else the numeric class."""
    stored: np.dtype[Any]
    """Type in the file; MATLAB narrows integral doubles to the smallest integer that holds them."""
    inside: bool = False
    """Whether it is in a struct, ``struct.field`` by name, or in a cell: meant only where named."""

    @property
    def size(self) -> int:
        """Bytes of its numbers, as stored."""
        return prod(self.shape) * self.stored.itemsize

    @property
    def could_be_cine(self) -> bool:
        """Whether it has enough dimensions, and two that are long enough for frames."""
        return len(self.shape) in (3, 4) and sum(n >= MIN_SIDE for n in self.shape) >= 2


@dataclass(frozen=True)
class Cine:
    """A variable's dimensions read as height, width, channels and frames."""

    height: int
    width: int
    channels: int
    count: int
    order: str = "HWCN"
    """Axes of the variable; H, W, C, N without those that are missing is MATLAB's own order."""

    @property
    def is_usual(self) -> bool:
        """Whether the frames lie one after another, as MATLAB has them."""
        return self.order in ("HWCN", "HWN", "HWC")


class MatFile(Protocol):
    """An open .mat file of any format, with its numeric variables found."""

    variables: list[Variable]
    """All real, numeric, full arrays, empty ones included."""
    others: list[str]
    """Kinds of all other variables, for messages, e.g. ``cell`` or ``char``."""

    @property
    def version(self) -> MatVersion:
        """Format of the file."""
        ...

    def check(self, variable: Variable) -> None:
        """Check what is declared of the storage of a variable's numbers; raises ClipError."""
        ...

    def planes(self, variable: Variable, cine: Cine) -> Iterator[NDArray[Any]]:
        """The frames of a cine in MATLAB's order, as stored.

        Draining the iterator checks all that the format allows; raises ClipError.

        Args:
            variable: One of ``variables``.
            cine: How its axes are read.

        Returns:
            Each frame (W, H) where its channels are equal, else (C, W, H), in a buffer that the
            next one reuses.
        """
        ...

    def array(self, variable: Variable, limit: int = MAX_SMALL_BYTES) -> NDArray[Any]:
        """A whole variable; raises ClipError beyond ``limit`` bytes.

        Args:
            variable: One of ``variables``.
            limit: Largest size, bytes.

        Returns:
            The variable, with its shape in MATLAB.
        """
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def sizes(shape: Sequence[int]) -> str:
    """A shape as people write it: ``800x1068x3x60``."""
    if not shape:
        return "a single number"
    return "x".join(map(str, shape[:8])) + ("x..." if len(shape) > 8 else "")


def matrix_variable(mat: MatFile) -> Variable:
    """Return the one numeric variable of a small file; empty ones beside it do not count.

    Args:
        mat: The open file.

    Returns:
        The only one.

    Raises:
        ClipError: There is none, or several.
    """
    outer = [v for v in mat.variables if not v.inside]
    found = [v for v in outer if prod(v.shape)] or outer
    if len(found) == 1:
        return found[0]
    if found:
        raise ClipError(f"{_several(found)}, expected one: which is meant is not clear")
    raise _none(mat)


def cine_variable(mat: MatFile, name: str | None) -> Variable:
    """Return the variable that holds the frames; scalars, vectors and empty ones don't count.

    Args:
        mat: The open file.
        name: Its name, where that was declared.

    Returns:
        The variable.

    Raises:
        ClipError: There is none, several could be, or none has that name.
    """
    if mat.version == "v4":
        raise ClipError("a v4 .mat file, which can hold no cine: save it as v5 or v7.3")
    if name is not None:
        for variable in mat.variables:
            if variable.name == name:
                return variable
        shapes = ", ".join(f"{v.name} of {sizes(v.shape)}" for v in mat.variables[:5])
        raise ClipError(
            f"no numeric variable {name}, as ingestion.variable says; found: {shapes or 'none'}"
        )
    outer = [v for v in mat.variables if not v.inside]
    found = [v for v in outer if prod(v.shape)] or outer
    cines = [v for v in found if v.could_be_cine]
    if len(found) == 1 or len(cines) == 1:
        return (cines or found)[0]
    if found:
        raise ClipError(
            f"{_several(cines or found)}, expected one cine: which is meant is not clear; name it "
            "with --set ingestion.variable=NAME"
        )
    fields = [v.name for v in mat.variables if v.inside and v.could_be_cine]
    if fields:
        raise ClipError(
            f"no numeric variable at the top, but inside a struct or cell {', '.join(fields[:3])}: "
            f"name the one that holds the frames with --set ingestion.variable={fields[0]}"
        )
    raise _none(mat)


def _several(found: Sequence[Variable]) -> str:
    shapes = ", ".join(sizes(v.shape) for v in found[:5]) + (", ..." if len(found) > 5 else "")
    return f"{len(found)} numeric variables ({shapes})"


def _none(mat: MatFile) -> ClipError:
    others = sorted(set(mat.others))[:5]
    what = f"only {', '.join(others)}" if others else "no variable at all"
    return ClipError(f"no numeric variable: {what} found, expected one full, real, numeric array")


def refuse_bomb(variable: Variable, file_bytes: int) -> None:
    """Refuse what would take long to inflate, for the size of its file.

    Args:
        variable: The variable with the frames.
        file_bytes: Size of the file.

    Raises:
        ClipError: It is larger than ``FREE_BYTES``, and was compressed too far for a clip.
    """
    if variable.size > max(FREE_BYTES, MAX_LARGE_EXPANSION * file_bytes):
        raise ClipError(
            f"a variable of {sizes(variable.shape)} {variable.stored.name} in a file of "
            f"{file_bytes / 1e6:.1f} MB: {variable.size / 1e6:.0f} MB would be inflated, expected "
            f"{FREE_BYTES >> 20} MB or {MAX_LARGE_EXPANSION} times the file's size at most"
        )


def too_large(variable: Variable) -> ClipError:
    """The error for a declared size that cannot fit what the file holds."""
    return ClipError(
        f"a variable of {sizes(variable.shape)} {variable.dtype} declared, which is more than the "
        "file can hold: it is damaged, or made to mislead"
    )
