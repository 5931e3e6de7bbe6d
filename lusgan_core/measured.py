"""Measured values: one shape from the stage that measures to report, UI, ``--json`` and gates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from lusgan_core.domain import Record

REAL, SYNTHETIC = "real", "synthetic"
"""Sides that a value can be between."""
TRAINING, HELD_OUT = "training", "held-out"
"""Sides of real frames, for values that tell them apart: distances between sets."""

NOISE = "noise"
"""The ceiling of white noise."""


class Measured(Record):
    """One measured value."""

    metric: str
    """Name of the metric, e.g. ``msssim``; on features also of their extractor: ``kid/random``."""
    title: str
    """The same for people, e.g. ``MS-SSIM``."""
    between: tuple[str, ...] = ()
    """The sides that were compared, e.g. ``("real", "synthetic")``; empty for none."""
    statistic: str = "value"
    """Over many values: ``mean``, ``sd``, ``min``, ``max``, or the number that was ``infinite``."""
    value: float | None
    """None where it is undefined or infinite."""
    unit: str = ""
    better: Literal["higher", "lower", ""] = ""
    """Which direction means more alike; empty where neither does."""
    bounds: tuple[float | None, float | None] = (None, None)
    """Smallest and largest value that the metric can have; None for no bound."""
    number: int = 0
    """Number of pairs, frames or iterations that the value is computed from."""
    floor: float | None = None
    """The same statistic between real frames: the best that synthetic ones could reach."""
    floor_range: tuple[float, float] | None = None
    """Range of the floor with other patients, 5 to 95 %: of random halves of all real patients."""
    interval: tuple[float, float] | None = None
    """Range of the value with other patients, 5 to 95 %."""
    ceilings: dict[str, float] = Field(default_factory=dict)
    """The same statistic for frames that are known to be bad, by their kind: ``noise`` ..."""

    @property
    def direction(self) -> str:
        """Which values mean more alike, in words; empty where neither does."""
        if not self.better:
            return ""
        arrow = "↑ higher" if self.better == "higher" else "↓ lower"
        return f"{arrow} = more alike" + (f", in {self.unit}" if self.unit else "")

    @property
    def way_to_noise(self) -> float | None:
        """Its place on the way from its floor, 0, to the ceiling ``noise``, 1.

        None where one of the three is missing, or noise is no worse than the floor.
        """
        noise = self.ceilings.get(NOISE)
        if self.value is None or self.floor is None or noise is None or noise <= self.floor:
            return None
        return (self.value - self.floor) / (noise - self.floor)


def find(
    values: Iterable[Measured], metric: str, between: tuple[str, ...] = (), statistic: str = "mean"
) -> Measured | None:
    """Find a measured value.

    Args:
        values: The values to search.
        metric: Name of the metric, e.g. ``msssim``.
        between: The sides that were compared, in order, e.g. ``("real", "synthetic")``.
        statistic: ``mean``, ``sd``, ``min``, ``max``, ``infinite`` or ``value``.

    Returns:
        The first that fits all three; None where it was not measured.
    """
    wanted = (metric, between, statistic)
    return next((v for v in values if (v.metric, v.between, v.statistic) == wanted), None)


def find_distance(
    values: Iterable[Measured], metric: str, between: tuple[str, ...]
) -> Measured | None:
    """Find a distance between sets, on the first of the feature extractors that have it.

    Args:
        values: The values to search.
        metric: Name of the metric without its extractor, e.g. ``kid``.
        between: The sides that were compared, in order.

    Returns:
        The value; None where it was not measured.
    """
    named = (value for value in values if value.metric.startswith(f"{metric}/"))
    return next((value for value in named if value.between == between), None)
