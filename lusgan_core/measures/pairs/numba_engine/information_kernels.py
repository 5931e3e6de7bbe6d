"""VIF of all pairs, compiled: the maps of single frames, and the sums over pairs.

At each of four scales, a pair costs one product, one Gaussian filter and a few steps a place. The
logarithm, which would cost more than all of it, is taken of products of many places' factors
instead of each: a factor lies between 1 and 8,200, so that 32 of them stay far from the largest
double. All in double precision, because variances near 0 decide the value.

Source: Sheikh and Bovik 2006, in the pixel domain.

Shapes: N frames, C channels, H height, W width; planes are (N, C, H, W), each scale by itself.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.measures.pairs.numba_engine.compiled import compiled, inlined

NOISE, EPS = 2.0, 1e-10
FACTORS = 32
"""Rows whose factors are multiplied before a logarithm is taken."""

Doubles = NDArray[np.float64]


@inlined
def _filter_down(image: Doubles, r: int, taps: Doubles, out: Doubles) -> None:
    """Filter (H, W) down the columns at row ``r``; taps are those up to the middle one."""
    half = len(taps) - 1
    side, middle, s = 2 * half, taps[half], image[r + half]
    for m in range(len(s)):
        out[m] = middle * s[m]
    for q in range(0, half - 1, 2):
        g, h = taps[q], taps[q + 1]
        a, b, c, d = image[r + q], image[r + q + 1], image[r + side - q - 1], image[r + side - q]
        for m in range(len(s)):
            out[m] += g * (a[m] + d[m]) + h * (b[m] + c[m])
    if half % 2:
        g, a, d = taps[half - 1], image[r + half - 1], image[r + half + 1]
        for m in range(len(s)):
            out[m] += g * (a[m] + d[m])


@inlined
def _filter_across(line: Doubles, taps: Doubles, out: Doubles) -> None:
    """Filter one row (W,) into (W - side + 1,)."""
    half, width = len(taps) - 1, len(out)
    side, middle = 2 * half, taps[half]
    for m in range(width):
        out[m] = middle * line[m + half]
    for q in range(0, half - 1, 2):
        g, h = taps[q], taps[q + 1]
        a, b, c, d = line[q:], line[q + 1 :], line[side - q - 1 :], line[side - q :]
        for m in range(width):
            out[m] += g * (a[m] + d[m]) + h * (b[m] + c[m])
    if half % 2:
        g, a, d = taps[half - 1], line[half - 1 :], line[half + 1 :]
        for m in range(width):
            out[m] += g * (a[m] + d[m])


@compiled
def _blur(image: Doubles, taps: Doubles, line: Doubles, out: Doubles) -> None:
    """Filter (H, W) where the window lies inside."""
    for r in range(len(out)):
        _filter_down(image, r, taps, line)
        _filter_across(line, taps, out[r])


@compiled
def fill_scale(
    images: Doubles, taps: Doubles, mean_out: Doubles, variance_out: Doubles, below_out: Doubles
) -> None:
    """Fill in one scale's blurred mean and variance, and add to VIF's denominator.

    The denominator is the sum of log10(1 + variance / noise); variances below 1e-10 count as 0.

    Args:
        images: The scale's images, (N, C, H, W).
        taps: The window's taps up to the middle one, T of them.
        mean_out: Means, (N, C, H - 2 T + 2, W - 2 T + 2); overwritten.
        variance_out: Variances, shaped alike; overwritten.
        below_out: Denominators, (N, C); added to.
    """
    count, channels, height, width = images.shape
    square, line = np.empty((height, width)), np.empty(width)
    for i in range(count):
        for c in range(channels):
            mean, variance = mean_out[i, c], variance_out[i, c]
            for r in range(height):
                for k in range(width):
                    square[r, k] = images[i, c, r, k] * images[i, c, r, k]
            _blur(images[i, c], taps, line, mean)
            _blur(square, taps, line, variance)
            for r in range(len(mean)):
                for k in range(mean.shape[1]):
                    value = variance[r, k] - mean[r, k] * mean[r, k]
                    variance[r, k] = value if value >= EPS else 0.0
                    below_out[i, c] += math.log10(1 + variance[r, k] / NOISE)


@compiled
def shrink(images: Doubles, taps: Doubles, out: Doubles) -> None:
    """Fill in the next scale: filtered, every other row and column.

    Args:
        images: One scale's images, (N, C, H, W).
        taps: The window's taps up to the middle one, T of them.
        out: The next scale, (N, C, H', W') with H' = ceil((H - 2 T + 2) / 2), W' alike;
            overwritten.
    """
    count, channels, _, width = images.shape
    line, row = np.empty(width), np.empty(width - 2 * (len(taps) - 1))
    for i in range(count):
        for c in range(channels):
            for r in range(out.shape[2]):
                _filter_down(images[i, c], 2 * r, taps, line)
                _filter_across(line, taps, row)
                for k in range(out.shape[3]):
                    out[i, c, r, k] = row[2 * k]


@inlined
def _take_row(
    covariance: Doubles,
    mean_a: Doubles,
    mean_b: Doubles,
    var_a: Doubles,
    var_b: Doubles,
    tops: Doubles,
    bottoms: Doubles,
) -> None:
    """Multiply in a row's factors 1 + gain^2 var_a / (rest + noise), as two products."""
    for k in range(len(covariance)):
        shared = covariance[k] - mean_a[k] * mean_b[k]
        seen = (var_a[k] > 0) & (var_b[k] > 0) & (shared > 0)
        gain = shared / (var_a[k] + EPS) if seen else 0.0
        rest = max(var_b[k] - gain * shared, EPS) + NOISE
        tops[k] *= rest + gain * gain * var_a[k]
        bottoms[k] *= rest


