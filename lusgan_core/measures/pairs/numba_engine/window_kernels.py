"""RASE, SCC, UQI and SSIM of all pairs, compiled: sums over square windows, in exact integers.

All four need, for each window, the sum of a product (or of a squared difference) of two frames;
`sliding` makes it, the rest is in two maps of each frame:

    RASE   100 / mean (first frame), nothing
    SCC    8 / sqrt(64 sum(h^2) - sum(h)^2), sum(h) / that root, of the Laplacian h; the
           product of the second maps is subtracted separately (`subtract_products`)
    UQI    sum, sum of squares - sum^2 / 4096
    SSIM   sum, 121 sum of squares - sum^2, windows of 11

Sources: see `formulas`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.measures.pairs.numba_engine.compiled import compiled, inlined, summing
from lusgan_core.measures.pairs.numba_engine.simd_layout import CELL, SOURCE, STEP, product, wrap
from lusgan_core.measures.pairs.numba_engine.sliding import (
    across,
    add,
    errors_down,
    less,
    products_down,
    wide_across,
    wide_products_down,
)

RASE, SCC, UQI, SSIM = range(4)
SIDES = {RASE: 8, SCC: 8, UQI: 8, SSIM: 11}
"""Side of each kind's windows, pixels."""
LEADS = {RASE: 0, SCC: 4, UQI: 0, SSIM: 0}
"""Columns left of the frame at which windows start: SCC's start four before their pixel."""
TILE, GROUP = 2, 4
"""Bands for which first frames stay in the cache, and frames of a group: see `structure_kernel`."""

I32, F32 = np.int32, np.float32
FOUR, ONE, AREA2 = F32(4), F32(1), F32(4096)
AREA11 = I32(121)
C1, C2 = F32(6.5025 * 14641), F32(58.5225 * 14641)
"""SSIM's constants, in sums over 121 pixels instead of means."""


@inlined
def _rase(b: NDArray[Any], w: NDArray[Any], total: NDArray[Any]) -> None:
    for m in range(CELL):
        s0, s1, s2, s3 = across(b, m)
        total[m] += (math.sqrt(F32(s0)) * w[m] + math.sqrt(F32(s1)) * w[m + 128]) + (
            math.sqrt(F32(s2)) * w[m + 256] + math.sqrt(F32(s3)) * w[m + 384]
        )


@inlined
def _scc(
    b: NDArray[Any], inverse_a: NDArray[Any], inverse_b: NDArray[Any], total: NDArray[Any]
) -> None:
    for m in range(CELL):
        s0, s1, s2, s3 = across(b, m)
        total[m] += (
            F32(s0) * (inverse_a[m] * inverse_b[m])
            + F32(s1) * (inverse_a[m + 128] * inverse_b[m + 128])
        ) + (
            F32(s2) * (inverse_a[m + 256] * inverse_b[m + 256])
            + F32(s3) * (inverse_a[m + 384] * inverse_b[m + 384])
        )


@inlined
def _quality(s: Any, sum_a: Any, sum_b: Any, spread_a: Any, spread_b: Any) -> Any:
    """UQI of one window; 1 where both frames are black, 0 where a map has nothing."""
    both = sum_a * sum_b
    squares = sum_a * sum_a + sum_b * sum_b
    top = FOUR * (F32(s) - both / AREA2) * both
    bottom = (spread_a + spread_b) * squares
    return top / bottom if bottom != 0 else ONE


@inlined
def _uqi(
    b: NDArray[Any],
    sum_a: NDArray[Any],
    sum_b: NDArray[Any],
    spread_a: NDArray[Any],
    spread_b: NDArray[Any],
    total: NDArray[Any],
) -> None:
    for m in range(CELL):
        s0, s1, s2, s3 = across(b, m)
        n1, n2, n3 = m + 128, m + 256, m + 384
        total[m] += (
            _quality(s0, sum_a[m], sum_b[m], spread_a[m], spread_b[m])
            + _quality(s1, sum_a[n1], sum_b[n1], spread_a[n1], spread_b[n1])
        ) + (
            _quality(s2, sum_a[n2], sum_b[n2], spread_a[n2], spread_b[n2])
            + _quality(s3, sum_a[n3], sum_b[n3], spread_a[n3], spread_b[n3])
        )


