"""SAM: spectral angle mapper, the angle between two pixels' colours, averaged, in radians.

Pixels that are black in either frame are left out; NaN if none remain. A grey pixel has no colour,
so on grey frames, and on colour ones of three equal channels, the angle is 0 (to rounding, 1e-8)
whatever they show. (sewar up to 0.4.8 took one angle over the whole image instead; the pairs engine
offers that as ``compat``.) Source: Yuhas, Goetz and Boardman, JPL AVIRIS workshop 1992.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lusgan_core.api import PairMetric
from lusgan_metrics.frames import checked

if TYPE_CHECKING:
    from lusgan_core.api import Frame


def value(a: Frame, b: Frame) -> float:
    """Compute the mean angle between the colours of pixels.

    Args:
        a: One frame, uint8 0..255, (H, W) grey or (H, W, 3) colour.
        b: The other, of the same shape.

    Returns:
        0 to pi/2, radians; NaN where every pixel is black in one of the frames.

    Raises:
        ConfigError: The frames are not uint8 of such a shape, or differ in shape.
    """
    from sewar import full_ref

    with checked(a, b):
        return float(full_ref.sam(a, b))


METRIC = PairMetric(
    name="sam",
    version="1",
    title="SAM",
    description="Mean angle between pixels' colours; always 0 on grey frames",
    better="lower",
    identical=0.0,
    value=value,
    unit="rad",
    bounds=(0.0, math.pi / 2),
    kernel="sam",
)
