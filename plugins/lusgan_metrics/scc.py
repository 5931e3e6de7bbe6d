"""SCC: spatial correlation coefficient, how alike edges and texture are.

Both frames are filtered by a Laplacian of eight neighbours; then the correlation in 8 x 8 windows,
0 where either is flat, is averaged over all pixels (Zhou, Civco and Silander, Int. J. Remote
Sensing 19(4), 1998, windowed by sewar). Identical frames give the share of windows that are not
flat: for a fan on black about 0.8, never 1.
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
    """Compute the mean correlation of edges and texture.

    Args:
        a: One frame, uint8 0..255, (H, W) grey or (H, W, 3) colour, no side shorter than 8 pixels.
        b: The other, of the same shape.

    Returns:
        -1 to 1; for identical frames the share of windows that are not flat.

    Raises:
        ConfigError: The frames are not uint8 of such a shape, differ in shape, or are too small.
    """
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
