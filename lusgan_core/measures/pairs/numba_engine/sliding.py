"""Sums over square windows of two frames' products, or squared differences, as integers.

Down the rows a sum slides over a band: 15 products give the sums of 8 rows; across, 11 of those
give 4 windows (see `simd_layout`). Integers neither round nor drift. Written out instead of in
loops, so that everything stays in vector registers; all of it becomes part of `window_kernels`.

Numbers are int32. K is the number of strips; a band of an image is K x 18 x 16 numbers, one of sums
is K x 8 x 16, both flat.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.measures.pairs.numba_engine.compiled import inlined
from lusgan_core.measures.pairs.numba_engine.simd_layout import CELL, LANES, SOURCE, product

I32 = np.int32


@inlined
def add(a: Any, b: Any) -> Any:
    """Add in 32 bits; numba would take 64.

    Args:
        a: An integer.
        b: An integer.

    Returns:
        a + b as int32.
    """
    return I32(a + b)


@inlined
def less(a: Any, b: Any) -> Any:
    """Subtract in 32 bits; numba would take 64.

    Args:
        a: An integer.
        b: An integer.

    Returns:
        a - b as int32.
    """
    return I32(a - b)


@inlined
def error(a: Any, b: Any) -> Any:
    """Square a difference in 32 bits; numba would take 64.

    Args:
        a: An integer of at most 16 bits.
        b: An integer of at most 16 bits.

    Returns:
        (a - b)^2 as int32.
    """
    difference = I32(I32(a) - I32(b))
    return I32(difference * difference)


@inlined
def products_down(x: NDArray[Any], y: NDArray[Any], strips: int, buffer: NDArray[Any]) -> None:
    """Sum 8 products down the columns, for the 8 rows of a band.

    Args:
        x: Band of the first frame's image, int16.
        y: Band of the second frame's image, int16.
        strips: Number of strips, K.
        buffer: Sums, K strips or more; overwritten.
    """
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
            s = add(add(add(p0, p1), add(p2, p3)), add(add(p4, p5), add(p6, p7)))
            B[m] = s
            s = add(s, less(product(X[m + 128], Y[m + 128]), p0))
            B[m + 16] = s
            s = add(s, less(product(X[m + 144], Y[m + 144]), p1))
            B[m + 32] = s
            s = add(s, less(product(X[m + 160], Y[m + 160]), p2))
            B[m + 48] = s
            s = add(s, less(product(X[m + 176], Y[m + 176]), p3))
            B[m + 64] = s
            s = add(s, less(product(X[m + 192], Y[m + 192]), p4))
            B[m + 80] = s
            s = add(s, less(product(X[m + 208], Y[m + 208]), p5))
            B[m + 96] = s
            s = add(s, less(product(X[m + 224], Y[m + 224]), p6))
            B[m + 112] = s


@inlined
def errors_down(x: NDArray[Any], y: NDArray[Any], strips: int, buffer: NDArray[Any]) -> None:
    """Sum 8 squared differences down the columns, for the 8 rows of a band.

    Args:
        x: Band of the first frame's image, int16.
        y: Band of the second frame's image, int16.
        strips: Number of strips, K.
        buffer: Sums, K strips or more; overwritten.
    """
    for k in range(strips):
        X, Y = x[k * SOURCE : (k + 1) * SOURCE], y[k * SOURCE : (k + 1) * SOURCE]
        B = buffer[k * CELL : (k + 1) * CELL]
        for m in range(LANES):
            p0 = error(X[m], Y[m])
            p1 = error(X[m + 16], Y[m + 16])
            p2 = error(X[m + 32], Y[m + 32])
            p3 = error(X[m + 48], Y[m + 48])
            p4 = error(X[m + 64], Y[m + 64])
            p5 = error(X[m + 80], Y[m + 80])
            p6 = error(X[m + 96], Y[m + 96])
            p7 = error(X[m + 112], Y[m + 112])
            s = add(add(add(p0, p1), add(p2, p3)), add(add(p4, p5), add(p6, p7)))
            B[m] = s
            s = add(s, less(error(X[m + 128], Y[m + 128]), p0))
            B[m + 16] = s
            s = add(s, less(error(X[m + 144], Y[m + 144]), p1))
            B[m + 32] = s
            s = add(s, less(error(X[m + 160], Y[m + 160]), p2))
            B[m + 48] = s
            s = add(s, less(error(X[m + 176], Y[m + 176]), p3))
            B[m + 64] = s
            s = add(s, less(error(X[m + 192], Y[m + 192]), p4))
            B[m + 80] = s
            s = add(s, less(error(X[m + 208], Y[m + 208]), p5))
            B[m + 96] = s
            s = add(s, less(error(X[m + 224], Y[m + 224]), p6))
            B[m + 112] = s


@inlined
def wide_products_down(x: NDArray[Any], y: NDArray[Any], strips: int, buffer: NDArray[Any]) -> None:
    """Sum 11 products down the columns, for the 8 rows of a band.

    Args:
        x: Band of the first frame's image, int16.
        y: Band of the second frame's image, int16.
        strips: Number of strips, K.
        buffer: Sums, K strips or more; overwritten.
    """
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
            s = add(add(add(p0, p1), add(p2, p3)), add(add(p4, p5), add(p6, p7)))
            s = add(add(s, add(p8, p9)), product(X[m + 160], Y[m + 160]))
            B[m] = s
            s = add(s, less(product(X[m + 176], Y[m + 176]), p0))
            B[m + 16] = s
            s = add(s, less(product(X[m + 192], Y[m + 192]), p1))
            B[m + 32] = s
            s = add(s, less(product(X[m + 208], Y[m + 208]), p2))
            B[m + 48] = s
            s = add(s, less(product(X[m + 224], Y[m + 224]), p3))
            B[m + 64] = s
            s = add(s, less(product(X[m + 240], Y[m + 240]), p4))
            B[m + 80] = s
            s = add(s, less(product(X[m + 256], Y[m + 256]), p5))
            B[m + 96] = s
            s = add(s, less(product(X[m + 272], Y[m + 272]), p6))
            B[m + 112] = s


@inlined
def across(b: NDArray[Any], m: int) -> Any:
    """Sum 8 strips, for four windows that begin at one strip after another.

    Args:
        b: Sums down the columns, from the first window's first strip on.
        m: Place within a strip, 0..127.

    Returns:
        The four sums.
    """
    p0, p1, p2 = b[m], b[m + 128], b[m + 256]
    s0 = add(add(add(p0, p1), add(p2, b[m + 384])), add(b[m + 512], b[m + 640]))
    s0 = add(s0, add(b[m + 768], b[m + 896]))
    s1 = add(s0, less(b[m + 1024], p0))
    s2 = add(s1, less(b[m + 1152], p1))
    return s0, s1, s2, add(s2, less(b[m + 1280], p2))


@inlined
def wide_across(b: NDArray[Any], m: int) -> Any:
    """Sum 11 strips, for four windows that begin at one strip after another.

    Args:
        b: Sums down the columns, from the first window's first strip on.
        m: Place within a strip, 0..127.

    Returns:
        The four sums.
    """
    p0, p1, p2 = b[m], b[m + 128], b[m + 256]
    s0 = add(add(add(p0, p1), add(p2, b[m + 384])), add(b[m + 512], b[m + 640]))
    s0 = add(add(s0, add(b[m + 768], b[m + 896])), add(b[m + 1024], b[m + 1152]))
    s0 = add(s0, b[m + 1280])
    s1 = add(s0, less(b[m + 1408], p0))
    s2 = add(s1, less(b[m + 1536], p1))
    return s0, s1, s2, add(s2, less(b[m + 1664], p2))
