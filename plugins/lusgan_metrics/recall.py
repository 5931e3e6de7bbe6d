"""Recall: the share of real frames that lie within the radius of a judged frame.

The radius of a frame is the distance to its k-th nearest neighbour of another clip, k = 3.
Kynkaanniemi et al., NeurIPS 2019, equation 2, where frames are independent and no clip is left out.

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
    """Compute the share of real frames that the judged ones cover.

    Args:
        a: Features of real frames, (N, D).
        b: Features of the frames that are judged, (M, D).
        groups_a: A number for each real frame that frames of one clip share, (N,).
        groups_b: The same for the judged frames, (M,).
        options: Which neighbour gives the radius.

    Returns:
        From 0 to 1.
    """
    return float(inside(b, groups_b, a, options).any(0).mean())


METRIC = SetMetric(
    name="recall",
    version="1",
    title="Recall",
    description="Share of real frames that are covered: within the radius of a judged frame",
    better="higher",
    identical=1.0,
    value=value,
    bounds=(0.0, 1.0),
    min_frames=4,
    options=NeighbourOptions,
    grouped_by="clip",
)
