"""RMSE: root mean squared error, the square root of MSE. It runs to 255, not to 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lusgan_core.api import PairMetric
from lusgan_metrics.frames import checked

if TYPE_CHECKING:
    from lusgan_core.api import Frame


def value(a: Frame, b: Frame) -> float:
    """Return the root mean squared difference, 0 to 255; raises ConfigError for unfit frames."""
    from sewar import full_ref

    with checked(a, b):
        return float(full_ref.rmse(a, b))


METRIC = PairMetric(
    name="rmse",
    version="1",
    title="RMSE",
    description="Root of the mean squared difference of grey levels",
    better="lower",
    identical=0.0,
    value=value,
    unit="grey levels",
    bounds=(0.0, 255.0),
    kernel="rmse",
)
