"""MS-SSIM's five scales of single frames, and its coarse scales of all pairs, compiled.

Each scale of a frame, centred on the frame's commonest grey level: the image, its blurred mean, and
its variance plus C2 / 2, computed in double precision and stored in that of the output.

Source: Wang 2003 (MS-SSIM). G, the window, is a tuple: taps 0..5 of 11, which are symmetric, then
SSIM's constants C1 and C2.

Shapes: N frames, C channels, H height, W width; planes are (N, C, H, W) uint8.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.measures.pairs.numba_engine.compiled import compiled
from lusgan_core.measures.pairs.numba_engine.simd_layout import LANES, lay_image, lay_map
from lusgan_core.measures.pairs.numba_engine.structure_kernel import GROUP, NOTHING, SIDE

I32 = np.int32


@compiled
def _blur(image: NDArray[Any], G: Any, across: NDArray[Any], out: NDArray[Any]) -> None:
    """Gaussian of 11 x 11 where it lies inside (H, W): fills (H - 10, W - 10) of ``out``."""
    height, width = image.shape[0], image.shape[1] - SIDE + 1
    for r in range(height):
        s, t = image[r], across[r]
        for m in range(width):
            t[m] = (
                (G[5] * s[m + 5] + G[4] * (s[m + 4] + s[m + 6]))
                + (G[3] * (s[m + 3] + s[m + 7]) + G[2] * (s[m + 2] + s[m + 8]))
                + (G[1] * (s[m + 1] + s[m + 9]) + G[0] * (s[m] + s[m + 10]))
            )
    # Down in two goes: a loop over more rows at once is more than the compiler checks for overlap.
    for r in range(height - SIDE + 1):
        t = out[r]
        a, b, c, i, j, k = (
            across[r],
            across[r + 1],
            across[r + 2],
            across[r + 8],
            across[r + 9],
            across[r + 10],
        )
        for m in range(width):
            t[m] = G[0] * (a[m] + k[m]) + G[1] * (b[m] + j[m]) + G[2] * (c[m] + i[m])
        d, e, f, g, h = across[r + 3], across[r + 4], across[r + 5], across[r + 6], across[r + 7]
        for m in range(width):
            t[m] += G[3] * (d[m] + h[m]) + G[4] * (e[m] + g[m]) + G[5] * f[m]


@compiled
def centre(
    planes: NDArray[np.uint8], centres: NDArray[np.float64], images: NDArray[np.float64]
) -> None:
    """Subtract each frame's commonest grey level, of all channels together; the lowest of several.

    Args:
        planes: (N, C, H, W) uint8.
        centres: Grey levels, (N,); overwritten.
        images: Centred frames, (N, C, H, W); overwritten.
    """
    _, channels, height, width = planes.shape
    counts = np.empty(256, np.int64)
    for i in range(len(planes)):
        for value in range(256):
            counts[value] = 0
        for c in range(channels):
            for r in range(height):
                for k in range(width):
                    counts[planes[i, c, r, k]] += 1
        best = 0
        for value in range(256):
            if counts[value] > counts[best]:
                best = value
        centres[i] = best
        for c in range(channels):
            for r in range(height):
                source, target = planes[i, c, r], images[i, c, r]
                for k in range(width):
                    target[k] = float(source[k]) - best


@compiled
def halve(images: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Fill in the next scale: means of pixels 2k - 1 and 2k on both axes, the edge replicated.

    Channels but the first take in half of the one before them, as sewar's do.

    Args:
        images: One scale's images, (N, C, H, W).
        out: The next scale, (N, C, ceil(H / 2), ceil(W / 2)); overwritten.
    """
    count, channels, height, width = out.shape
    for i in range(count):
        for c in range(channels - 1, -1, -1):
            for r in range(height):
                above, below = images[i, c, max(2 * r - 1, 0)], images[i, c, 2 * r]
                for k in range(width):
                    left = max(2 * k - 1, 0)
                    top, bottom = above[left] + above[2 * k], below[left] + below[2 * k]
                    out[i, c, r, k] = 0.25 * (top + bottom)
        for c in range(channels - 1, 0, -1):
            for r in range(height):
                for k in range(width):
                    out[i, c, r, k] = 0.5 * (out[i, c, r, k] + out[i, c - 1, r, k])


