"""RMSE: root mean squared error, the square root of MSE. Its largest value is 255, not 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lusgan_core.api import PairMetric
from lusgan_metrics.frames import checked

if TYPE_CHECKING:
    from lusgan_core.api import Frame


def value(a: Frame, b: Frame) -> float:
    """Compute the root of the mean squared difference of grey levels.

    Args:
        a: One frame, uint8 0..255, (H, W) grey or (H, W, 3) colour.
        b: The other, of the same shape.

    Returns:
        0 to 255, grey levels.

    Raises:
        ConfigError: The frames are not uint8 of such a shape, or differ in shape.
    """
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
