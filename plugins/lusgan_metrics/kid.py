"""KID: kernel distance, the unbiased squared maximum mean discrepancy of two sets of features.

MMD^2 = mean of k(x, x') + mean of k(y, y') - 2 mean of k(x, y), where the first two means leave out
pairs of a frame with itself, and k(x, y) = (x.y / D + 1)^3. Source: Binkowski et al., ICLR 2018. In
float64; around 0 for two sets of one distribution, at any number of frames, and then as often
negative as positive.

Shapes: N and M frames, D features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lusgan_core.api import ConfigError, Options, SetMetric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Features = NDArray[np.float64]

ROWS = 1024
"""Rows of the kernel matrix that are computed at once."""


class KidOptions(Options):
    """Options of KID."""

    degree: int = Field(3, ge=1, le=8, description="Degree of the polynomial kernel")


def value(a: Features, b: Features, options: KidOptions) -> float:
    """Compute the distance.

    Args:
        a: Features of the one set, (N, D), at least two frames.
        b: Features of the other, (M, D), at least two frames.
        options: The kernel's degree.

    Returns:
        The squared discrepancy; below 0 where the sets differ less than chance would have it.

    Raises:
        ConfigError: A set has less than two frames, or the sets differ in D.
    """
    if min(len(a), len(b)) < 2 or a.shape[1:] != b.shape[1:]:
        raise ConfigError(
            f"KID got features of shapes {a.shape} and {b.shape}: expected at least two frames a "
            "side, with as many features a frame"
        )
    degree = options.degree
    return _within(a, degree) + _within(b, degree) - 2 * _sum(a, b, degree) / (len(a) * len(b))


def _within(x: Features, degree: int) -> float:
    """Mean of the kernel over pairs of different frames of one set."""
    same = (((x * x).sum(1) / x.shape[1] + 1) ** degree).sum()
    return float(_sum(x, x, degree) - same) / (len(x) * (len(x) - 1))


def _sum(x: Features, y: Features, degree: int) -> float:
    """Sum of the kernel over all pairs."""
    parts = (x[first : first + ROWS] @ y.T for first in range(0, len(x), ROWS))
    return float(sum(((part / x.shape[1] + 1) ** degree).sum() for part in parts))


METRIC = SetMetric(
    name="kid",
    version="1",
    title="KID",
    description="Kernel distance of two sets of frames, unbiased at any number of frames",
    better="lower",
    identical=float("nan"),
    value=value,
    options=KidOptions,
)
