"""Frames that are known to be bad, whose distances are the ceilings of those of synthetic ones.

Shapes: N frames, H height, W width; frames are (N, H, W) or (N, H, W, 3) uint8.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SEED = 9
"""Seed of the noise."""
WIDTH = 1 / 32
"""Standard deviation of the blur's Gaussian, as a share of a frame's side: 2 pixels of 64."""


def noise(count: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Draw frames of white noise, every grey level as likely as any other.

    Args:
        count: N.
        shape: Of a frame: (H, W) or (H, W, 3).

    Returns:
        The frames, the same for the same arguments.
    """
    return np.random.default_rng(SEED).integers(0, 256, (count, *shape), dtype=np.uint8)


def blurred(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blur frames by a Gaussian, so that what lungs look like stays, and no speckle.

    Args:
        frames: Real frames.

    Returns:
        As many frames of the same shape.
    """
    from scipy.ndimage import gaussian_filter

    sd = (0.0, *(WIDTH * side for side in frames.shape[1:3]), *(0.0,) * (frames.ndim - 3))
    smooth: NDArray[np.float32] = gaussian_filter(frames.astype(np.float32), sd)
    return smooth.round().astype(np.uint8)