@inlined
def _similarity(s: Any, sum_a: Any, sum_b: Any, spread_a: Any, spread_b: Any) -> Any:
    """SSIM of one window of 11; 0 where a map has nothing (an infinite spread)."""
    whole_a, whole_b = I32(sum_a), I32(sum_b)
    covariance = F32(less(I32(s * AREA11), I32(whole_a * whole_b)))
    light = F32(2) * sum_a * sum_b + C1
    lights = sum_a * sum_a + sum_b * sum_b + C1
    return (light / lights) * ((F32(2) * covariance + C2) / (spread_a + spread_b + C2))


@inlined
def _ssim(
    b: NDArray[Any],
    sum_a: NDArray[Any],
    sum_b: NDArray[Any],
    spread_a: NDArray[Any],
    spread_b: NDArray[Any],
    total: NDArray[Any],
) -> None:
    for m in range(CELL):
        s0, s1, s2, s3 = wide_across(b, m)
        n1, n2, n3 = m + 128, m + 256, m + 384
        total[m] += (
            _similarity(s0, sum_a[m], sum_b[m], spread_a[m], spread_b[m])
            + _similarity(s1, sum_a[n1], sum_b[n1], spread_a[n1], spread_b[n1])
        ) + (
            _similarity(s2, sum_a[n2], sum_b[n2], spread_a[n2], spread_b[n2])
            + _similarity(s3, sum_a[n3], sum_b[n3], spread_a[n3], spread_b[n3])
        )


@inlined
def _sums_down(
    kind: int, x: NDArray[Any], y: NDArray[Any], strips: int, buffer: NDArray[Any]
) -> None:
    """Window sums of one channel's band down the columns."""
    if kind == RASE:
        errors_down(x, y, strips, buffer)
    elif kind == SSIM:
        wide_products_down(x, y, strips, buffer)
    else:
        products_down(x, y, strips, buffer)


@compiled
def window_sums(
    kind: int,
    channel: int,
    strips: int,
    bands: int,
    lead: int,
    side: int,
    x: NDArray[np.int16],
    one_x: NDArray[np.float32],
    two_x: NDArray[np.float32],
    y: NDArray[np.int16],
    one_y: NDArray[np.float32],
    two_y: NDArray[np.float32],
    buffer: NDArray[np.int32],
    spare: NDArray[np.int32],
    total: NDArray[np.float32],
    out: NDArray[np.float64],
) -> None:
    """Add the sums of a metric's windows over one channel, for all pairs.

    Args:
        kind: ``RASE``, ``SCC``, ``UQI`` or ``SSIM``.
        channel: Channel to compute; 0 for RASE, which takes all channels together.
        strips: Number of strips, K.
        bands: Number of bands of a map.
        lead: Columns left of the frame at which windows start, see `LEADS`.
        side: Side of a window, see `SIDES`.
        x: Images of the n first frames, (n, C, image size).
        one_x: Their first maps, (n, C, map size).
        two_x: Their second maps, (n, C, map size).
        y: Images of the m second frames, (m, C, image size).
        one_y: Their first maps, (m, C, map size).
        two_y: Their second maps, (m, C, map size).
        buffer: Scratch memory for a band, (K + 14) x 128 numbers or more.
        spare: Scratch memory of the same size.
        total: Scratch memory, 128 numbers.
        out: Sums, (n, m); added to.
    """
    inner = buffer[lead * CELL :]
    last = x.shape[1] if kind == RASE else channel + 1
    for tile in range(0, bands, TILE):
        for group in range(0, len(x), GROUP):
            for j in range(len(y)):
                for i in range(group, min(group + GROUP, len(x))):
                    for m in range(CELL):
                        total[m] = 0
                    for band in range(tile, min(tile + TILE, bands)):
                        start, stop = band * strips * SOURCE, (band + 1) * strips * SOURCE
                        for c in range(channel, last):  # all channels together in RASE
                            target = inner if c == channel else spare
                            xs, ys = x[i, c, start:stop], y[j, c, start:stop]
                            _sums_down(kind, xs, ys, strips, target)
                            if c > channel:
                                for m in range(strips * CELL):
                                    inner[m] += spare[m]
                        wrap(buffer, strips, lead, side - 1 - lead)
                        for k in range(0, strips, STEP):
                            start = (band * strips + k) * CELL
                            stop = start + STEP * CELL
                            sums = buffer[k * CELL : (k + STEP + side - 1) * CELL]
                            one_a = one_x[i, channel, start:stop]
                            two_a = two_x[i, channel, start:stop]
                            one_b = one_y[j, channel, start:stop]
                            two_b = two_y[j, channel, start:stop]
                            if kind == RASE:
                                _rase(sums, one_a, total)
                            elif kind == SCC:
                                _scc(sums, one_a, one_b, total)
                            elif kind == UQI:
                                _uqi(sums, one_a, one_b, two_a, two_b, total)
                            else:
                                _ssim(sums, one_a, one_b, two_a, two_b, total)
                    found = 0.0
                    for m in range(CELL):
                        found += total[m]
                    out[i, j] += found


