"""FID at an infinite number of frames, extrapolated from smaller numbers.

FID of n frames a side is above that of the distributions by about C / n. It is taken at ``POINTS``
numbers of frames, evenly spaced from half of them to all, and the straight line through the values
over 1 / n gives the value at 1 / n = 0 (Chong and Forsyth, CVPR 2020). There the real side is large
and stays whole; here both sides are small, so both are thinned. Which frames are left out is drawn
by a fixed seed, from frames in an order of their own features: it depends on the two sets alone.

The number of frames counts, not that of patients: the extrapolation does not know what other
patients would add, which its floor shows.

Shapes: N and M frames, D features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lusgan_core.api import ConfigError, SetMetric
from lusgan_metrics import fid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Features = NDArray[np.float64]

POINTS = 8
"""Numbers of frames at which FID is taken."""
SEED = 2020
"""Seed of what is left out."""


def value(a: Features, b: Features) -> float:
    """Compute the distance.

    Args:
        a: Features of the one set, (N, D), at least four frames.
        b: Features of the other, (M, D), at least four frames.

    Returns:
        The extrapolated squared distance; below 0 where chance has it.

    Raises:
        ConfigError: A set has less than four frames, or the sets differ in D.
    """
    if min(len(a), len(b)) < 4 or a.shape[1:] != b.shape[1:]:
        raise ConfigError(
            f"FID at infinity got features of shapes {a.shape} and {b.shape}: expected at least "
            "four frames a side, with as many features a frame"
        )
    a, b = _shuffled(a), _shuffled(b)
    most = min(len(a), len(b))
    numbers = np.unique(np.linspace(most / 2, most, POINTS).round().astype(int))
    values = [fid.value(a[:n], b[:n]) for n in numbers]
    return float(np.polyfit(1 / numbers, values, 1)[1])


def _shuffled(x: Features) -> Features:
    """The frames in an order drawn by a fixed seed, whatever order they came in."""
    draw = np.random.default_rng(SEED)
    order = np.argsort((x * draw.standard_normal(x.shape[1])).sum(1), kind="stable")
    shuffled: Features = x[order[draw.permutation(len(x))]]
    return shuffled


METRIC = SetMetric(
    name="fid_infinity",
    version="1",
    title="FID at infinity",
    description="Frechet distance of two sets of frames, extrapolated to an infinite number",
    better="lower",
    identical=0.0,
    value=value,
    min_frames=50,
)
