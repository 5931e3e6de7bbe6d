"""Copies of training frames, disguised in ways that a generator may arrive at.

Shapes: N frames, H height, W width; frames are (N, H, W) or (N, H, W, 3) uint8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Frames = NDArray[np.uint8]
SHIFT = 1 / 32
"""Shift along each axis, as a share of the side."""
CONTRAST = 0.8
"""Factor of differences from the frame's mean."""
GAIN = 1.25
"""Factor of grey levels; every second frame is divided by it."""
NOISE = 12.0
"""Standard deviation of noise, in grey levels of 255."""


def _mirrored(frames: Frames, rng: np.random.Generator) -> Frames:
    return frames[:, :, ::-1]


def _shifted(frames: Frames, rng: np.random.Generator) -> Frames:
    """Each frame up or down and left or right; edges are repeated."""
    sides = np.maximum(1, np.round(SHIFT * np.array(frames.shape[1:3]))).astype(int)
    found = np.empty_like(frames)
    rows, columns = (np.arange(side) for side in frames.shape[1:3])
    for number, signs in enumerate(rng.choice((-1, 1), (len(frames), 2))):
        down, right = signs * sides
        y = np.clip(rows - down, 0, rows[-1])
        x = np.clip(columns - right, 0, columns[-1])
        found[number] = frames[number][np.ix_(y, x)]
    return found


def _flatter(frames: Frames, rng: np.random.Generator) -> Frames:
    means = frames.mean(axis=(1, 2), keepdims=True)
    return _levels(means + CONTRAST * (frames - means))


def _gain(frames: Frames, rng: np.random.Generator) -> Frames:
    factors = np.where(np.arange(len(frames)) % 2, GAIN, 1 / GAIN)
    return _levels(frames * factors.reshape(-1, *(1,) * (frames.ndim - 1)))


def _noisy(frames: Frames, rng: np.random.Generator) -> Frames:
    return _levels(frames + rng.normal(0, NOISE, frames.shape))


def _speckled(frames: Frames, rng: np.random.Generator) -> Frames:
    """What is finer than the speckle's grain is drawn again, as strong as it was at each place."""
    grain = max(1.0, frames.shape[1] / 64)

    def blurred(values: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
        sigmas = (0, sigma, sigma, *(0,) * (frames.ndim - 3))
        found: NDArray[np.float64] = gaussian_filter(values, sigmas)
        return found

    levels = frames.astype(np.float64)
    smooth = blurred(levels, grain)
    strength = np.sqrt(blurred(np.square(levels - smooth), 2 * grain))
    drawn = blurred(rng.normal(size=frames.shape), grain / 2)
    return _levels(smooth + strength * drawn / drawn.std())


def _blended(frames: Frames, rng: np.random.Generator) -> Frames:
    """Halfway between each frame and the one that lies half of the frames further on."""
    others = np.roll(frames, -(len(frames) // 2), axis=0)
    return _levels((frames.astype(np.float64) + others) / 2)


def _together(frames: Frames, rng: np.random.Generator) -> Frames:
    return _flatter(_shifted(_mirrored(frames, rng), rng), rng)


KINDS: dict[str, Callable[[Frames, np.random.Generator], Frames]] = {
    "verbatim": lambda frames, rng: frames,
    "mirrored": _mirrored,
    "shifted": _shifted,
    "contrast": _flatter,
    "gain": _gain,
    "noise": _noisy,
    "speckle drawn again": _speckled,
    "blended": _blended,
    "mirrored, shifted, contrast": _together,
}
"""Kinds of copies, by their names for people."""


def plant(kind: str, frames: Frames) -> Frames:
    """Make copies of frames.

    Args:
        kind: One of ``KINDS``.
        frames: Training frames, (N, H, W) or (N, H, W, 3) uint8.

    Returns:
        As many copies; the same frames give the same copies.
    """
    seed = list(KINDS).index(kind)
    return np.ascontiguousarray(KINDS[kind](frames, np.random.default_rng(seed)))


def _levels(values: NDArray[Any]) -> Frames:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