@compiled
def dot_sums(x: NDArray[np.uint8], y: NDArray[np.uint8], out: NDArray[np.int64]) -> None:
    """Add the exact sums of products of pixels, for all pairs.

    Args:
        x: The n first frames, (n, C, pixels).
        y: The m second frames, (m, C, pixels).
        out: Sums, (n, m, C); added to.
    """
    pixels = x.shape[2]
    for start in range(0, pixels, 8192):
        stop = min(start + 8192, pixels)
        for group in range(0, len(x), 8):
            for j in range(len(y)):
                for i in range(group, min(group + 8, len(x))):
                    for c in range(x.shape[1]):
                        X, Y = x[i, c, start:stop], y[j, c, start:stop]
                        found = I32(0)
                        for m in range(len(X)):
                            found = add(found, product(X[m], Y[m]))
                        out[i, j, c] += found


@summing
def subtract_products(
    x: NDArray[np.float32], y: NDArray[np.float32], channel: int, out: NDArray[np.float64]
) -> None:
    """Subtract the sums of products of maps, for all pairs, four first frames at once.

    A short group is filled up with its last frame, so that each sum is always made in the same way.

    Args:
        x: Maps of the n first frames, (n, C, map size).
        y: Maps of the m second frames, (m, C, map size).
        channel: Channel to compute.
        out: Numbers, (n, m), from which the sums are subtracted.
    """
    size = x.shape[2]
    for start in range(0, size, 2048):
        stop = min(start + 2048, size)
        for i in range(0, len(x), 4):
            i1, i2, i3 = (min(i + 1, len(x) - 1), min(i + 2, len(x) - 1), min(i + 3, len(x) - 1))
            x0, x1 = x[i, channel, start:stop], x[i1, channel, start:stop]
            x2, x3 = x[i2, channel, start:stop], x[i3, channel, start:stop]
            for j in range(len(y)):
                other = y[j, channel, start:stop]
                s0, s1, s2, s3 = F32(0), F32(0), F32(0), F32(0)
                for m in range(len(other)):
                    s0 += x0[m] * other[m]
                    s1 += x1[m] * other[m]
                    s2 += x2[m] * other[m]
                    s3 += x3[m] * other[m]
                out[i, j] -= s0
                if i + 1 < len(x):
                    out[i1, j] -= s1
                if i + 2 < len(x):
                    out[i2, j] -= s2
                if i + 3 < len(x):
                    out[i3, j] -= s3
