"""The maps that the compiled kernels need of single frames, compiled too.

The same maps as in `torch_engine.frame_statistics`, where they are described, in the layout of
`simd_layout`. Sums are exact integers, the pyramid of MS-SSIM is in double precision until it is
stored. All functions fill arrays that the caller made.

Shapes: N frames, C channels, H height, W width; planes are (N, C, H, W) uint8. Images and maps are
flat, with the sizes that `Layout` gives; K is the number of strips.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lusgan_core.measures.pairs.formulas import WINDOW
from lusgan_core.measures.pairs.numba_engine.compiled import compiled
from lusgan_core.measures.pairs.numba_engine.simd_layout import LANES, lay_image, lay_map

I32 = np.int32
NOWHERE = 1e30
"""Spread of a window outside a map: a value divided by it is nothing."""


# Loops instead of slices assigned to and whole-array arithmetic throughout: numba takes seconds to
# compile those, and milliseconds for a loop.


@compiled
def _widen(plane: NDArray[np.uint8], top: int, out: NDArray[np.int32]) -> None:
    """Copy an (H, W) plane to ``top`` rows down and columns right."""
    for r in range(plane.shape[0]):
        source, target = plane[r], out[r + top]
        for c in range(len(source)):
            target[c + top] = source[c]


@compiled
def _window_sums(
    values: NDArray[np.int32], side: int, across: NDArray[np.int32], out: NDArray[np.int32]
) -> None:
    """Sums of side x side numbers of (H, W) at all (H - side + 1, W - side + 1) places.

    Across by doubling (3 = 2 + 1, 8 = 4 + 4, 11 = 8 + 2 + 1), down by sliding.
    """
    height, width = values.shape
    places = width - side + 1
    two, four, eight = np.empty(width, I32), np.empty(width, I32), np.empty(width, I32)
    for r in range(height):
        source, target = values[r], across[r]
        for c in range(width - 1):
            two[c] = I32(source[c] + source[c + 1])
        if side > 3:
            for c in range(width - 3):
                four[c] = I32(two[c] + two[c + 2])
            for c in range(width - 7):
                eight[c] = I32(four[c] + four[c + 4])
        for c in range(places):
            if side == 3:
                target[c] = I32(two[c] + source[c + 2])
            elif side == 8:
                target[c] = eight[c]
            else:
                target[c] = I32(I32(eight[c] + two[c + 8]) + source[c + 10])
    target = out[0]
    for c in range(places):
        target[c] = across[0, c]
    for r in range(1, side):
        source = across[r]
        for c in range(places):
            target[c] = I32(target[c] + source[c])
    for r in range(1, height - side + 1):
        before, target, gone, new = out[r - 1], out[r], across[r - 1], across[r + side - 1]
        for c in range(places):
            target[c] = I32(before[c] + I32(new[c] - gone[c]))


@compiled
def _squares(values: NDArray[np.int32], out: NDArray[np.int32]) -> None:
    for r in range(values.shape[0]):
        source, target = values[r], out[r]
        for c in range(len(source)):
            target[c] = I32(source[c] * source[c])


@compiled
def fill_images(planes: NDArray[np.uint8], strips: int, out: NDArray[np.int16]) -> None:
    """Lay out frames as they are.

    Args:
        planes: (N, C, H, W) uint8.
        strips: Number of strips, K.
        out: Images, (N, C, image size) int16, zero; filled in.
    """
    values, row = np.empty(planes.shape[2:], I32), np.empty(LANES * strips, I32)
    for i in range(len(planes)):
        for c in range(planes.shape[1]):
            _widen(planes[i, c], 0, values)
            lay_image(values, 0, strips, row, out[i, c])


@compiled
def fill_weights(
    planes: NDArray[np.uint8],
    shares: NDArray[np.float64],
    strips: int,
    out: NDArray[np.float32],
) -> None:
    """Fill in RASE's weight of each window, 100 / mean; 0 where it is black.

    Args:
        planes: (N, C, H, W) uint8.
        shares: Share of each channel in the mean, (C,), summing to 1.
        strips: Number of strips, K.
        out: Weights, (N, 1, map size) float32; overwritten.
    """
    channels, height, width = planes.shape[1:]
    values = np.empty((height, width), I32)
    across, sums = np.empty((height, width), I32), np.empty((height, width), I32)
    weights, line = np.empty((height - WINDOW, width - WINDOW)), np.empty(LANES * strips)
    for i in range(len(planes)):
        for c in range(channels):
            _widen(planes[i, c], 0, values)
            _window_sums(values, WINDOW, across, sums)
            for r in range(height - WINDOW):
                for k in range(width - WINDOW):
                    before = weights[r, k] if c > 0 else 0.0
                    weights[r, k] = before + sums[r, k] * (shares[c] / 64)
        for r in range(height - WINDOW):
            for k in range(width - WINDOW):
                weights[r, k] = 100 / weights[r, k] if weights[r, k] > 0 else 0.0
        lay_map(weights, strips, 0.0, line, out[i, 0])


@compiled
def fill_moments(
    planes: NDArray[np.uint8],
    side: int,
    trim: int,
    strips: int,
    sums_out: NDArray[np.float32],
    spread_out: NDArray[np.float32],
) -> None:
    """Fill in the sum and the spread of each window, for UQI (side 8) or SSIM (side 11).

    The spread is sewar's: for UQI the sum of squares less sum^2 / 4096, for SSIM 121 times the sum
    of squares less sum^2.

    Args:
        planes: (N, C, H, W) uint8.
        side: Side of a window, pixels.
        trim: Rows and columns of windows to leave out at the end: 1 for UQI, 0 for SSIM.
        strips: Number of strips, K.
        sums_out: Sums, (N, C, map size) float32; overwritten.
        spread_out: Spreads, (N, C, map size) float32; overwritten.
    """
    channels, height, width = planes.shape[1:]
    values, squares = np.empty((height, width), I32), np.empty((height, width), I32)
    across = np.empty((height, width), I32)
    sums, totals = np.empty((height, width), I32), np.empty((height, width), I32)
    places = (height - side + 1 - trim, width - side + 1 - trim)
    light, spread, line = np.empty(places), np.empty(places), np.empty(LANES * strips)
    area, share = (1.0, 1 / 4096) if trim else (121.0, 1.0)
    for i in range(len(planes)):
        for c in range(channels):
            _widen(planes[i, c], 0, values)
            _squares(values, squares)
            _window_sums(values, side, across, sums)
            _window_sums(squares, side, across, totals)
            for r in range(places[0]):
                for k in range(places[1]):
                    total = float(sums[r, k])
                    light[r, k] = total
                    spread[r, k] = area * totals[r, k] - share * total * total
            # A place that a map lacks: sum 1 (UQI) or 0 (SSIM) over an endless spread gives 0.
            lay_map(light, strips, float(trim), line, sums_out[i, c])
            lay_map(spread, strips, NOWHERE, line, spread_out[i, c])


@compiled
def fill_laplacians(
    planes: NDArray[np.uint8],
    strips: int,
    out: NDArray[np.int16],
    inverse_out: NDArray[np.float32],
    drift_out: NDArray[np.float32],
) -> None:
    """Fill in SCC's Laplacian, and the normalisation of each of its windows.

    Args:
        planes: (N, C, H, W) uint8.
        strips: Number of strips, K.
        out: Laplacians, four rows down, (N, C, image size) int16, zero; filled in.
        inverse_out: 8 / root of a window's spread, (N, C, map size) float32; overwritten.
        drift_out: Sum / root of a window's spread, (N, C, map size) float32; overwritten.
    """
    channels, height, width = planes.shape[1:]
    edged = np.empty((height + 2, width + 2), I32)
    high = np.zeros((height + 7, width + 7), I32)  # a window reaches 4 before and 3 beyond
    across, squares = np.zeros(high.shape, I32), np.zeros(high.shape, I32)
    sums, totals = np.empty(high.shape, I32), np.empty(high.shape, I32)
    inside, row = np.empty((height, width), I32), np.empty(LANES * strips, I32)
    inverse, drift = np.empty((height, width)), np.empty((height, width))
    line = np.empty(LANES * strips)
    for i in range(len(planes)):
        for c in range(channels):
            _widen(planes[i, c], 1, edged)
            for r in range(height):
                edged[r + 1, 0], edged[r + 1, width + 1] = edged[r + 1, 1], edged[r + 1, width]
            for k in range(width + 2):
                edged[0, k], edged[height + 1, k] = edged[1, k], edged[height, k]
            _window_sums(edged, 3, across, sums)
            for r in range(height):
                for k in range(width):
                    inside[r, k] = I32(9 * edged[r + 1, k + 1] - sums[r, k])
                    high[r + 4, k + 4] = inside[r, k]
            _squares(high, squares)
            _window_sums(high, WINDOW, across, sums)
            _window_sums(squares, WINDOW, across, totals)
            for r in range(height):
                for k in range(width):
                    total = float(sums[r, k])
                    spread = 64.0 * totals[r, k] - total * total
                    root = 1 / math.sqrt(spread) if spread > 0 else 0.0
                    inverse[r, k], drift[r, k] = 8 * root, total * root
            lay_image(inside, 4, strips, row, out[i, c])
            lay_map(inverse, strips, 0.0, line, inverse_out[i, c])
            lay_map(drift, strips, 0.0, line, drift_out[i, c])
