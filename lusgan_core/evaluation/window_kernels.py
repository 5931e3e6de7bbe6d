"""RASE, SCC, UQI and SSIM of all pairs, compiled: sums over square windows, in exact integers.

All four need, for each window, the sum of a product (or of a squared difference) of two frames;
the rest is in maps of one frame. Down the rows a sum slides over a band: 15 products give the 8
sums of 8 rows; across, 11 of those give 4 windows (`strips` tells the layout). Integers neither
round nor drift. The maps of a frame:

    RASE   100 / mean (first frame), nothing
    SCC    8 / sqrt(64 sum(h^2) - sum(h)^2), sum(h) / that root, of the Laplacian h; the
           product of the second ones is subtracted by itself (`subtract_products`)
    UQI    sum, sum of squares - sum^2 / 4096
    SSIM   sum, 121 sum of squares - sum^2, windows of 11
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.evaluation.compiled import compiled, inlined, summing
from lusgan_core.evaluation.strips import CELL, LANES, SOURCE, STEP, product, wrap

RASE, SCC, UQI, SSIM = range(4)
SIDES = {RASE: 8, SCC: 8, UQI: 8, SSIM: 11}
"""Side of each kind's windows, pixels."""
LEADS = {RASE: 0, SCC: 4, UQI: 0, SSIM: 0}
"""Columns left of the frame at which windows start: SCC's begin four before their pixel."""
TILE, GROUP = 2, 8
"""As in `structure_kernel`."""

I32, F32 = np.int32, np.float32
FOUR, ONE, AREA2 = F32(4), F32(1), F32(4096)
AREA11 = I32(121)
C1, C2 = F32(6.5025 * 14641), F32(58.5225 * 14641)
"""SSIM's constants, in sums over 121 pixels instead of means."""


@inlined
def _add(a: Any, b: Any) -> Any:
    return I32(a + b)


@inlined
def _less(a: Any, b: Any) -> Any:
    return I32(a - b)


@inlined
def _error(a: Any, b: Any) -> Any:
    difference = I32(I32(a) - I32(b))
    return I32(difference * difference)


@inlined
def _products_down(x: NDArray[Any], y: NDArray[Any], strips: int, buffer: NDArray[Any]) -> None:
    """Sums of 8 products down the columns, for the 8 rows of a band."""
    for k in range(strips):
        X, Y = x[k * SOURCE : (k + 1) * SOURCE], y[k * SOURCE : (k + 1) * SOURCE]
        B = buffer[k * CELL : (k + 1) * CELL]
        for m in range(LANES):
            p0 = product(X[m], Y[m])
            p1 = product(X[m + 16], Y[m + 16])
            p2 = product(X[m + 32], Y[m + 32])
            p3 = product(X[m + 48], Y[m + 48])
            p4 = product(X[m + 64], Y[m + 64])
            p5 = product(X[m + 80], Y[m + 80])
            p6 = product(X[m + 96], Y[m + 96])
            p7 = product(X[m + 112], Y[m + 112])
            s = _add(_add(_add(p0, p1), _add(p2, p3)), _add(_add(p4, p5), _add(p6, p7)))
            B[m] = s
            s = _add(s, _less(product(X[m + 128], Y[m + 128]), p0))
            B[m + 16] = s
            s = _add(s, _less(product(X[m + 144], Y[m + 144]), p1))
            B[m + 32] = s
            s = _add(s, _less(product(X[m + 160], Y[m + 160]), p2))
            B[m + 48] = s
            s = _add(s, _less(product(X[m + 176], Y[m + 176]), p3))
            B[m + 64] = s
            s = _add(s, _less(product(X[m + 192], Y[m + 192]), p4))
            B[m + 80] = s
            s = _add(s, _less(product(X[m + 208], Y[m + 208]), p5))
            B[m + 96] = s
            s = _add(s, _less(product(X[m + 224], Y[m + 224]), p6))
            B[m + 112] = s


@inlined
def _errors_down(x: NDArray[Any], y: NDArray[Any], strips: int, buffer: NDArray[Any]) -> None:
    """Sums of 8 squared differences down the columns, for the 8 rows of a band."""
    for k in range(strips):
        X, Y = x[k * SOURCE : (k + 1) * SOURCE], y[k * SOURCE : (k + 1) * SOURCE]
        B = buffer[k * CELL : (k + 1) * CELL]
        for m in range(LANES):
            p0 = _error(X[m], Y[m])
            p1 = _error(X[m + 16], Y[m + 16])
            p2 = _error(X[m + 32], Y[m + 32])
            p3 = _error(X[m + 48], Y[m + 48])
            p4 = _error(X[m + 64], Y[m + 64])
            p5 = _error(X[m + 80], Y[m + 80])
            p6 = _error(X[m + 96], Y[m + 96])
            p7 = _error(X[m + 112], Y[m + 112])
            s = _add(_add(_add(p0, p1), _add(p2, p3)), _add(_add(p4, p5), _add(p6, p7)))
            B[m] = s
            s = _add(s, _less(_error(X[m + 128], Y[m + 128]), p0))
            B[m + 16] = s
            s = _add(s, _less(_error(X[m + 144], Y[m + 144]), p1))
            B[m + 32] = s
            s = _add(s, _less(_error(X[m + 160], Y[m + 160]), p2))
            B[m + 48] = s
            s = _add(s, _less(_error(X[m + 176], Y[m + 176]), p3))
            B[m + 64] = s
            s = _add(s, _less(_error(X[m + 192], Y[m + 192]), p4))
            B[m + 80] = s
            s = _add(s, _less(_error(X[m + 208], Y[m + 208]), p5))
            B[m + 96] = s
            s = _add(s, _less(_error(X[m + 224], Y[m + 224]), p6))
            B[m + 112] = s


