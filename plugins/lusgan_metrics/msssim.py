"""MS-SSIM: structural similarity over five scales.

The product of contrast-structure at five scales and luminance at the last, each to its power, with
Gaussian windows of 11 x 11, sigma 1.5. Contrast-structure may be negative, and its power is then
complex: the value is the real part of the product. (sewar up to 0.4.8 returned the complex number,
of which the report took the modulus; the pairs engine offers that as ``compat``.) Source: Wang,
Simoncelli and Bovik, Asilomar 2003.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lusgan_core.api import PairMetric
from lusgan_metrics.frames import checked

if TYPE_CHECKING:
    from lusgan_core.api import Frame

MIN_SIZE = 176
"""Four halvings must leave one window of 11; below, sewar would drop scales."""


def value(a: Frame, b: Frame) -> float:
    """Compute the multi-scale structural similarity.

    Args:
        a: One frame, uint8 0..255, (H, W) grey or (H, W, 3) colour, no side shorter than 176
            pixels.
        b: The other, of the same shape.

    Returns:
        -1 to 1; 1 for identical frames.

    Raises:
        ConfigError: The frames are not uint8 of such a shape, differ in shape, or are too small.
    """
    from sewar import full_ref

    with checked(a, b, min_size=MIN_SIZE):
        return float(full_ref.msssim(a, b).real)


METRIC = PairMetric(
    name="msssim",
    version="2",
    title="MS-SSIM",
    description="Structural similarity over five scales",
    better="higher",
    identical=1.0,
    value=value,
    bounds=(-1.0, 1.0),
    min_size=MIN_SIZE,
    kernel="msssim",
)
