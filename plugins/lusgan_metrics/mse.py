"""MSE: mean squared error, the mean of (a - b)^2 over pixels and channels. Exact in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lusgan_core.api import PairMetric
from lusgan_metrics.frames import checked

if TYPE_CHECKING:
    from lusgan_core.api import Frame


def value(a: Frame, b: Frame) -> float:
    """Return the mean squared difference, 0 to 65025; raises ConfigError for unfit frames."""
    from sewar import full_ref

    with checked(a, b):
        return float(full_ref.mse(a, b))


METRIC = PairMetric(
    name="mse",
    version="1",
    title="MSE",
    description="Mean squared difference of grey levels",
    better="lower",
    identical=0.0,
    value=value,
    unit="squared grey levels",
    bounds=(0.0, 255.0**2),
    kernel="mse",
)
