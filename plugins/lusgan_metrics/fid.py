"""FID: Frechet distance of the normal distributions that fit two sets of features.

|mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)) (Heusel et al., NeurIPS 2017), S with N - 1 in
the denominator. In float64, and without the root of a product of matrices, which is inexact where
there are fewer frames than features: with S_a = A'A and S_b = B'B the trace of the root is the sum
of the singular values of A B'. It depends on the number of frames: compare values at equal counts
only, each beside its floor.

Shapes: N and M frames, D features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lusgan_core.api import ConfigError, SetMetric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Features = NDArray[np.float64]


def value(a: Features, b: Features) -> float:
    """Compute the distance.

    Args:
        a: Features of the one set, (N, D), at least two frames.
        b: Features of the other, (M, D), at least two frames.

    Returns:
        The squared distance, from 0 on.

    Raises:
        ConfigError: A set has less than two frames, or the sets differ in D.
    """
    if min(len(a), len(b)) < 2 or a.shape[1:] != b.shape[1:]:
        raise ConfigError(
            f"FID got features of shapes {a.shape} and {b.shape}: expected at least two frames a "
            "side, with as many features a frame"
        )
    gap = a.mean(0) - b.mean(0)
    one, two = _factor(a), _factor(b)
    root = np.linalg.svd(one @ two.T, compute_uv=False).sum()
    traces = np.square(one).sum() + np.square(two).sum()
    return max(0.0, float(gap @ gap + traces - 2 * root))


def _factor(x: Features) -> Features:
    """A matrix F of no more than D rows such that F'F is the covariance of the features."""
    rows: Features = (x - x.mean(0)) / np.sqrt(len(x) - 1)
    if len(x) > x.shape[1]:
        rows = np.asarray(np.linalg.qr(rows, mode="r"))
    return rows


METRIC = SetMetric(
    name="fid",
    version="1",
    title="FID",
    description="Frechet distance of two sets of frames; depends on the number of frames",
    better="lower",
    identical=0.0,
    value=value,
    bounds=(0.0, float("inf")),
)
