"""VIF: visual information fidelity in the pixel domain (VIFp), four scales.

The share of the first frame's information that the second still holds, so the order of frames
matters; more contrast than the first has gives more than 1. NaN where the first frame is flat.
Source: Sheikh and Bovik, IEEE TIP 15(2), 2006.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lusgan_core.api import PairMetric
from lusgan_metrics.frames import checked

if TYPE_CHECKING:
    from lusgan_core.api import Frame

MIN_SIZE = 41
"""What its four windows (17, 9, 5, 3 pixels) and three halvings need."""


def value(a: Frame, b: Frame) -> float:
    """Compute the visual information fidelity.

    Args:
        a: The reference frame, uint8 0..255, (H, W) grey or (H, W, 3) colour, no side shorter than
            41 pixels.
        b: The frame that is compared with it, of the same shape.

    Returns:
        Share of the first frame's information, 0 upwards; NaN where the first frame is flat.

    Raises:
        ConfigError: The frames are not uint8 of such a shape, differ in shape, or are too small.
    """
    from sewar import full_ref

    with checked(a, b, min_size=MIN_SIZE):
        return float(full_ref.vifp(a, b))


METRIC = PairMetric(
    name="vif",
    version="1",
    title="VIF",
    description="Share of the first frame's visual information kept in the second; order matters",
    better="higher",
    identical=1.0,
    value=value,
    bounds=(0.0, float("inf")),
    symmetric=False,
    min_size=MIN_SIZE,
    kernel="vif",
)
