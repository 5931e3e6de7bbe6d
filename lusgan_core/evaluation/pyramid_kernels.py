"""MS-SSIM's five scales of single frames, and its coarsest scale of all pairs, compiled.

Each scale of a frame, centred on the frame's commonest grey level: the image, its blurred mean,
and its variance plus C2 / 2, computed in double precision and stored in that of the output.

Shapes: N frames, C channels, H height, W width; planes are (N, C, H, W) uint8.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.evaluation.compiled import compiled, inlined
from lusgan_core.evaluation.strips import lay_image, lay_map
from lusgan_core.evaluation.structure_kernel import NOTHING, SIDE


@inlined
def _blur(image: NDArray[Any], G: Any, across: NDArray[Any], out: NDArray[Any]) -> None:
    """Gaussian of 11 x 11 where it lies inside (H, W): fills (H - 10, W - 10) of ``out``."""
    height, width = image.shape[0], image.shape[1] - SIDE + 1
    for r in range(height):
        s, t = image[r], across[r]
        for c in range(width):
            t[c] = (
                (G[5] * s[c + 5] + G[4] * (s[c + 4] + s[c + 6]))
                + (G[3] * (s[c + 3] + s[c + 7]) + G[2] * (s[c + 2] + s[c + 8]))
                + (G[1] * (s[c + 1] + s[c + 9]) + G[0] * (s[c] + s[c + 10]))
            )
    for r in range(height - SIDE + 1):
        t = out[r]
        t[:width] = 0.0
        for q in range(SIDE):
            tap, s = G[min(q, SIDE - 1 - q)], across[r + q]
            for c in range(width):
                t[c] += tap * s[c]


@compiled
def centres(planes: NDArray[np.uint8], first: int, last: int, out: NDArray[np.float64]) -> None:
    """The commonest grey level of each frame (the lowest, if several are), all channels together."""
    for i in range(first, last):
        counts = np.zeros(256, np.int64)
        for value in planes[i].ravel():
            counts[value] += 1
        out[i] = counts.argmax()


@inlined
def _halve(images: NDArray[Any], out: NDArray[Any]) -> None:
    """The next scale of (C, H, W): means of pixels 2k - 1 and 2k, the edge replicated.

    Channels but the first take in half of the one before them, as sewar's do.
    """
    channels, height, width = out.shape
    for c in range(channels - 1, -1, -1):
        for r in range(height):
            above, below = images[c, max(2 * r - 1, 0)], images[c, 2 * r]
            for k in range(width):
                left = max(2 * k - 1, 0)
                out[c, r, k] = 0.25 * ((above[left] + above[2 * k]) + (below[left] + below[2 * k]))
    for c in range(channels - 1, 0, -1):
        for r in range(height):
            for k in range(width):
                out[c, r, k] = 0.5 * (out[c, r, k] + out[c - 1, r, k])


@compiled
def fill_scale(
    images: NDArray[np.float64],
    G: Any,
    strips: int,
    rows: int,
    first: int,
    last: int,
    x_out: NDArray[Any],
    mean_out: NDArray[Any],
    variance_out: NDArray[Any],
) -> None:
    """One scale, from images (N, C, H, W): laid-out image, blurred mean, variance + C2 / 2."""
    _, channels, height, width = images.shape
    across = np.empty((height, width))
    mean, square = np.empty((height - 10, width - 10)), np.empty((height - 10, width - 10))
    for i in range(first, last):
        for c in range(channels):
            image = images[i, c]
            _blur(image, G, across, mean)
            _blur(image * image, G, across, square)
            for r in range(height - 10):
                for k in range(width - 10):
                    square[r, k] += G[7] / 2 - mean[r, k] * mean[r, k]
            lay_image(image, 0, strips, rows, x_out[i, c])
            lay_map(mean, strips, 0.0, mean_out[i, c])
            lay_map(square, strips, NOTHING, variance_out[i, c])


@compiled
def fill_coarsest(
    images: NDArray[np.float64],
    G: Any,
    first: int,
    last: int,
    mean_out: NDArray[np.float64],
    variance_out: NDArray[np.float64],
) -> None:
    """The last scale, as it is: blurred mean and variance + C2 / 2, (N, C, H - 10, W - 10)."""
    _, channels, height, width = images.shape
    across = np.empty((height, width))
    square = np.empty((height - 10, width - 10))
    for i in range(first, last):
        for c in range(channels):
            image, mean = images[i, c], mean_out[i, c]
            _blur(image, G, across, mean)
            _blur(image * image, G, across, square)
            variance_out[i, c] = square - mean * mean + G[7] / 2


@compiled
def halve_all(images: NDArray[np.float64], first: int, last: int, out: NDArray[np.float64]) -> None:
    """The next scale of all frames."""
    for i in range(first, last):
        _halve(images[i], out[i])


@compiled
def coarsest_sums(
    x: NDArray[np.float64],
    mean_x: NDArray[np.float64],
    var_x: NDArray[np.float64],
    centre_x: NDArray[np.float64],
    y: NDArray[np.float64],
    mean_y: NDArray[np.float64],
    var_y: NDArray[np.float64],
    centre_y: NDArray[np.float64],
    G: Any,
    out: NDArray[np.float64],
) -> None:
    """Put into ``out`` (n, m) the sums, over channels and places, of SSIM at the last scale."""
    _, channels, height, width = x.shape
    across = np.empty((height, width))
    products, filtered = np.empty((height, width)), np.empty((height - 10, width - 10))
    C1, C2 = G[6], G[7]
    for i in range(len(x)):
        for j in range(len(y)):
            found = 0.0
            for c in range(channels):
                products[:] = x[i, c] * y[j, c]
                _blur(products, G, across, filtered)
                for r in range(height - 10):
                    for k in range(width - 10):
                        a, b = mean_x[i, c, r, k], mean_y[j, c, r, k]
                        variance = var_x[i, c, r, k] + var_y[j, c, r, k]
                        structure = (2 * (filtered[r, k] - a * b) + C2) / variance
                        a, b = a + centre_x[i], b + centre_y[j]
                        found += structure * (2 * a * b + C1) / (a * a + b * b + C1)
            out[i, j] = found
