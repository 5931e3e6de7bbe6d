"""PSNR: peak signal-to-noise ratio, 10 log10(255^2 / MSE) in dB.

Infinite for identical frames; 0 dB where one is all black and the other all white.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lusgan_core.api import PairMetric
from lusgan_metrics.frames import checked

if TYPE_CHECKING:
    from lusgan_core.api import Frame


def value(a: Frame, b: Frame) -> float:
    """Compute the peak signal-to-noise ratio.

    Args:
        a: One frame, uint8 0..255, (H, W) grey or (H, W, 3) colour.
        b: The other, of the same shape.

    Returns:
        0 dB to infinity; infinity for identical frames.

    Raises:
        ConfigError: The frames are not uint8 of such a shape, or differ in shape.
    """
    from sewar import full_ref

    with checked(a, b):
        return float(full_ref.psnr(a, b))


METRIC = PairMetric(
    name="psnr",
    version="1",
    title="PSNR",
    description="Peak signal-to-noise ratio; infinite for identical frames",
    better="higher",
    identical=float("inf"),
    value=value,
    unit="dB",
    bounds=(0.0, float("inf")),
    kernel="psnr",
)
