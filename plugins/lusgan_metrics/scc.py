"""SCC: spatial correlation coefficient, how alike edges and texture are.

Both frames pass a Laplacian of eight neighbours; then the correlation in 8 x 8 windows, 0 where
either is flat, averaged over all pixels (Zhou, Civco and Silander, Int. J. Remote Sensing 19(4),
1998, windowed by sewar). Identical frames give the share of windows that are not flat: for a fan on
black about 0.8, never 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lusgan_core.api import PairMetric
from lusgan_metrics.frames import checked

if TYPE_CHECKING:
    from lusgan_core.api import Frame

MIN_SIZE = 8
"""One window."""


def value(a: Frame, b: Frame) -> float:
    """Return the mean correlation, -1 to 1; raises ConfigError for unfit frames."""
    from sewar import full_ref

    with checked(a, b, min_size=MIN_SIZE):
        return float(full_ref.scc(a, b))


METRIC = PairMetric(
    name="scc",
    version="1",
    title="SCC",
    description="Correlation of edges and texture; the share of textured windows if identical",
    better="higher",
    identical=float("nan"),
    value=value,
    bounds=(-1.0, 1.0),
    min_size=MIN_SIZE,
    kernel="scc",
)
