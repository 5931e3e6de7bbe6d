"""KID of frames that come by the patient: pairs of one patient are left out of each set's own mean.

MMD^2 = mean of k(x, x') + mean of k(y, y') - 2 mean of k(x, y) with k(x, y) = (x.y / D + 1)^3
(Binkowski et al., ICLR 2018). There the first two means run over all pairs of different frames,
which is right for independent frames. Frames of one patient are alike, so that two sets of
different patients would be far apart even if no patient were special; pairs of frames of *different
patients* estimate the same expectation without that. In float64; around 0 for two sets of one
distribution, at any number of frames, and then as often negative as positive. ``kid_textbook`` is
the published estimate.

Shapes: N and M frames, D features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from lusgan_core.api import ConfigError, Options, SetMetric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Features = NDArray[np.float64]
    Groups = NDArray[np.int64]

ROWS = 1024
"""Rows of the kernel matrix that are computed at once."""


class KidOptions(Options):
    """Options of KID."""

    degree: int = Field(3, ge=1, le=8, description="Degree of the polynomial kernel")


def value(
    a: Features, b: Features, groups_a: Groups, groups_b: Groups, options: KidOptions
) -> float:
    """Compute the distance.

    Args:
        a: Features of the one set, (N, D), at least two frames.
        b: Features of the other, (M, D), at least two frames.
        groups_a: A number for each frame of ``a`` that frames of one patient share, (N,).
        groups_b: The same for ``b``, (M,).
        options: The kernel's degree.

    Returns:
        The squared discrepancy; below 0 where the sets differ less than chance would have it, and
        NaN where a set has frames of one patient alone.

    Raises:
        ConfigError: A set has less than two frames, or the sets differ in D.
    """
    if min(len(a), len(b)) < 2 or a.shape[1:] != b.shape[1:]:
        raise ConfigError(
            f"KID got features of shapes {a.shape} and {b.shape}: expected at least two frames a "
            "side, with as many features a frame"
        )
    degree = options.degree
    across = _sum(a, b, degree, None)[0] / (len(a) * len(b))
    return _within(a, groups_a, degree) + _within(b, groups_b, degree) - 2 * across


def _within(x: Features, groups: Groups, degree: int) -> float:
    """Mean of the kernel over pairs of frames of different groups."""
    total, pairs = _sum(x, x, degree, groups)
    return total / pairs if pairs else float("nan")


def _sum(x: Features, y: Features, degree: int, groups: Groups | None) -> tuple[float, int]:
    """Sum of the kernel over pairs, of different groups where there are any, and their number."""
    total, pairs = 0.0, 0
    for first in range(0, len(x), ROWS):
        kernel = (x[first : first + ROWS] @ y.T / x.shape[1] + 1) ** degree
        if groups is not None:
            others = groups[first : first + ROWS, None] != groups
            kernel *= others
            pairs += int(others.sum())
        total += float(kernel.sum())
    return total, pairs


METRIC = SetMetric(
    name="kid",
    version="2",
    title="KID",
    description="Kernel distance of two sets of frames, without pairs of frames of one patient",
    better="lower",
    identical=float("nan"),
    value=value,
    options=KidOptions,
    grouped_by="patient",
)
