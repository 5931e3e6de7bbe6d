"""MS-SSIM's contrast and structure of all pairs, compiled: a Gaussian of 11 x 11 on the product.

What depends on one frame (blurred mean, variance) is in its maps; a pair costs one multiplication
and one separable filter. Down the rows, 26 products give 16 filtered rows of a strip; across, 18
of those give 8 strips (`strips` tells the layout). Written out instead of in loops, so that
everything stays in vector registers. This is for the two fine scales, in single precision; the
others, a tenth of the work, are in `pyramid_kernels`, in double.

G taps 0..5 of the window, which is symmetric, then SSIM's constants C1 and C2; D the taps over
the square of the factor that makes an image's numbers integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.evaluation.compiled import compiled, inlined
from lusgan_core.evaluation.strips import CELL, LANES, SOURCE, STEP, product, wrap

SIDE = 11
TILE = 1
"""Bands that a group of first frames is kept in the cache for."""
F32 = np.float32
GROUP = 2
"""First frames in a group: they share what is read of each second frame."""
NOTHING = 5e17
"""Variance where a map has nothing: no contrast is left, and squares of it stay finite."""


@inlined
def _taps(
    G: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any, i: Any, j: Any, k: Any
) -> Any:
    """The filtered value of eleven neighbours: each step is one addition and one fused step."""
    s = G[5] * f + G[4] * (e + g)
    s = s + G[3] * (d + h)
    s = s + G[2] * (c + i)
    s = s + G[1] * (b + j)
    return s + G[0] * (a + k)


@inlined
def _down(x: NDArray[Any], y: NDArray[Any], strips: int, D: Any, buffer: NDArray[Any]) -> None:
    """Filter the products of a band (K, 26, 16) down the columns, into ``buffer`` (K, 16, 16)."""
    for k in range(strips):
        X, Y = x[k * SOURCE : (k + 1) * SOURCE], y[k * SOURCE : (k + 1) * SOURCE]
        B = buffer[k * CELL : (k + 1) * CELL]
        for m in range(LANES):
            p0 = F32(product(X[m], Y[m]))
            p1 = F32(product(X[m + 16], Y[m + 16]))
            p2 = F32(product(X[m + 32], Y[m + 32]))
            p3 = F32(product(X[m + 48], Y[m + 48]))
            p4 = F32(product(X[m + 64], Y[m + 64]))
            p5 = F32(product(X[m + 80], Y[m + 80]))
            p6 = F32(product(X[m + 96], Y[m + 96]))
            p7 = F32(product(X[m + 112], Y[m + 112]))
            p8 = F32(product(X[m + 128], Y[m + 128]))
            p9 = F32(product(X[m + 144], Y[m + 144]))
            p10 = F32(product(X[m + 160], Y[m + 160]))
            B[m] = _taps(D, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10)
            p11 = F32(product(X[m + 176], Y[m + 176]))
            B[m + 16] = _taps(D, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11)
            p12 = F32(product(X[m + 192], Y[m + 192]))
            B[m + 32] = _taps(D, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12)
            p13 = F32(product(X[m + 208], Y[m + 208]))
            B[m + 48] = _taps(D, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13)
            p14 = F32(product(X[m + 224], Y[m + 224]))
            B[m + 64] = _taps(D, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14)
            p15 = F32(product(X[m + 240], Y[m + 240]))
            B[m + 80] = _taps(D, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15)
            p16 = F32(product(X[m + 256], Y[m + 256]))
            B[m + 96] = _taps(D, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16)
            p17 = F32(product(X[m + 272], Y[m + 272]))
            B[m + 112] = _taps(D, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17)
            p18 = F32(product(X[m + 288], Y[m + 288]))
            B[m + 128] = _taps(D, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18)
            p19 = F32(product(X[m + 304], Y[m + 304]))
            B[m + 144] = _taps(D, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19)
            p20 = F32(product(X[m + 320], Y[m + 320]))
            B[m + 160] = _taps(D, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19, p20)
            p21 = F32(product(X[m + 336], Y[m + 336]))
            B[m + 176] = _taps(D, p11, p12, p13, p14, p15, p16, p17, p18, p19, p20, p21)
            p22 = F32(product(X[m + 352], Y[m + 352]))
            B[m + 192] = _taps(D, p12, p13, p14, p15, p16, p17, p18, p19, p20, p21, p22)
            p23 = F32(product(X[m + 368], Y[m + 368]))
            B[m + 208] = _taps(D, p13, p14, p15, p16, p17, p18, p19, p20, p21, p22, p23)
            p24 = F32(product(X[m + 384], Y[m + 384]))
            B[m + 224] = _taps(D, p14, p15, p16, p17, p18, p19, p20, p21, p22, p23, p24)
            p25 = F32(product(X[m + 400], Y[m + 400]))
            B[m + 240] = _taps(D, p15, p16, p17, p18, p19, p20, p21, p22, p23, p24, p25)


@inlined
def _across(
    buffer: NDArray[Any],
    mean_a: NDArray[Any],
    mean_b: NDArray[Any],
    var_a: NDArray[Any],
    var_b: NDArray[Any],
    G: Any,
    total: NDArray[Any],
) -> None:
    """Filter eight strips across and add up (cov + C2 / 2) / half the variances over them.

    The variances are halved and hold C2 / 4 each. Two quotients share a division.
    """
    half = G[7] / F32(2)
    for m in range(CELL):
        p0 = buffer[m]
        p1 = buffer[m + 256]
        p2 = buffer[m + 512]
        p3 = buffer[m + 768]
        p4 = buffer[m + 1024]
        p5 = buffer[m + 1280]
        p6 = buffer[m + 1536]
        p7 = buffer[m + 1792]
        p8 = buffer[m + 2048]
        p9 = buffer[m + 2304]
        p10 = buffer[m + 2560]
        n0 = _taps(G, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10) + (half - mean_a[m] * mean_b[m])
        v0 = var_a[m] + var_b[m]
        p11 = buffer[m + 2816]
        n1 = _taps(G, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11) + (
            half - mean_a[m + 256] * mean_b[m + 256]
        )
        v1 = var_a[m + 256] + var_b[m + 256]
        s1 = (n0 * v1 + n1 * v0) / (v0 * v1)
        p12 = buffer[m + 3072]
        n2 = _taps(G, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12) + (
            half - mean_a[m + 512] * mean_b[m + 512]
        )
        v2 = var_a[m + 512] + var_b[m + 512]
        p13 = buffer[m + 3328]
        n3 = _taps(G, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13) + (
            half - mean_a[m + 768] * mean_b[m + 768]
        )
        v3 = var_a[m + 768] + var_b[m + 768]
        s3 = (n2 * v3 + n3 * v2) / (v2 * v3)
        p14 = buffer[m + 3584]
        n4 = _taps(G, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14) + (
            half - mean_a[m + 1024] * mean_b[m + 1024]
        )
        v4 = var_a[m + 1024] + var_b[m + 1024]
        p15 = buffer[m + 3840]
        n5 = _taps(G, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15) + (
            half - mean_a[m + 1280] * mean_b[m + 1280]
        )
        v5 = var_a[m + 1280] + var_b[m + 1280]
        s5 = (n4 * v5 + n5 * v4) / (v4 * v5)
        p16 = buffer[m + 4096]
        n6 = _taps(G, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16) + (
            half - mean_a[m + 1536] * mean_b[m + 1536]
        )
        v6 = var_a[m + 1536] + var_b[m + 1536]
        p17 = buffer[m + 4352]
        n7 = _taps(G, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17) + (
            half - mean_a[m + 1792] * mean_b[m + 1792]
        )
        v7 = var_a[m + 1792] + var_b[m + 1792]
        s7 = (n6 * v7 + n7 * v6) / (v6 * v7)
        total[m] += (s1 + s3) + (s5 + s7)


@compiled
def structure_sums(
    channel: int,
    strips: int,
    bands: int,
    D: Any,
    G: Any,
    x: NDArray[np.int16],
    mean_x: NDArray[np.float32],
    var_x: NDArray[np.float32],
    y: NDArray[np.int16],
    mean_y: NDArray[np.float32],
    var_y: NDArray[np.float32],
    buffer: NDArray[np.float32],
    total: NDArray[np.float32],
    out: NDArray[np.float64],
) -> None:
    """Add to ``out`` (n, m) the sums over one channel of contrast-structure of all pairs.

    Images are (n, C, image size), maps (n, C, map size); the taps are float32. ``buffer`` is room
    for a band, (K + 10) x 256, ``total`` for 256 numbers.
    """
    for tile in range(0, bands, TILE):
        for group in range(0, len(x), GROUP):
            for j in range(len(y)):
                for i in range(group, min(group + GROUP, len(x))):
                    for m in range(CELL):
                        total[m] = 0
                    for band in range(tile, min(tile + TILE, bands)):
                        start, stop = band * strips * SOURCE, (band + 1) * strips * SOURCE
                        _down(
                            x[i, channel, start:stop], y[j, channel, start:stop], strips, D, buffer
                        )
                        wrap(buffer, strips, 0, SIDE - 1)
                        for k in range(0, strips, STEP):
                            start = (band * strips + k) * CELL
                            stop = start + STEP * CELL
                            _across(
                                buffer[k * CELL : (k + STEP + SIDE - 1) * CELL],
                                mean_x[i, channel, start:stop],
                                mean_y[j, channel, start:stop],
                                var_x[i, channel, start:stop],
                                var_y[j, channel, start:stop],
                                G,
                                total,
                            )
                    found = 0.0
                    for m in range(CELL):
                        found += total[m]
                    out[i, j] += found
