"""UQI: universal quality index of correlation, luminance and contrast, in 8 x 8 windows.

Source: Wang and Bovik, IEEE Signal Processing Letters 9(3), 2002. sewar puts window means where the
paper has window sums, so its variances and covariances keep 63/64 of the squared means and values
come out higher: compare them with sewar's only. Averaged over windows four pixels off each edge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lusgan_core.api import PairMetric
from lusgan_metrics.frames import checked

if TYPE_CHECKING:
    from lusgan_core.api import Frame

MIN_SIZE = 9
"""A smaller frame has no window off its edges."""


def value(a: Frame, b: Frame) -> float:
    """Compute the mean universal quality index.

    Args:
        a: One frame, uint8 0..255, (H, W) grey or (H, W, 3) colour, no side shorter than 9 pixels.
        b: The other, of the same shape.

    Returns:
        -1 to 1; 1 for identical frames.

    Raises:
        ConfigError: The frames are not uint8 of such a shape, differ in shape, or are too small.
    """
    from sewar import full_ref

    with checked(a, b, min_size=MIN_SIZE):
        return float(full_ref.uqi(a, b))


METRIC = PairMetric(
    name="uqi",
    version="1",
    title="UQI",
    description="Universal quality index in 8 x 8 windows, as sewar computes it",
    better="higher",
    identical=1.0,
    value=value,
    bounds=(-1.0, 1.0),
    min_size=MIN_SIZE,
    kernel="uqi",
)
