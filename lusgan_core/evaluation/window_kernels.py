"""RASE, SCC, UQI and SSIM of all pairs, compiled: sums over square windows, in exact integers.

All four need, for each window, the sum of a product (or of a squared difference) of two frames;
the rest is in maps of one frame. Down the rows a sum slides over a band: 23 products give the 16
sums of 8 rows; across, 15 of those give 8 windows (`strips` tells the layout). Integers neither
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
TILE, GROUP = 1, 2
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
    """Sums of 8 products down the columns, for the 16 rows of a band."""
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
            p8 = product(X[m + 128], Y[m + 128])
            s = _add(s, _less(p8, p0))
            B[m + 16] = s
            p9 = product(X[m + 144], Y[m + 144])
            s = _add(s, _less(p9, p1))
            B[m + 32] = s
            p10 = product(X[m + 160], Y[m + 160])
            s = _add(s, _less(p10, p2))
            B[m + 48] = s
            p11 = product(X[m + 176], Y[m + 176])
            s = _add(s, _less(p11, p3))
            B[m + 64] = s
            p12 = product(X[m + 192], Y[m + 192])
            s = _add(s, _less(p12, p4))
            B[m + 80] = s
            p13 = product(X[m + 208], Y[m + 208])
            s = _add(s, _less(p13, p5))
            B[m + 96] = s
            p14 = product(X[m + 224], Y[m + 224])
            s = _add(s, _less(p14, p6))
            B[m + 112] = s
            p15 = product(X[m + 240], Y[m + 240])
            s = _add(s, _less(p15, p7))
            B[m + 128] = s
            p16 = product(X[m + 256], Y[m + 256])
            s = _add(s, _less(p16, p8))
            B[m + 144] = s
            p17 = product(X[m + 272], Y[m + 272])
            s = _add(s, _less(p17, p9))
            B[m + 160] = s
            p18 = product(X[m + 288], Y[m + 288])
            s = _add(s, _less(p18, p10))
            B[m + 176] = s
            p19 = product(X[m + 304], Y[m + 304])
            s = _add(s, _less(p19, p11))
            B[m + 192] = s
            p20 = product(X[m + 320], Y[m + 320])
            s = _add(s, _less(p20, p12))
            B[m + 208] = s
            p21 = product(X[m + 336], Y[m + 336])
            s = _add(s, _less(p21, p13))
            B[m + 224] = s
            p22 = product(X[m + 352], Y[m + 352])
            s = _add(s, _less(p22, p14))
            B[m + 240] = s


@inlined
def _errors_down(x: NDArray[Any], y: NDArray[Any], strips: int, buffer: NDArray[Any]) -> None:
    """Sums of 8 squared differences down the columns, for the 16 rows of a band."""
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
            p8 = _error(X[m + 128], Y[m + 128])
            s = _add(s, _less(p8, p0))
            B[m + 16] = s
            p9 = _error(X[m + 144], Y[m + 144])
            s = _add(s, _less(p9, p1))
            B[m + 32] = s
            p10 = _error(X[m + 160], Y[m + 160])
            s = _add(s, _less(p10, p2))
            B[m + 48] = s
            p11 = _error(X[m + 176], Y[m + 176])
            s = _add(s, _less(p11, p3))
            B[m + 64] = s
            p12 = _error(X[m + 192], Y[m + 192])
            s = _add(s, _less(p12, p4))
            B[m + 80] = s
            p13 = _error(X[m + 208], Y[m + 208])
            s = _add(s, _less(p13, p5))
            B[m + 96] = s
            p14 = _error(X[m + 224], Y[m + 224])
            s = _add(s, _less(p14, p6))
            B[m + 112] = s
            p15 = _error(X[m + 240], Y[m + 240])
            s = _add(s, _less(p15, p7))
            B[m + 128] = s
            p16 = _error(X[m + 256], Y[m + 256])
            s = _add(s, _less(p16, p8))
            B[m + 144] = s
            p17 = _error(X[m + 272], Y[m + 272])
            s = _add(s, _less(p17, p9))
            B[m + 160] = s
            p18 = _error(X[m + 288], Y[m + 288])
            s = _add(s, _less(p18, p10))
            B[m + 176] = s
            p19 = _error(X[m + 304], Y[m + 304])
            s = _add(s, _less(p19, p11))
            B[m + 192] = s
            p20 = _error(X[m + 320], Y[m + 320])
            s = _add(s, _less(p20, p12))
            B[m + 208] = s
            p21 = _error(X[m + 336], Y[m + 336])
            s = _add(s, _less(p21, p13))
            B[m + 224] = s
            p22 = _error(X[m + 352], Y[m + 352])
            s = _add(s, _less(p22, p14))
            B[m + 240] = s


@inlined
def _wide_down(x: NDArray[Any], y: NDArray[Any], strips: int, buffer: NDArray[Any]) -> None:
    """Sums of 11 products down the columns, for the 16 rows of a band."""
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
            p10 = product(X[m + 160], Y[m + 160])
            s = _add(_add(_add(p0, p1), _add(p2, p3)), _add(_add(p4, p5), _add(p6, p7)))
            s = _add(s, _add(_add(p8, p9), p10))
            B[m] = s
            p11 = product(X[m + 176], Y[m + 176])
            s = _add(s, _less(p11, p0))
            B[m + 16] = s
            p12 = product(X[m + 192], Y[m + 192])
            s = _add(s, _less(p12, p1))
            B[m + 32] = s
            p13 = product(X[m + 208], Y[m + 208])
            s = _add(s, _less(p13, p2))
            B[m + 48] = s
            p14 = product(X[m + 224], Y[m + 224])
            s = _add(s, _less(p14, p3))
            B[m + 64] = s
            p15 = product(X[m + 240], Y[m + 240])
            s = _add(s, _less(p15, p4))
            B[m + 80] = s
            p16 = product(X[m + 256], Y[m + 256])
            s = _add(s, _less(p16, p5))
            B[m + 96] = s
            p17 = product(X[m + 272], Y[m + 272])
            s = _add(s, _less(p17, p6))
            B[m + 112] = s
            p18 = product(X[m + 288], Y[m + 288])
            s = _add(s, _less(p18, p7))
            B[m + 128] = s
            p19 = product(X[m + 304], Y[m + 304])
            s = _add(s, _less(p19, p8))
            B[m + 144] = s
            p20 = product(X[m + 320], Y[m + 320])
            s = _add(s, _less(p20, p9))
            B[m + 160] = s
            p21 = product(X[m + 336], Y[m + 336])
            s = _add(s, _less(p21, p10))
            B[m + 176] = s
            p22 = product(X[m + 352], Y[m + 352])
            s = _add(s, _less(p22, p11))
            B[m + 192] = s
            p23 = product(X[m + 368], Y[m + 368])
            s = _add(s, _less(p23, p12))
            B[m + 208] = s
            p24 = product(X[m + 384], Y[m + 384])
            s = _add(s, _less(p24, p13))
            B[m + 224] = s
            p25 = product(X[m + 400], Y[m + 400])
            s = _add(s, _less(p25, p14))
            B[m + 240] = s


@inlined
def _across(b: NDArray[Any], m: int) -> Any:
    """Sums of 8 strips, for eight strips one after another."""
    p0 = b[m]
    p1 = b[m + 256]
    p2 = b[m + 512]
    p3 = b[m + 768]
    p4 = b[m + 1024]
    p5 = b[m + 1280]
    p6 = b[m + 1536]
    p7 = b[m + 1792]
    s0 = _add(_add(_add(p0, p1), _add(p2, p3)), _add(_add(p4, p5), _add(p6, p7)))
    p8 = b[m + 2048]
    s1 = _add(s0, _less(p8, p0))
    p9 = b[m + 2304]
    s2 = _add(s1, _less(p9, p1))
    p10 = b[m + 2560]
    s3 = _add(s2, _less(p10, p2))
    p11 = b[m + 2816]
    s4 = _add(s3, _less(p11, p3))
    p12 = b[m + 3072]
    s5 = _add(s4, _less(p12, p4))
    p13 = b[m + 3328]
    s6 = _add(s5, _less(p13, p5))
    p14 = b[m + 3584]
    s7 = _add(s6, _less(p14, p6))
    return s0, s1, s2, s3, s4, s5, s6, s7


@inlined
def _wide_across(b: NDArray[Any], m: int) -> Any:
    """Sums of 11 strips, for eight strips one after another."""
    p0 = b[m]
    p1 = b[m + 256]
    p2 = b[m + 512]
    p3 = b[m + 768]
    p4 = b[m + 1024]
    p5 = b[m + 1280]
    p6 = b[m + 1536]
    p7 = b[m + 1792]
    p8 = b[m + 2048]
    p9 = b[m + 2304]
    p10 = b[m + 2560]
    s0 = _add(_add(_add(p0, p1), _add(p2, p3)), _add(_add(p4, p5), _add(p6, p7)))
    s0 = _add(s0, _add(_add(p8, p9), p10))
    p11 = b[m + 2816]
    s1 = _add(s0, _less(p11, p0))
    p12 = b[m + 3072]
    s2 = _add(s1, _less(p12, p1))
    p13 = b[m + 3328]
    s3 = _add(s2, _less(p13, p2))
    p14 = b[m + 3584]
    s4 = _add(s3, _less(p14, p3))
    p15 = b[m + 3840]
    s5 = _add(s4, _less(p15, p4))
    p16 = b[m + 4096]
    s6 = _add(s5, _less(p16, p5))
    p17 = b[m + 4352]
    s7 = _add(s6, _less(p17, p6))
    return s0, s1, s2, s3, s4, s5, s6, s7


@inlined
def _rase(b: NDArray[Any], w: NDArray[Any], total: NDArray[Any]) -> None:
    for m in range(CELL):
        s0, s1, s2, s3, s4, s5, s6, s7 = _across(b, m)
        t0 = (
            math.sqrt(F32(s0)) * w[m]
            + math.sqrt(F32(s1)) * w[m + 256]
            + math.sqrt(F32(s2)) * w[m + 512]
            + math.sqrt(F32(s3)) * w[m + 768]
        )
        t4 = (
            math.sqrt(F32(s4)) * w[m + 1024]
            + math.sqrt(F32(s5)) * w[m + 1280]
            + math.sqrt(F32(s6)) * w[m + 1536]
            + math.sqrt(F32(s7)) * w[m + 1792]
        )
        total[m] += t0 + t4


@inlined
def _scc(
    b: NDArray[Any], inverse_a: NDArray[Any], inverse_b: NDArray[Any], total: NDArray[Any]
) -> None:
    for m in range(CELL):
        s0, s1, s2, s3, s4, s5, s6, s7 = _across(b, m)
        t0 = (
            F32(s0) * (inverse_a[m] * inverse_b[m])
            + F32(s1) * (inverse_a[m + 256] * inverse_b[m + 256])
            + F32(s2) * (inverse_a[m + 512] * inverse_b[m + 512])
            + F32(s3) * (inverse_a[m + 768] * inverse_b[m + 768])
        )
        t4 = (
            F32(s4) * (inverse_a[m + 1024] * inverse_b[m + 1024])
            + F32(s5) * (inverse_a[m + 1280] * inverse_b[m + 1280])
            + F32(s6) * (inverse_a[m + 1536] * inverse_b[m + 1536])
            + F32(s7) * (inverse_a[m + 1792] * inverse_b[m + 1792])
        )
        total[m] += t0 + t4


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
        s0, s1, s2, s3, s4, s5, s6, s7 = _across(b, m)
        q0 = _quality(s0, sum_a[m], sum_b[m], spread_a[m], spread_b[m])
        q1 = _quality(s1, sum_a[m + 256], sum_b[m + 256], spread_a[m + 256], spread_b[m + 256])
        q2 = _quality(s2, sum_a[m + 512], sum_b[m + 512], spread_a[m + 512], spread_b[m + 512])
        q3 = _quality(s3, sum_a[m + 768], sum_b[m + 768], spread_a[m + 768], spread_b[m + 768])
        q4 = _quality(s4, sum_a[m + 1024], sum_b[m + 1024], spread_a[m + 1024], spread_b[m + 1024])
        q5 = _quality(s5, sum_a[m + 1280], sum_b[m + 1280], spread_a[m + 1280], spread_b[m + 1280])
        q6 = _quality(s6, sum_a[m + 1536], sum_b[m + 1536], spread_a[m + 1536], spread_b[m + 1536])
        q7 = _quality(s7, sum_a[m + 1792], sum_b[m + 1792], spread_a[m + 1792], spread_b[m + 1792])
        total[m] += ((q0 + q1) + (q2 + q3)) + ((q4 + q5) + (q6 + q7))


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
        s0, s1, s2, s3, s4, s5, s6, s7 = _wide_across(b, m)
        q0 = _similarity(s0, sum_a[m], sum_b[m], spread_a[m], spread_b[m])
        q1 = _similarity(s1, sum_a[m + 256], sum_b[m + 256], spread_a[m + 256], spread_b[m + 256])
        q2 = _similarity(s2, sum_a[m + 512], sum_b[m + 512], spread_a[m + 512], spread_b[m + 512])
        q3 = _similarity(s3, sum_a[m + 768], sum_b[m + 768], spread_a[m + 768], spread_b[m + 768])
        q4 = _similarity(
            s4, sum_a[m + 1024], sum_b[m + 1024], spread_a[m + 1024], spread_b[m + 1024]
        )
        q5 = _similarity(
            s5, sum_a[m + 1280], sum_b[m + 1280], spread_a[m + 1280], spread_b[m + 1280]
        )
        q6 = _similarity(
            s6, sum_a[m + 1536], sum_b[m + 1536], spread_a[m + 1536], spread_b[m + 1536]
        )
        q7 = _similarity(
            s7, sum_a[m + 1792], sum_b[m + 1792], spread_a[m + 1792], spread_b[m + 1792]
        )
        total[m] += ((q0 + q1) + (q2 + q3)) + ((q4 + q5) + (q6 + q7))


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
    ``buffer`` and ``spare`` are room for a band, (K + 14) x 256, ``total`` for 256 numbers.
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
