"""Two published measures of copying, as their papers define them.

Both hold every frame for an independent draw. Frames of a clip are not: a training frame's nearest
neighbour is the next frame of its clip, so authenticity is high whatever a model does, and C_T is
too sure of itself. They are reported, and decide nothing.

Shapes: M synthetic frames, N training frames, K held-out frames, D features.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lusgan_core.evaluation.audit.ratios import feature_distances

Floats = NDArray[np.float64]
CELLS = 5
"""Cells of C_T, at most."""
ENOUGH = 20
"""Frames of a cell, real and synthetic each, from which on it counts."""


def authenticity(synthetic_MD: Floats, training_ND: Floats, rows: int = 1024) -> float:
    """Share of authentic frames (Alaa et al. 2022, How faithful is your synthetic data?).

    A synthetic frame is authentic unless it is nearer to its nearest training frame than that is
    to any other training frame.

    Args:
        synthetic_MD: Features of synthetic frames.
        training_ND: Features of training frames, two at least.
        rows: Training frames whose neighbours are sought at once.

    Returns:
        The share.
    """
    distances = feature_distances(synthetic_MD, training_ND)
    nearest = distances.argmin(1)
    used, place = np.unique(nearest, return_inverse=True)
    apart = np.empty(len(used))
    for first in range(0, len(used), rows):
        some = used[first : first + rows]
        among = feature_distances(training_ND[some], training_ND)
        among[np.arange(len(some)), some] = np.inf
        apart[first : first + rows] = among.min(1)
    return float(np.mean(distances.min(1) > apart[place]))


def c_t(
    synthetic_MD: Floats, training_ND: Floats, held_out_KD: Floats, cells: int = CELLS
) -> float | None:
    """The data-copying statistic C_T (Meehan et al. 2020, A non-parametric test ...).

    Far below 0: synthetic frames are nearer to training frames than held-out ones are; far above:
    the model underfits. Cells are those of k-means over training frames.

    Args:
        synthetic_MD: Features of synthetic frames.
        training_ND: Features of training frames.
        held_out_KD: Features of frames of held-out patients.
        cells: Number of cells, at most; fewer where there are few training frames.

    Returns:
        The mean of the cells' Z_U, weighted by their shares of held-out frames; None where no cell
        has ``ENOUGH`` frames of both kinds.
    """
    centres = _centres(training_ND, min(cells, len(training_ND) // ENOUGH))
    of_synthetic = feature_distances(synthetic_MD, centres).argmin(1)
    of_held_out = feature_distances(held_out_KD, centres).argmin(1)
    synthetic = feature_distances(synthetic_MD, training_ND).min(1)
    held_out = feature_distances(held_out_KD, training_ND).min(1)
    weights, scores = [], []
    for cell in range(len(centres)):
        p, q = held_out[of_held_out == cell], synthetic[of_synthetic == cell]
        if min(len(p), len(q)) >= ENOUGH:
            weights.append(len(p))
            scores.append(z_u(p, q))
    return float(np.average(scores, weights=weights)) if weights else None


def z_u(held_out: Floats, synthetic: Floats) -> float:
    """The Mann-Whitney statistic of synthetic distances over held-out ones, as a z value.

    Args:
        held_out: Distances of held-out frames to their nearest training frame (n,).
        synthetic: The same of synthetic frames (m,).

    Returns:
        (U - mn / 2) / sqrt(mn (m + n + 1) / 12), where U counts the pairs whose synthetic distance
        is larger; a tie counts half.
    """
    from scipy.stats import rankdata

    n, m = len(held_out), len(synthetic)
    ranks = rankdata(np.concatenate([held_out, synthetic]))[n:]
    u = ranks.sum() - m * (m + 1) / 2
    return float((u - m * n / 2) / np.sqrt(m * n * (m + n + 1) / 12))


def _centres(training_ND: Floats, cells: int) -> Floats:
    """Centres of k-means over training frames; their mean for less than two cells."""
    if cells < 2:
        mean: Floats = training_ND.mean(0, keepdims=True)
        return mean
    from scipy.cluster.vq import kmeans2

    found: Floats = kmeans2(training_ND, cells, minit="++", seed=0)[0]
    return found
