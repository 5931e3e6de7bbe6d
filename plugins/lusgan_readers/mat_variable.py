"""What a .mat file declares about its one variable, and whether that can be a cine.

MATLAB's order of dimensions is used throughout: H x W x 3 x N, columns first in memory. One channel
of a frame is therefore one run of W x H numbers, column after column.

Shapes: H height, W width, C channels (1 or 3), N frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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

MatVersion = Literal["v5", "v7.3"]


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


@dataclass(frozen=True)
class Cine:
    """A variable's dimensions read as height, width, channels and frames."""

    height: int
    width: int
    channels: int
    count: int


class MatFile(Protocol):
    """An open .mat file of either format, with its one numeric variable found."""

    variable: Variable

    @property
    def version(self) -> MatVersion:
        """Format of the file."""
        ...

    def planes(self, cine: Cine) -> Iterator[NDArray[Any]]:
        """Channel 0 of each frame, (W, H) as stored, in a buffer that the next one reuses.

        Draining the iterator checks all that the format allows; raises ClipError.
        """
        ...

    def array(self) -> NDArray[Any]:
        """The whole variable, with its shape in MATLAB; raises ClipError beyond a few MB."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def sizes(shape: Sequence[int]) -> str:
    """A shape as people write it: ``800x1068x3x60``."""
    return "x".join(map(str, shape[:8])) + ("x..." if len(shape) > 8 else "")


def only_variable(found: Sequence[Variable], others: Sequence[str]) -> Variable:
    """Return the one numeric variable of a file.

    Args:
        found: All real, numeric, full arrays of the file.
        others: Kinds of all other variables, for the message, e.g. ``cell`` or ``char``.

    Returns:
        The only one of ``found``.

    Raises:
        ClipError: There is none, or several.
    """
    if len(found) == 1:
        return found[0]
    if found:
        shapes = ", ".join(sizes(v.shape) for v in found[:5]) + (", ..." if len(found) > 5 else "")
        raise ClipError(
            f"{len(found)} numeric variables ({shapes}), expected one: which is meant is not clear"
        )
    what = f"only {', '.join(sorted(set(others))[:5])}" if others else "no variable at all"
    raise ClipError(f"no numeric variable: {what} found, expected one full, real, numeric array")


def as_cine(variable: Variable) -> Cine:
    """Read a variable's shape as a cine; raises ClipError where that is impossible.

    H x W x C x N with C 1 or 3 and H x W x N are cines. MATLAB drops trailing ones, so H x W x 3 is
    read as one colour frame; three grey frames would be rejected, since their channels differ.
    """
    shape = variable.shape
    if len(shape) == 4:
        height, width, channels, count = shape
    elif len(shape) == 3 and shape[2] == 3:
        (height, width, channels), count = shape, 1
    elif len(shape) == 3:
        (height, width, count), channels = shape, 1
    else:
        raise ClipError(
            f"a variable of {sizes(shape)}, expected height x width x 3 x frames "
            "(or height x width x frames)"
        )
    if min(shape) < 1:
        raise ClipError(f"an empty variable of {sizes(shape)}: it holds no frame")
    if channels not in (1, 3):
        raise ClipError(
            f"{channels} channels in a variable of {sizes(shape)}, expected 3 equal ones, or 1"
        )
    if min(height, width) < MIN_SIDE or max(height, width) > MAX_SIDE:
        raise ClipError(
            f"frames of {height}x{width} pixels (height x width), expected sides of "
            f"{MIN_SIDE} to {MAX_SIDE}"
        )
    return Cine(height, width, channels, count)


def too_large(variable: Variable) -> ClipError:
    """The error for a declared size that cannot fit what the file holds."""
    return ClipError(
        f"a variable of {sizes(variable.shape)} {variable.dtype} declared, which is more than the "
        "file can hold: it is damaged, or made to mislead"
    )


def channels_differ(frame: int) -> ClipError:
    """The error for a frame whose colour channels are not equal; ``frame`` counts from 0."""
    return ClipError(f"the colour channels of frame {frame + 1} differ, expected three equal ones")