@inlined
def _wide_down(x: NDArray[Any], y: NDArray[Any], strips: int, buffer: NDArray[Any]) -> None:
    """Sums of 11 products down the columns, for the 8 rows of a band."""
    for k in range(strips):
        X, Y = x[k * SOURCE : (k + 1) * SOURCE], y[k * SOURCE : (k + 1) * SOURCE]
        B = buffer[k * CELL : (k + 1) * CELL]
        for m in range(LANES):
            p0 = product(X[m], Y[m])
            p1 = product(X[m + 16], Y[m + 16])
            p2 = product(X[m + 32], Y[m + 32])
            p3 = product(X[m + 48], Y[m + 48])
            p4 = product(X[m + 64], Y[m + 64])
            p5 = product(X[m + 80], Y[m + 80])
            p6 = product(X[m + 96], Y[m + 96])
            p7 = product(X[m + 112], Y[m + 112])
            p8 = product(X[m + 128], Y[m + 128])
            p9 = product(X[m + 144], Y[m + 144])
            s = _add(_add(_add(p0, p1), _add(p2, p3)), _add(_add(p4, p5), _add(p6, p7)))
            s = _add(_add(s, _add(p8, p9)), product(X[m + 160], Y[m + 160]))
            B[m] = s
            s = _add(s, _less(product(X[m + 176], Y[m + 176]), p0))
            B[m + 16] = s
            s = _add(s, _less(product(X[m + 192], Y[m + 192]), p1))
            B[m + 32] = s
            s = _add(s, _less(product(X[m + 208], Y[m + 208]), p2))
            B[m + 48] = s
            s = _add(s, _less(product(X[m + 224], Y[m + 224]), p3))
            B[m + 64] = s
            s = _add(s, _less(product(X[m + 240], Y[m + 240]), p4))
            B[m + 80] = s
            s = _add(s, _less(product(X[m + 256], Y[m + 256]), p5))
            B[m + 96] = s
            s = _add(s, _less(product(X[m + 272], Y[m + 272]), p6))
            B[m + 112] = s


@inlined
def _across(b: NDArray[Any], m: int) -> Any:
    """Sums of 8 strips, for four strips one after another."""
    p0, p1, p2 = b[m], b[m + 128], b[m + 256]
    s0 = _add(_add(_add(p0, p1), _add(p2, b[m + 384])), _add(b[m + 512], b[m + 640]))
    s0 = _add(s0, _add(b[m + 768], b[m + 896]))
    s1 = _add(s0, _less(b[m + 1024], p0))
    s2 = _add(s1, _less(b[m + 1152], p1))
    return s0, s1, s2, _add(s2, _less(b[m + 1280], p2))


@inlined
def _wide_across(b: NDArray[Any], m: int) -> Any:
    """Sums of 11 strips, for four strips one after another."""
    p0, p1, p2 = b[m], b[m + 128], b[m + 256]
    s0 = _add(_add(_add(p0, p1), _add(p2, b[m + 384])), _add(b[m + 512], b[m + 640]))
    s0 = _add(_add(s0, _add(b[m + 768], b[m + 896])), _add(b[m + 1024], b[m + 1152]))
    s0 = _add(s0, b[m + 1280])
    s1 = _add(s0, _less(b[m + 1408], p0))
    s2 = _add(s1, _less(b[m + 1536], p1))
    return s0, s1, s2, _add(s2, _less(b[m + 1664], p2))


@inlined
def _rase(b: NDArray[Any], w: NDArray[Any], total: NDArray[Any]) -> None:
    for m in range(CELL):
        s0, s1, s2, s3 = _across(b, m)
        total[m] += (math.sqrt(F32(s0)) * w[m] + math.sqrt(F32(s1)) * w[m + 128]) + (
            math.sqrt(F32(s2)) * w[m + 256] + math.sqrt(F32(s3)) * w[m + 384]
        )


@inlined
def _scc(
    b: NDArray[Any], inverse_a: NDArray[Any], inverse_b: NDArray[Any], total: NDArray[Any]
) -> None:
    for m in range(CELL):
        s0, s1, s2, s3 = _across(b, m)
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
        s0, s1, s2, s3 = _across(b, m)
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
    covariance = F32(_less(I32(s * AREA11), I32(whole_a * whole_b)))
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
        s0, s1, s2, s3 = _wide_across(b, m)
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
        _errors_down(x, y, strips, buffer)
    elif kind == SSIM:
        _wide_down(x, y, strips, buffer)
    else:
        _products_down(x, y, strips, buffer)


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
    """Add to ``out`` (n, m) the sums of a kind's map over one channel, of all pairs.

    Images are (n, C, image size) int16, maps (n, C, map size); of RASE, channel 0 has it all.
    ``buffer`` and ``spare`` are room for a band, (K + 14) x 128, ``total`` for 128 numbers.
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
    """Add to ``out`` (n, m, C) the exact sums of products of (n, C, pixels) frames."""
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
                            found = _add(found, product(X[m], Y[m]))
                        out[i, j, c] += found


@summing
def subtract_products(
    x: NDArray[np.float32], y: NDArray[np.float32], channel: int, out: NDArray[np.float64]
) -> None:
    """Take from ``out`` (n, m) the sums of products of maps (n, C, map size), four rows at once.

    A short group is filled up with its last row, so that each sum is always made in the same way.
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
