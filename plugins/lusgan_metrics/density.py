"""Density: how many real frames' radii a judged frame lies in, over k.

The radius of a frame is the distance to its k-th nearest neighbour of another clip, k = 3.
Naeem et al., ICML 2020, equation 4, where frames are independent and no clip is left out. About 1
for two sets of one distribution of independent frames; above 1 where judged frames gather at real
ones.

Shapes: N real and M judged frames, D features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lusgan_core.api import SetMetric
from lusgan_metrics.neighbours import NeighbourOptions, inside

if TYPE_CHECKING:
    from lusgan_metrics.neighbours import Features, Groups


def value(
    a: Features, b: Features, groups_a: Groups, groups_b: Groups, options: NeighbourOptions
) -> float:
    """Compute the mean number of radii around a judged frame, over k.

    Args:
        a: Features of real frames, (N, D).
        b: Features of the frames that are judged, (M, D).
        groups_a: A number for each real frame that frames of one clip share, (N,).
        groups_b: The same for the judged frames, (M,).
        options: Which neighbour gives the radius.

    Returns:
        From 0 on.
    """
    return float(inside(a, groups_a, b, options).sum(0).mean() / options.k)


METRIC = SetMetric(
    name="density",
    version="1",
    title="Density",
    description="How densely real frames lie around the frames that are judged",
    better="higher",
    identical=float("nan"),
    value=value,
    bounds=(0.0, float("inf")),
    min_frames=4,
    options=NeighbourOptions,
    grouped_by="clip",
)
