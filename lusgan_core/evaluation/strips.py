"""The layout of frames for the compiled kernels, and what brings frames into it.

A row of W pixels is cut into 16 *lanes* of K columns: lane l of strip k holds column l K + k. All
16 lanes of a strip lie side by side and are computed at once, so that the neighbour s columns to
the right is simply the strip s further on, at the same lane: filtering across needs no shuffling,
except at the last strips, which go on in the next lane (`wrap`).

    image   (K, R, 16)         strip by strip, R rows: a window slides down in steps of 16 numbers
    map     (rows / 8, K, 8, 16)  bands of 8 rows, strip by strip, as the kernels walk over them

K is a multiple of 4, the number of strips that a kernel computes at once. Columns beyond the
frame are zero, and their weight in every map is nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.evaluation.compiled import inlined

LANES, BAND, STEP = 16, 8, 4
CELL = LANES * BAND
"""Numbers in one strip of one band."""
MARGIN = 10
"""Rows of zeros below an image: a window reaches so far beyond the last band."""


@dataclass(frozen=True)
class Layout:
    """Where things are for frames of one size, whatever the windows (up to 11 rows)."""

    height: int
    width: int

    @property
    def strips(self) -> int:
        """K."""
        return STEP * -(-self.width // (LANES * STEP))

    @property
    def rows(self) -> int:
        """R: room below for windows; odd, so that strips do not fall on the same cache lines."""
        return (BAND * bands_of(self.height) + MARGIN) | 1

    @property
    def image_size(self) -> int:
        """Numbers in an image."""
        return self.strips * self.rows * LANES

    def map_size(self, height: int) -> int:
        """Numbers in a map of so many rows."""
        return bands_of(height) * self.strips * CELL


def bands_of(height: int) -> int:
    """Bands of 8 rows in a map of so many rows."""
    return -(-height // BAND)


@inlined
def lay_image(image: NDArray[Any], top: int, strips: int, rows: int, out: NDArray[Any]) -> None:
    """Lay out an (H, W) image, ``top`` rows down, into ``out`` (flat, zero)."""
    height, width = image.shape
    for r in range(height):
        source = image[r]
        target = out[(r + top) * LANES :]
        for lane in range(LANES):
            left = lane * strips
            for k in range(min(strips, width - left)):
                target[k * rows * LANES + lane] = source[left + k]


@inlined
def lay_map(values: NDArray[Any], strips: int, fill: float, out: NDArray[Any]) -> None:
    """Lay out an (H, W) map into ``out`` (flat), ``fill`` where it has nothing."""
    height, width = values.shape
    out[:] = fill
    for r in range(height):
        source = values[r]
        target = out[(r // BAND) * strips * CELL + (r % BAND) * LANES :]
        for lane in range(LANES):
            left = lane * strips
            for k in range(min(strips, width - left)):
                target[k * CELL + lane] = source[left + k]


@inlined
def wrap(buffer: NDArray[Any], strips: int, lead: int, count: int) -> None:
    """Extend a band (lead + K + count, 8, 16) beyond its K strips, to the left and to the right.

    The strip after the last is the first one a lane further on, and zero in the last lane.
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
