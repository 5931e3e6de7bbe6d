"""Frames of every kind that a metric may stumble over, and the reference values."""

from __future__ import annotations

import numpy as np
import pytest

from speckle import speckle


@pytest.fixture(scope="session")
def zoo() -> tuple[np.ndarray, np.ndarray]:
    """Grey frames, 192 x 181: speckle, noise, constant, black, inverted, near and same ones."""
    rng = np.random.default_rng(0)
    a = list(speckle(2, 192, 181, 1))
    noise = rng.integers(0, 256, a[0].shape, dtype=np.uint8)
    near = a[0].copy()
    near[90, 90] += 1
    first = [*a, noise, np.full_like(noise, 9), np.zeros_like(noise)]
    second = [speckle(1, 192, 181, 2)[0], a[0], near, 255 - noise]
    second += [np.full_like(noise, 200), np.zeros_like(noise)]
    return np.stack(first), np.stack(second)


@pytest.fixture(scope="session")
def colour() -> tuple[np.ndarray, np.ndarray]:
    """Two sets of RGB frames, 181 x 192, the channels of which differ."""
    rng = np.random.default_rng(3)
    planes = speckle(6, 181, 192, 4)
    first, second = (np.stack(planes[i : i + 3], axis=-1) for i in (0, 3))
    noise = rng.integers(0, 256, first.shape, dtype=np.uint8)
    return np.stack([first, noise]), np.stack([second, 255 - noise, first])
