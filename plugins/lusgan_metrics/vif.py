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
    """Return the share, 0 upwards, or NaN; raises ConfigError for unfit frames."""
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
