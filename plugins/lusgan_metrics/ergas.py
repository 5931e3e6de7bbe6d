"""ERGAS: relative global error of synthesis, 25 sqrt(mean over channels of MSE / mean^2).

The mean is the first frame's, so the order of frames matters. A channel that is black in the first
frame gives inf, or NaN if it is black in both. The 25 is 100 x sewar's default ratio of
resolutions, 1/4. Source: Wald, "Quality of high resolution synthesised images", 2000.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lusgan_core.api import PairMetric
from lusgan_metrics.frames import checked

if TYPE_CHECKING:
    from lusgan_core.api import Frame


def value(a: Frame, b: Frame) -> float:
    """Compute the relative global error of synthesis.

    Args:
        a: The reference frame, uint8 0..255, (H, W) grey or (H, W, 3) colour.
        b: The frame that is compared with it, of the same shape.

    Returns:
        0 to infinity; infinity where a channel is black in the first frame, NaN where it is black
        in both.

    Raises:
        ConfigError: The frames are not uint8 of such a shape, or differ in shape.
    """
    from sewar import full_ref

    with checked(a, b):
        return float(full_ref.ergas(a, b))


METRIC = PairMetric(
    name="ergas",
    version="1",
    title="ERGAS",
    description="Error relative to the first frame's mean brightness; order matters",
    better="lower",
    identical=0.0,
    value=value,
    bounds=(0.0, float("inf")),
    symmetric=False,
    kernel="ergas",
)
