"""Grey levels: how stored numbers become uint8, without guessing.

uint8 is used as it is. For any other type the values decide, over the whole clip:

- logical: true is white, 255;
- all whole numbers within 0..255: as they are;
- floats within 0..1: times 255, rounded;
- a range that was declared: its ends become black and white, what is beyond is cut off;
- 0 and 1 alone in another type than uint8 or logical: refused, 1 may be white or nearly black;
- anything else (NaN, infinite, beyond 255, negative, fractions beyond 1): rejected. The range of
  16-bit values cannot be known from the file, and a guess would change the picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import ClipError
from lusgan_readers.mat_variable import Variable

Scale = Literal["as is", "logical", "unit"] | tuple[float, float]
"""A pair: the values that are black and white."""
DECLARE = "declare what is black and white, e.g. --set ingestion.grey_range="


def known_scale(variable: Variable, declared: tuple[float, float] | None = None) -> Scale | None:
    """The scale, where the type or a person decides it.

    Args:
        variable: The variable with the frames.
        declared: Values that are black and white, where a person declared them.

    Returns:
        The scale; None where the values have to be read.
    """
    if declared is not None:
        return declared
    if variable.dtype.kind == "b":
        return "logical"
    return "as is" if variable.stored == np.uint8 else None


def find_scale(planes: Iterable[NDArray[Any]]) -> Scale:
    """The scale of a clip, from all of its values; raises ClipError where there is none.

    ``planes`` are drained, unless a value decides it earlier.
    """
    whole, top = True, 0.0
    for frame, plane in enumerate(planes, start=1):
        low, high = float(plane.min()), float(plane.max())  # a NaN anywhere makes both NaN
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ClipError(f"frame {frame} holds values that are NaN or infinite")
        if low < 0 or high > 255:
            raise ClipError(
                f"frame {frame} has values from {low:g} to {high:g} ({plane.dtype.name}), expected "
                f"grey levels 0..255 or fractions 0..1: {DECLARE}[{_guess(low, high)}], or convert "
                "the clip to uint8"
            )
        top = max(top, high)
        if plane.dtype.kind == "f" and whole:
            whole = bool(np.array_equal(plane, np.rint(plane)))
        if not whole and top > 1:
            raise ClipError(
                f"fractional values up to {top:g} by frame {frame}, expected whole grey levels "
                "0..255 or fractions 0..1: convert the clip to uint8"
            )
    if whole and top == 1:
        raise ClipError(
            "values 0 and 1 alone: black and white, or the two darkest of 256 grey levels; "
            f"{DECLARE}[0, 1] or [0, 255]"
        )
    return "as is" if whole else "unit"


def _guess(low: float, high: float) -> str:
    """A range to begin with, for a message: that of 12 or 16 bits, or the values found."""
    if low >= 0:
        return next((f"0, {top}" for top in (4095, 65535) if high <= top), f"0, {high:g}")
    return f"{low:g}, {high:g}"


def to_grey(plane: NDArray[Any], scale: Scale) -> NDArray[np.uint8]:
    """Convert stored numbers to grey levels.

    Args:
        plane: Numbers of any shape, within the range that ``scale`` stands for.
        scale: ``as is`` (0..255), ``logical`` (true is 255), ``unit`` (0..1 becomes 0..255), or
            the values that become 0 and 255, beyond which all is cut off.

    Returns:
        uint8 of the same shape; the plane itself, not a copy, where it holds uint8 grey levels.
    """
    if isinstance(scale, tuple):
        black, white = scale
        if not np.isfinite(plane).all():
            raise ClipError("values that are NaN or infinite")
        share = (plane.astype(np.float64) - black) / (white - black)
        return np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)
    if scale == "logical":
        return np.where(plane, np.uint8(255), np.uint8(0))
    if scale == "unit":
        return np.rint(plane * np.float32(255)).astype(np.uint8)
    return plane if plane.dtype == np.uint8 else plane.astype(np.uint8)
