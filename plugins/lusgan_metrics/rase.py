"""RASE: relative average spectral error, in percent of the first frame's brightness.

In each 8 x 8 window, 100 / mean of the first frame x RMSE of the two; then the mean over windows,
four pixels off each edge (Gonzalez-Audicana et al., IEEE TGRS 42(6), 2004, windowed by sewar). A
window where the first frame is black counts 0. The order of frames matters, and dark windows
dominate.
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
    """Compute the relative average spectral error.

    Args:
        a: The reference frame, uint8 0..255, (H, W) grey or (H, W, 3) colour, no side shorter than
            9 pixels.
        b: The frame that is compared with it, of the same shape.

    Returns:
        Percent of the first frame's brightness, 0 upwards.

    Raises:
        ConfigError: The frames are not uint8 of such a shape, differ in shape, or are too small.
    """
    from sewar import full_ref

    with checked(a, b, min_size=MIN_SIZE):
        return float(full_ref.rase(a, b))


METRIC = PairMetric(
    name="rase",
    version="1",
    title="RASE",
    description="Relative average spectral error, windowed; order matters, dark areas dominate",
    better="lower",
    identical=0.0,
    value=value,
    unit="%",
    bounds=(0.0, float("inf")),
    symmetric=False,
    min_size=MIN_SIZE,
    kernel="rase",
)
