"""SAM in colour of all pairs, compiled: the angle between two pixels' colours, everywhere.

The arccosine is written out, without a branch, so that many pixels are computed at once. How its
argument rounds matters: between equal colours it decides between 0 and 1.5e-8. So nothing here may
be reordered, and a division stays one.

Shapes: n and m frames, C channels, P pixels.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lusgan_core.measures.pairs.numba_engine.compiled import literal, literally_inlined

# asin(s) = s + s R(s^2), R a quotient of polynomials (FreeBSD's msun, e_asin.c; error 2^-58).
P0, P1, P2 = 1.66666666666666657415e-01, -3.25565818622400915405e-01, 2.01212532134862925881e-01
P3, P4, P5 = -4.00555345006794114027e-02, 7.91534994289814532176e-04, 3.47933107596021167570e-05
Q1, Q2, Q3, Q4 = (
    -2.40339491173441421878e00,
    2.02094576023350569471e00,
    -6.88283971605453293030e-01,
    7.70381505559019352791e-02,
)


@literally_inlined
def _angle(x: float) -> float:
    """arccos of 0..1: twice the arcsine of sqrt((1 - x) / 2), or pi / 2 less the arcsine of x."""
    near = x > 0.5
    t = (1 - x) * 0.5 if near else x * x
    s = math.sqrt(t) if near else x
    top = t * (P0 + t * (P1 + t * (P2 + t * (P3 + t * (P4 + t * P5)))))
    bottom = 1 + t * (Q1 + t * (Q2 + t * (Q3 + t * Q4)))
    arcsine = s + s * (top / bottom)
    return 2 * arcsine if near else math.pi / 2 - arcsine


@literal
def fill_lengths(planes: NDArray[np.uint8], out: NDArray[np.float64]) -> None:
    """Fill in the length of each pixel's colour, seen as a vector.

    Args:
        planes: (N, C, P) uint8.
        out: Lengths, (N, P) float64; overwritten.
    """
    for i in range(len(planes)):
        for k in range(planes.shape[2]):
            total = 0.0  # an integer
            for c in range(planes.shape[1]):
                total += float(planes[i, c, k]) * float(planes[i, c, k])
            out[i, k] = math.sqrt(total)


@literal
def angle_sums(
    x: NDArray[np.uint8],
    length_x: NDArray[np.float64],
    y: NDArray[np.uint8],
    length_y: NDArray[np.float64],
    room: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Fill in the mean angle between the colours of two frames' pixels, for all pairs (SAM).

    Pixels that are black in either frame are left out; the mean is NaN if all are.

    Args:
        x: The n first frames, (n, 3, P) uint8.
        length_x: Lengths of their colours, (n, P) float64.
        y: The m second frames, (m, 3, P) uint8.
        length_y: Lengths of their colours, (m, P) float64.
        room: Scratch memory, float64; its length is the number of pixels computed at once.
        out: Mean angles, radians, (n, m) float64; overwritten.
    """
    pixels, lanes = x.shape[2], len(room)
    for j in range(len(y)):
        b, length_b = y[j], length_y[j]
        for i in range(len(x)):
            a, length_a = x[i], length_x[i]
            total, seen = 0.0, 0
            for start in range(0, pixels, lanes):
                stop = min(start + lanes, pixels)
                r0, g0, b0, l0 = (
                    a[0, start:stop],
                    a[1, start:stop],
                    a[2, start:stop],
                    length_a[start:stop],
                )
                r1, g1, b1, l1 = (
                    b[0, start:stop],
                    b[1, start:stop],
                    b[2, start:stop],
                    length_b[start:stop],
                )
                for k in range(stop - start):
                    dot = (
                        np.int32(r0[k]) * np.int32(r1[k])
                        + np.int32(g0[k]) * np.int32(g1[k])
                        + np.int32(b0[k]) * np.int32(b1[k])
                    )
                    both = l0[k] * l1[k]
                    cosine = float(dot) / both if both > 0 else 1.0
                    room[k] = _angle(min(cosine, 1.0))
                for k in range(stop - start):
                    total += room[k]
                    seen += l0[k] * l1[k] > 0
            out[i, j] = total / seen if seen else np.nan
