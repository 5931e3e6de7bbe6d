"""Finds out which axis of an array is which: height, width, channels, frames.

MATLAB's H x W x 3 x N is taken as it is. Other arrays (three axes, or channels elsewhere, as
Python's N x H x W) have several readings, and a reading has to be possible: frames of a
sensible size, at least as many of them as the score matrix has columns, and of the mask's size.
Of several, the number of scored frames tells, and what a cine looks like: all frames are about
equally bright, whereas rows and columns are darker towards the edges of the fan. What stays unclear
is refused, and can be declared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any

from numpy.typing import NDArray

from lusgan_core.api import ClipError
from lusgan_readers.mat_variable import MAX_SIDE, MIN_SIDE, Cine, Variable, sizes

STEADY = 4.0
"""How many times steadier than along the others the brightness is along the axis of frames. Of 104
real clips, 95 are above 5.7, and those that change most are at 0.3 to 1.3."""
DECLARE = "declare the order with --set ingestion.axes=..."


def read_axes(
    variable: Variable,
    volume: Callable[[], NDArray[Any]],
    *,
    declared: str | None = None,
    scored: int | None = None,
    mask: tuple[int, int] | None = None,
) -> Cine:
    """Read a variable's shape as a cine.

    Args:
        variable: The variable with the frames.
        volume: Reads all of its numbers, in its shape; asked only where the shape leaves a choice.
        declared: Order of its axes, e.g. ``NHW``, where a person declared it.
        scored: Frames that the clip's scores are for; None where that is unknown.
        mask: Height and width of the clip's mask, pixels, if it has one.

    Returns:
        The cine, with the order of its axes.

    Raises:
        ClipError: It is no cine, or it could be several.
    """
    shape = variable.shape
    if declared is not None:
        return _declared(shape, declared)
    usual = _usual(shape, scored)
    if len(shape) == 4 and shape[2] in (1, 3) and mask in (None, (usual.height, usual.width)):
        return _checked(usual, shape)
    fitting = _unique([c for c in _readings(shape) if _fits(c, scored, mask)])
    if not fitting:  # whatever is wrong is told of the usual reading
        return _checked(usual, shape)
    if len(fitting) == 1:
        return fitting[0]
    if usual in fitting and (usual.channels == 3 or len(shape) == 4):
        return usual
    exact = [c for c in fitting if c.count == scored]
    steady = _steady(volume(), fitting)
    if len(exact) == 1 and steady in (None, exact[0]):
        return exact[0]
    if not exact and steady is not None:
        return steady
    readings = " or ".join(f"{c.order} ({c.count} frames of {c.height}x{c.width})" for c in fitting)
    raise ClipError(f"an array of {sizes(shape)} could be {readings}: {DECLARE}")


def _declared(shape: Sequence[int], order: str) -> Cine:
    if len(order) != len(shape):
        raise ClipError(
            f"a variable of {sizes(shape)}, and {order} declared for it: expected {len(order)} axes"
        )
    cine = _cine(shape, order)
    return _checked(cine, shape)


def _usual(shape: Sequence[int], scored: int | None) -> Cine:
    """MATLAB's reading. It drops trailing ones: H x W x 3 is one colour frame, unless more are
    scored."""
    if len(shape) == 4:
        return _cine(shape, "HWCN")
    if len(shape) != 3:
        raise ClipError(
            f"a variable of {sizes(shape)}, expected height x width x 3 x frames "
            "(or height x width x frames)"
        )
    return _cine(shape, "HWC" if shape[2] == 3 and (scored or 1) == 1 else "HWN")


def _checked(cine: Cine, shape: Sequence[int]) -> Cine:
    """The cine, if frames can be of that size; raises ClipError."""
    if min(shape) < 1:
        raise ClipError(f"an empty variable of {sizes(shape)}: it holds no frame")
    if cine.channels not in (1, 3):
        raise ClipError(
            f"{cine.channels} channels in a variable of {sizes(shape)}, expected 3 equal ones, or 1"
        )
    if not _has_size(cine):
        raise ClipError(
            f"frames of {cine.height}x{cine.width} pixels (height x width), expected sides of "
            f"{MIN_SIDE} to {MAX_SIDE}"
        )
    return cine


def _readings(shape: Sequence[int]) -> list[Cine]:
    """All orders, the usual first; those with the width before the height come last."""
    letters = "HWCN" if len(shape) == 4 else "HWN"
    orders = ["".join(order) for order in permutations(letters)]
    if len(shape) == 3 and shape[2] == 3:
        orders.insert(0, "HWC")
    orders.sort(key=lambda order: order.index("W") < order.index("H"))
    return [_cine(shape, order) for order in orders]


def _cine(shape: Sequence[int], order: str) -> Cine:
    size = dict(zip(order, shape, strict=True))
    return Cine(size["H"], size["W"], size.get("C", 1), size.get("N", 1), order)


def _has_size(cine: Cine) -> bool:
    return min(cine.height, cine.width) >= MIN_SIDE and max(cine.height, cine.width) <= MAX_SIDE


def _fits(cine: Cine, scored: int | None, mask: tuple[int, int] | None) -> bool:
    return (
        _has_size(cine)
        and cine.channels in (1, 3)
        and cine.count >= max(1, scored or 1)
        and (cine.order != "HWC" or (scored or 1) == 1)
        and mask in (None, (cine.height, cine.width))
    )


def _unique(cines: list[Cine]) -> list[Cine]:
    """One reading for each axis of frames: height before width, unless the mask told otherwise."""
    found: dict[tuple[int, int], Cine] = {}
    for cine in cines:
        found.setdefault((cine.order.find("N"), cine.order.find("C")), cine)
    return list(found.values())


def _steady(volume: NDArray[Any], cines: Sequence[Cine]) -> Cine | None:
    """The reading along whose frames the brightness changes least, if that is clear."""
    spread: list[tuple[float, Cine]] = []
    for cine in cines:
        axis = cine.order.find("N")
        means = volume.mean(axis=tuple(i for i in range(volume.ndim) if i != axis), dtype=float)
        spread.append((float(means.std() / max(abs(means.mean()), 1e-9)), cine))
    spread.sort(key=lambda pair: pair[0])
    clear = spread[1][0] > STEADY * spread[0][0]
    return spread[0][1] if clear else None
