"""SSIM: structural similarity of luminance, contrast and structure.

Windows of 11 x 11 equal weights (sewar's default; the paper's are Gaussian), inside the frame
only, K1 = 0.01 and K2 = 0.03, averaged over windows, then channels. Source: Wang, Bovik, Sheikh and
Simoncelli, IEEE TIP 13(4), 2004.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lusgan_core.api import PairMetric
from lusgan_metrics.frames import checked

if TYPE_CHECKING:
    from lusgan_core.api import Frame

MIN_SIZE = 11
"""One window."""


def value(a: Frame, b: Frame) -> float:
    """Compute the mean structural similarity.

    Args:
        a: One frame, uint8 0..255, (H, W) grey or (H, W, 3) colour, no side shorter than 11 pixels.
        b: The other, of the same shape.

    Returns:
        -1 to 1; 1 for identical frames.

    Raises:
        ConfigError: The frames are not uint8 of such a shape, differ in shape, or are too small.
    """
    from sewar import full_ref

    with checked(a, b, min_size=MIN_SIZE):
        similarity, _contrast_structure = full_ref.ssim(a, b)
        return float(similarity)


METRIC = PairMetric(
    name="ssim",
    version="1",
    title="SSIM",
    description="Structural similarity in 11 x 11 windows",
    better="higher",
    identical=1.0,
    value=value,
    bounds=(-1.0, 1.0),
    min_size=MIN_SIZE,
    kernel="ssim",
)
