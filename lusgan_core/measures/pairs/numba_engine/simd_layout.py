"""The layout of frames for the compiled kernels, and what brings frames into it.

A row of W pixels is cut into 16 *lanes* of K columns: lane l of strip k holds column l K + k. All
16 lanes of a strip lie side by side and are computed at once, so that the neighbour s columns to
the right is simply the strip s further on, at the same lane: filtering across needs no shuffling,
except at the last strips, which go on in the next lane (`wrap`).

    map     (rows / 8, K, 8, 16)   bands of 8 rows, strip by strip, as the kernels walk over them
    image   (rows / 8, K, 18, 16)  the same, each band with the 10 rows below it that windows need

A band is one run of memory (the processor reads ahead), a row further down is 16 numbers on.

K is a multiple of 4, the number of strips that a kernel computes at once. Columns beyond the
frame are zero, and their weight in every map is nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.measures.pairs.numba_engine.compiled import compiled, inlined

LANES, BAND, STEP = 16, 8, 4
CELL = LANES * BAND
"""Numbers in one strip of one band."""
MARGIN = 10
"""Rows below a band that a window of 11 reaches."""
LINE = 64
"""Bytes in a cache line."""
SOURCE = LANES * (BAND + MARGIN)
"""Numbers in one strip of one band of an image."""


@dataclass(frozen=True)
class Layout:
    """The sizes of images and maps for frames of one size, for windows of up to 11 rows."""

    height: int
    width: int

    @property
    def strips(self) -> int:
        """Number of strips, K."""
        return STEP * -(-self.width // (LANES * STEP))

    @property
    def image_size(self) -> int:
        """Numbers in an image."""
        return bands_of(self.height) * self.strips * SOURCE

    def map_size(self, height: int) -> int:
        """Numbers in a map of so many rows."""
        return bands_of(height) * self.strips * CELL


def room(shape: tuple[int, ...], kind: type, zero: bool = False) -> NDArray[Any]:
    """Allocate an array that begins on a cache line: loads of 16 numbers that span two cost twice.

    Args:
        shape: Shape of the array.
        kind: Type of its numbers.
        zero: Whether it is zeroed; otherwise it is not initialised.

    Returns:
        The array, C-contiguous.
    """
    size = math.prod(shape) * np.dtype(kind).itemsize
    memory = (np.zeros if zero else np.empty)(size + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + size].view(kind).reshape(shape)


def bands_of(height: int) -> int:
    """Bands of 8 rows in a map of so many rows."""
    return -(-height // BAND)


@inlined
def product(a: Any, b: Any) -> Any:
    """Multiply in 32 bits; numba would take 64.

    Args:
        a: An integer of at most 16 bits.
        b: An integer of at most 16 bits.

    Returns:
        The product as int32.
    """
    return np.int32(np.int32(a) * np.int32(b))


@compiled
def lay_image(
    image: NDArray[np.int32], top: int, strips: int, row: NDArray[np.int32], out: NDArray[Any]
) -> None:
    """Lay out an image.

    Args:
        image: (H, W) int32.
        top: Rows to leave free above it.
        strips: Number of strips, K.
        row: Scratch memory, (16 K,).
        out: The laid out image, flat, of the size that `Layout` gives, zero; filled in.
    """
    height, width = image.shape
    bands = len(out) // (strips * SOURCE)
    for k in range(width, LANES * strips):
        row[k] = 0
    for r in range(height):
        for k in range(width):
            row[k] = image[r, k]
        # A row belongs to its own band, and to those above whose windows reach down to it.
        last = (r + top) // BAND
        for band in range(max(0, last - 2), min(last + 1, bands)):
            q = r + top - band * BAND
            if q < BAND + MARGIN:
                target = out[band * strips * SOURCE + q * LANES :]
                for k in range(strips):
                    for lane in range(LANES):
                        target[k * SOURCE + lane] = row[lane * strips + k]


@compiled
def lay_map(
    values: NDArray[np.float64],
    strips: int,
    fill: float,
    row: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Lay out a map.

    Args:
        values: (H, W) float64.
        strips: Number of strips, K.
        fill: Value of places that the map does not have.
        row: Scratch memory, (16 K,).
        out: The laid out map, flat, of the size that `Layout` gives; overwritten.
    """
    height, width = values.shape
    for k in range(width, LANES * strips):
        row[k] = fill
    for r in range(BAND * -(-height // BAND)):
        for k in range(width):
            row[k] = values[r, k] if r < height else fill
        target = out[(r // BAND) * strips * CELL + (r % BAND) * LANES :]
        for k in range(strips):
            for lane in range(LANES):
                target[k * CELL + lane] = row[lane * strips + k]


@inlined
def wrap(buffer: NDArray[Any], strips: int, lead: int, count: int) -> None:
    """Extend a band beyond its K strips, to the left and to the right.

    The strip after the last is the first one a lane further on, and zero in the last lane.

    Args:
        buffer: (lead + K + count) strips of 8 x 16 numbers, flat; the outer ones are filled in.
        strips: Number of strips, K.
        lead: Strips to fill in on the left.
        count: Strips to fill in on the right.
    """
    for k in range(lead):
        source = buffer[(k + strips) * CELL : (k + strips + 1) * CELL]
        target = buffer[k * CELL : (k + 1) * CELL]
        for m in range(CELL - 1):
            target[m + 1] = source[m]
        for q in range(BAND):
            target[q * LANES] = 0
    for k in range(lead, lead + count):
        source = buffer[k * CELL : (k + 1) * CELL]
        target = buffer[(k + strips) * CELL : (k + strips + 1) * CELL]
        for m in range(CELL - 1):
            target[m] = source[m + 1]
        for q in range(BAND):
            target[q * LANES + LANES - 1] = 0
