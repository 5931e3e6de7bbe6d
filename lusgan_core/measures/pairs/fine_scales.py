"""MS-SSIM's two fine scales in double precision, for the pairs that single precision gets wrong.

Engines average the contrast-structure of these scales in single precision. What is lost is mostly
the product of two blurred means that are large against the variances: where both frames are flat
and far from the grey level they are centred on, a window's quotient is off by as much as 1e-4, and
always in the same direction. MS-SSIM then raises the mean to a small power, which multiplies an
error near a mean of zero: at a mean of 1e-8, 1e-8 becomes 0.02.

Both are foreseen from the frames, and where the value could be off by more than `TOLERATED`, the
means are computed again. For a frame, let r = mean / sqrt(variance + C2 / 2) in a window. By the
inequalities of the means and of Cauchy and Schwarz, the product of means over the sum of variances
is on average at most sqrt(mean(r_x^2) mean(r_y^2)) / 2. So many roundings bound the error e of a
mean m, which shifts a value v by v w e / (|m| - e), w being the scale's power.

Shapes: N frames, H height, W width, C channels.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import starmap

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, uniform_filter

from lusgan_core.measures.pairs.formulas import C2, SCALE_WEIGHTS, Floats
from lusgan_core.measures.pairs.frame_statistics import gaussian

FINE = 2
"""Scales that engines compute in single precision; the others are in double."""
TOLERATED = 6e-7
"""Error of a value that is let pass; the parity suite allows 1e-6."""
NOISE = 1e-7
"""Error of a mean where windows are neither flat nor far from the centre: three times the worst."""
FLAT_ROUNDINGS, ROUNDINGS = 5 * 2.0**-24, 0.15 * 2.0**-24
"""Error of a mean relative to the product of means in it, over flat windows and over all.

Measured over twelve kinds of frames and both engines, the worst was 3.9 and 0.15 roundings: in
textured windows roundings are of either sign and cancel.
"""
FLAT = C2 / 2
"""Variance of a flat window, at most."""
PATCH = 4
"""Side of the patches that stand for windows, pixels: a little smaller than a Gaussian's width."""
TAPS = gaussian(11, 1.5)

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class FineFrames:
    """A block of frames, (N, H, W, C) uint8, with their `flatness`, (N, 2, 2)."""

    pixels: Frames
    flat: Floats

    def __getitem__(self, block: slice) -> FineFrames:
        return FineFrames(self.pixels[block], self.flat[block])


def flatness(frames: Frames) -> Floats:
    """Estimate mean(r^2) of each frame at the two fine scales, from patches instead of windows.

    Args:
        frames: (N, H, W, C) uint8.

    Returns:
        Estimates, (N, 2, 2) float64: of each scale over flat windows alone, and over all.
    """
    found = np.empty((len(frames), FINE, 2))
    for frame, out in zip(frames, found, strict=True):
        x = frame.astype(np.int32) - _centre(frame)
        below = np.maximum(np.arange(frame.shape[2]) - 1, 0)
        # Sums of 2 x 2 pixels and two channels, eight times the halved frame but for a shift.
        halved = _patch_sums(x + x[..., below] if len(below) > 1 else 2 * x, 2)
        out[:] = _squares(x, 1), _squares(halved, 8)
    return found


def _patch_sums(x: NDArray[np.int32], side: int) -> NDArray[np.int32]:
    """Sums over all square patches that lie side by side, (H // side, W // side, C)."""
    height, width, channels = (x.shape[0] // side, x.shape[1] // side, x.shape[2])
    rows = x[: height * side, : width * side].reshape(height, side, -1).sum(axis=1, dtype=np.int32)
    columns = rows.reshape(height, width, side, channels)
    return np.asarray(columns.sum(axis=2, dtype=np.int32))


def _squares(x: NDArray[np.int32], factor: int) -> tuple[float, float]:
    """The mean of r^2 over flat patches alone and over all, of a frame that is ``factor`` x."""
    area = PATCH**2
    means = _patch_sums(x, PATCH) / (area * factor)
    variances = (_patch_sums(x * x, PATCH) / (area * factor**2) - means * means).clip(0)
    squares = means * means / (variances + C2 / 2)
    return float((squares * (variances < FLAT)).mean()), float(squares.mean())


def uncertain(means: Floats, first: Floats, second: Floats) -> NDArray[np.bool_]:
    """Find the pairs whose MS-SSIM may be off by more than `TOLERATED`.

    Args:
        means: Term ``msssim`` of n x m pairs, (n, m, 5).
        first: `flatness` of the n first frames, (n, 2, 2).
        second: `flatness` of the m second frames, (m, 2, 2).

    Returns:
        (n, m) bool.
    """
    errors = NOISE + np.sqrt(first[:, None] * second[None]) @ [FLAT_ROUNDINGS, ROUNDINGS]
    fine = np.abs(means[..., :FINE])
    weights = SCALE_WEIGHTS[:FINE]
    rest = np.prod(np.abs(means[..., FINE:]) ** SCALE_WEIGHTS[FINE:], axis=-1)
    largest = rest * np.prod((fine + errors) ** weights, axis=-1)
    with np.errstate(divide="ignore"):
        slopes = weights * errors / np.maximum(fine - errors, 0)
    return np.asarray(largest * slopes.sum(axis=-1) > TOLERATED)


def mend(means: Floats, a: FineFrames, b: FineFrames) -> int:
    """Compute the fine scales of uncertain pairs again, in double precision.

    Args:
        means: Term ``msssim`` of n x m pairs, (n, m, 5); changed in place.
        a: The n first frames.
        b: The m second frames.

    Returns:
        Number of such pairs.
    """
    pairs = np.argwhere(uncertain(means, a.flat, b.flat))
    if len(pairs):
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # SciPy's filters let others run
            found = pool.map(lambda p: structure_means(a.pixels[p[0]], b.pixels[p[1]]), pairs)
            for (i, j), fine in zip(pairs, found, strict=True):
                means[i, j, :FINE] = fine
    return len(pairs)


def structure_means(a: Frames, b: Frames) -> Floats:
    """Compute the mean contrast-structure of a pair at the two fine scales.

    Args:
        a: One frame, (H, W, C) uint8.
        b: The other frame, of the same shape.

    Returns:
        Means, (2,) float64.
    """
    return np.array(list(starmap(_structure, zip(_scales(a), _scales(b), strict=True))))


def _structure(x: Floats, y: Floats) -> float:
    mean_x, mean_y = _blur(x), _blur(y)
    covariance = _blur(x * y) - mean_x * mean_y
    variances = _blur(x * x) - mean_x**2 + _blur(y * y) - mean_y**2
    return float(((2 * covariance + C2) / (variances + C2)).mean())


def _scales(frame: Frames) -> list[Floats]:
    """A frame less its commonest level, and that halved as sewar does, over channels as well."""
    whole = frame.astype(np.float64) - _centre(frame)
    return [whole, uniform_filter(whole, 2)[::2, ::2]]


def _centre(frame: Frames) -> int:
    return int(np.bincount(frame.ravel()).argmax())


def _blur(x: Floats) -> Floats:
    margin = len(TAPS) // 2
    inside = slice(margin, -margin)
    down = correlate1d(x, TAPS, axis=0, mode="constant")[inside]
    return np.asarray(correlate1d(down, TAPS, axis=1, mode="constant")[:, inside])
