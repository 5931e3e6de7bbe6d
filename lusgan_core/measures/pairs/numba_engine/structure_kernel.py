"""MS-SSIM's contrast and structure of all pairs, compiled: a Gaussian of 11 x 11 on the product.

What depends on one frame (blurred mean, variance) is in its maps; a pair costs one multiplication
and one separable filter. Down the rows, 18 products give 8 filtered rows of a strip; across, 14 of
those give 4 strips (see `simd_layout`). Written out instead of in loops, so that everything stays
in vector registers. This is for the two fine scales, in single precision; the others, a tenth of
the work, are in `pyramid_kernels`, in double.

Source: Wang 2003 (MS-SSIM). G are taps 0..5 of the window, which is symmetric, then SSIM's
constants C1 and C2; D are the taps over the square of the factor that makes an image's numbers
integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.measures.pairs.numba_engine.compiled import compiled, inlined
from lusgan_core.measures.pairs.numba_engine.simd_layout import (
    CELL,
    LANES,
    SOURCE,
    STEP,
    product,
    wrap,
)

SIDE = 11
TILE = 2
"""Bands for which a group of first frames is kept in the cache."""
F32 = np.float32
GROUP = 4
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
    """Filter the products of a band (K, 18, 16) down the columns, into ``buffer`` (K, 8, 16)."""
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
            p11 = F32(product(X[m + 176], Y[m + 176]))
            p12 = F32(product(X[m + 192], Y[m + 192]))
            p13 = F32(product(X[m + 208], Y[m + 208]))
            p14 = F32(product(X[m + 224], Y[m + 224]))
            p15 = F32(product(X[m + 240], Y[m + 240]))
            p16 = F32(product(X[m + 256], Y[m + 256]))
            p17 = F32(product(X[m + 272], Y[m + 272]))
            B[m] = _taps(D, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10)
            B[m + 16] = _taps(D, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11)
            B[m + 32] = _taps(D, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12)
            B[m + 48] = _taps(D, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13)
            B[m + 64] = _taps(D, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14)
            B[m + 80] = _taps(D, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15)
            B[m + 96] = _taps(D, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16)
            B[m + 112] = _taps(D, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17)


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
    """Filter four strips across and add up (cov + C2 / 2) / half the variances over them.

    The variances are halved and hold C2 / 4 each. Two quotients share a division.
    """
    half = G[7] / F32(2)
    for m in range(CELL):
        p0 = buffer[m]
        p1 = buffer[m + 128]
        p2 = buffer[m + 256]
        p3 = buffer[m + 384]
        p4 = buffer[m + 512]
        p5 = buffer[m + 640]
        p6 = buffer[m + 768]
        p7 = buffer[m + 896]
        p8 = buffer[m + 1024]
        p9 = buffer[m + 1152]
        p10 = buffer[m + 1280]
        p11 = buffer[m + 1408]
        p12 = buffer[m + 1536]
        p13 = buffer[m + 1664]
        n0 = _taps(G, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10) + (half - mean_a[m] * mean_b[m])
        n1 = _taps(G, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11) + (
            half - mean_a[m + 128] * mean_b[m + 128]
        )
        n2 = _taps(G, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12) + (
            half - mean_a[m + 256] * mean_b[m + 256]
        )
        n3 = _taps(G, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13) + (
            half - mean_a[m + 384] * mean_b[m + 384]
        )
        v0, v1 = var_a[m] + var_b[m], var_a[m + 128] + var_b[m + 128]
        v2, v3 = var_a[m + 256] + var_b[m + 256], var_a[m + 384] + var_b[m + 384]
        total[m] += (n0 * v1 + n1 * v0) / (v0 * v1) + (n2 * v3 + n3 * v2) / (v2 * v3)


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
    """Add the sums over one channel of contrast-structure, for all pairs.

    Args:
        channel: Channel to compute.
        strips: Number of strips, K.
        bands: Number of bands of a map.
        D: Taps for products of integers, as a tuple of 6 float32.
        G: Taps, C1 and C2, as a tuple of 8 float32.
        x: Images of the n first frames, (n, C, image size), as `pyramid_kernels.fill_fine` makes
            them.
        mean_x: Their blurred means, (n, C, map size).
        var_x: Their variances, halved, each with C2 / 4 added, (n, C, map size).
        y: Images of the m second frames, (m, C, image size).
        mean_y: Their blurred means, (m, C, map size).
        var_y: Their variances, halved, each with C2 / 4 added, (m, C, map size).
        buffer: Scratch memory for a band, (K + 10) x 128 numbers or more.
        total: Scratch memory, 128 numbers.
        out: Sums, (n, m); added to.
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
