"""Speckled fans: frames that look like lung ultrasound to a metric."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter


def speckle(count: int, height: int, width: int, seed: int) -> np.ndarray:
    """Speckled fans on black, uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    radius, angle = np.hypot(y / height + 0.25, x / width - 0.5), np.abs(x / width - 0.5)
    fan = (radius > 0.3) & (radius < 1.2) & (angle < 0.42)
    frames = []
    for _ in range(count):
        noise = gaussian_filter(rng.standard_normal((2, height, width)), (0, 1, 1.6))
        level = 20 * np.log10(np.hypot(*noise) * np.exp(-radius * rng.uniform(0.5, 2)) + 1e-3)
        frames.append(np.clip((level + 60) / 60, 0, 1) * 255 * fan)
    return np.round(frames).astype(np.uint8)
