"""Distances between features, and how far each frame's nearest neighbours of other clips are.

Shapes: N and M frames, D features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from lusgan_core.api import Options

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Features = NDArray[np.float64]
    Groups = NDArray[np.int64]


class NeighbourOptions(Options):
    """Options of metrics that count neighbours."""

    k: int = Field(
        3, ge=1, le=100, description="The neighbour whose distance is the radius of a frame"
    )


def squared_distances(x: Features, y: Features) -> Features:
    """Compute all squared Euclidean distances.

    Args:
        x: Features (N, D).
        y: Features (M, D).

    Returns:
        (N, M), from 0 on.
    """
    squares = np.square(x).sum(1)[:, None] + np.square(y).sum(1)
    found: Features = np.maximum(squares - 2 * (x @ y.T), 0)
    return found


def squared_radii(x: Features, groups: Groups, k: int) -> Features:
    """Find each frame's distance to its k-th nearest neighbour of another group.

    Frames of one clip are nearly the same: with them a radius would be that of a clip's movement,
    not of the spread of lungs. Where fewer than ``k`` frames are of other groups it is the
    distance to the furthest of them.

    Args:
        x: Features (N, D).
        groups: A number for each frame that frames of one clip share, (N,).
        k: Which neighbour, from 1.

    Returns:
        Squared distances (N,); infinite for a frame without any of another group.
    """
    distances = squared_distances(x, x)
    same = groups[:, None] == groups
    distances[same] = np.inf
    others = len(x) - same.sum(1)
    nearest = np.sort(np.partition(distances, min(k, len(x)) - 1, axis=1)[:, :k], axis=1)
    place = np.clip(np.minimum(others, k) - 1, 0, None)
    found: Features = np.take_along_axis(nearest, place[:, None], axis=1)[:, 0]
    return found


def inside(
    centres: Features, groups: Groups, points: Features, options: NeighbourOptions
) -> NDArray[np.bool_]:
    """Tell which points lie within the radius of which centres.

    Args:
        centres: Features (N, D), each with the radius of ``squared_radii``.
        groups: Groups of the centres, (N,).
        points: Features (M, D).
        options: Which neighbour gives the radius.

    Returns:
        (N, M).
    """
    radii = squared_radii(centres, groups, options.k)
    found: NDArray[np.bool_] = squared_distances(centres, points) <= radii[:, None]
    return found