@compiled
def fill_fine(
    images: NDArray[np.float64],
    G: Any,
    factor: float,
    strips: int,
    x_out: NDArray[np.int16],
    mean_out: NDArray[np.float32],
    variance_out: NDArray[np.float32],
) -> None:
    """Lay out a fine scale's images, and fill in its blurred means and variances.

    Variances are stored as (variance + C2 / 2) / 2, so that two of them add up to half of SSIM's
    denominator.

    Args:
        images: The scale's images, (N, C, H, W).
        G: The window, as a tuple of 8 float64.
        factor: Factor that makes the images' numbers integers, see `frames.fine_factor`.
        strips: Number of strips of the layout.
        x_out: Images times the factor, (N, C, image size) int16, zero; filled in.
        mean_out: Means, (N, C, map size) float32; overwritten.
        variance_out: Variances, (N, C, map size) float32; overwritten.
    """
    _, channels, height, width = images.shape
    across = np.empty((height, width))
    mean, square = np.empty((height - 10, width - 10)), np.empty((height - 10, width - 10))
    work, whole = np.empty((height, width)), np.empty((height, width), I32)
    line, row = np.empty(LANES * strips), np.empty(LANES * strips, I32)
    for i in range(len(images)):
        for c in range(channels):
            _moments(images[i, c], G, work, across, mean, square)
            for r in range(height - 10):
                for k in range(width - 10):
                    square[r, k] = 0.5 * square[r, k]
            for r in range(height):
                for k in range(width):
                    whole[r, k] = I32(images[i, c, r, k] * factor)
            lay_image(whole, 0, strips, row, x_out[i, c])
            lay_map(mean, strips, 0.0, line, mean_out[i, c])
            lay_map(square, strips, NOTHING, line, variance_out[i, c])


@compiled
def fill_coarse(
    images: NDArray[np.float64],
    G: Any,
    mean_out: NDArray[np.float64],
    variance_out: NDArray[np.float64],
) -> None:
    """Fill in a coarse scale's blurred means and variances, without a layout.

    Args:
        images: The scale's images, (N, C, H, W).
        G: The window, as a tuple of 8 float64.
        mean_out: Means, (N, C, H - 10, W - 10); overwritten.
        variance_out: Variances + C2 / 2, (N, C, H - 10, W - 10); overwritten.
    """
    _, channels, height, width = images.shape
    across, work = np.empty((height, width)), np.empty((height, width))
    for i in range(len(images)):
        for c in range(channels):
            _moments(images[i, c], G, work, across, mean_out[i, c], variance_out[i, c])


@compiled
def _moments(
    image: NDArray[Any],
    G: Any,
    work: NDArray[Any],
    across: NDArray[Any],
    mean: NDArray[Any],
    variance: NDArray[Any],
) -> None:
    """Blurred mean, and variance + C2 / 2, of one image."""
    _blur(image, G, across, mean)
    for r in range(image.shape[0]):
        for k in range(image.shape[1]):
            work[r, k] = image[r, k] * image[r, k]
    _blur(work, G, across, variance)
    for r in range(mean.shape[0]):
        for k in range(mean.shape[1]):
            variance[r, k] += G[7] / 2 - mean[r, k] * mean[r, k]


@compiled
def coarse_sums(
    light: bool,
    G: Any,
    centre_x: NDArray[np.float64],
    centre_y: NDArray[np.float64],
    x: NDArray[np.float64],
    mean_x: NDArray[np.float64],
    var_x: NDArray[np.float64],
    y: NDArray[np.float64],
    mean_y: NDArray[np.float64],
    var_y: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Fill in the sums, over channels and places, of a coarse scale for all pairs.

    Args:
        light: Whether to sum all of SSIM, as the last scale needs it, instead of
            contrast-structure.
        G: The window, as a tuple of 8 float64.
        centre_x: Grey levels that the n first frames are centred on, (n,).
        centre_y: Grey levels that the m second frames are centred on, (m,).
        x: Images of the first frames, (n, C, H, W).
        mean_x: Their blurred means, (n, C, H - 10, W - 10).
        var_x: Their variances + C2 / 2, (n, C, H - 10, W - 10).
        y: Images of the second frames, (m, C, H, W).
        mean_y: Their blurred means, (m, C, H - 10, W - 10).
        var_y: Their variances + C2 / 2, (m, C, H - 10, W - 10).
        out: Sums, (n, m); overwritten.
    """
    _, channels, height, width = x.shape
    across = np.empty((height, width))
    products, filtered = np.empty((height, width)), np.empty((height - 10, width - 10))
    row = np.empty(width)
    C1, C2 = G[6], G[7]
    for group in range(0, len(x), GROUP):
        for j in range(len(y)):
            for i in range(group, min(group + GROUP, len(x))):
                found = 0.0
                for c in range(channels):
                    for r in range(height):
                        u, v, t = x[i, c, r], y[j, c, r], products[r]
                        for k in range(width):
                            t[k] = u[k] * v[k]
                    _blur(products, G, across, filtered)
                    for k in range(width):
                        row[k] = 0.0
                    for r in range(height - 10):
                        mean_a, mean_b, covariance = mean_x[i, c, r], mean_y[j, c, r], filtered[r]
                        var_a, var_b = var_x[i, c, r], var_y[j, c, r]
                        for k in range(width - 10):
                            a, b = mean_a[k], mean_b[k]
                            value = (2 * (covariance[k] - a * b) + C2) / (var_a[k] + var_b[k])
                            if light:
                                a, b = a + centre_x[i], b + centre_y[j]
                                value *= (2 * a * b + C1) / (a * a + b * b + C1)
                            row[k] += value
                    for k in range(width - 10):
                        found += row[k]
                out[i, j] = found
