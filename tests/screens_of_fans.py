"""Cines of a fan, for tests of what a clip looks like."""

from __future__ import annotations

import numpy as np


def fan_clip(count: int, height: int, width: int) -> np.ndarray:
    """A speckled sector on black, new speckle in each frame: (N, H, W) uint8."""
    y, x = np.mgrid[:height, :width]
    radius = np.hypot(x - width / 2, y + height / 4)
    inside = (abs(x - width / 2) < 0.6 * (y + height / 4)) & (radius < 1.2 * height)
    inside &= radius > 0.3 * height
    speckle = np.random.default_rng(5).rayleigh(50, (count, height, width))
    depth = np.clip(1.4 - radius / height, 0.2, 1)
    return np.where(inside, np.clip(speckle * depth + 12, 0, 255), 0).astype(np.uint8)
