"""RASE: relative average spectral error, in percent of the first frame's brightness.

In each 8 x 8 window, 100 / mean of the first frame x RMSE of the two; then the mean over windows,
four pixels off each edge (Gonzalez-Audicana et al., IEEE TGRS 42(6), 2004, windowed by sewar). A
window where the first frame is black counts 0. The order of frames matters, and so do dark windows
above all.
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
    """Return the relative error in percent, 0 upwards; raises ConfigError for unfit frames."""
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