@compiled
def information_sums(
    channel: int,
    taps: Doubles,
    x: Doubles,
    mean_x: Doubles,
    var_x: Doubles,
    y: Doubles,
    mean_y: Doubles,
    var_y: Doubles,
    work: Doubles,
    out: Doubles,
) -> None:
    """Add one channel's and scale's sums of log10(1 + signal / noise), for all pairs.

    Args:
        channel: Channel to compute.
        taps: The window's taps up to the middle one.
        x: Images of the n first frames, (n, C, H, W).
        mean_x: Their blurred means, (n, C, h, w), as `fill_scale` makes them.
        var_x: Their variances, (n, C, h, w).
        y: Images of the m second frames, (m, C, H, W).
        mean_y: Their blurred means, (m, C, h, w).
        var_y: Their variances, (m, C, h, w).
        work: Scratch memory, (H + 4, W) or larger.
        out: Sums, (n, m); added to.
    """
    height, width = x.shape[2:]
    tall, wide = mean_x.shape[2:]
    products, line = work[:height], work[height]
    covariance, tops = work[height + 1, :wide], work[height + 2, :wide]
    bottoms = work[height + 3, :wide]
    for j in range(len(y)):
        for i in range(len(x)):
            for r in range(height):
                u, v, t = x[i, channel, r], y[j, channel, r], products[r]
                for k in range(width):
                    t[k] = u[k] * v[k]
            found = 0.0
            for start in range(0, tall, FACTORS):
                for k in range(wide):
                    tops[k] = bottoms[k] = 1.0
                for r in range(start, min(start + FACTORS, tall)):
                    _filter_down(products, r, taps, line)
                    _filter_across(line, taps, covariance)
                    _take_row(
                        covariance,
                        mean_x[i, channel, r],
                        mean_y[j, channel, r],
                        var_x[i, channel, r],
                        var_y[j, channel, r],
                        tops,
                        bottoms,
                    )
                for k in range(wide):
                    found += math.log10(tops[k] / bottoms[k])
            out[i, j] += found


def half_taps(taps: NDArray[Any]) -> Doubles:
    """A symmetric window's taps up to the middle one, as the kernels take them."""
    return np.ascontiguousarray(taps[: len(taps) // 2 + 1], np.float64)
