"""The contract of a metric on two sets of frames, given as features.

Shapes: N and M frames, D features a frame; features are float64 (N, D) and (M, D).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import SetMetric
from lusgan_core.measures.bound import bound
from lusgan_core.testing.records import RecordContract

Features = NDArray[np.float64]
Groups = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Groups of the frames of both sets, (N,) and (M,)."""


class SetMetricContract(RecordContract):
    """The tests of a set metric. Set ``record``; set ``tolerance`` for coarse arithmetic."""

    record: SetMetric
    tolerance: float = 1e-6
    """Tolerance of two equal values, relative to the value at the greatest distance tried."""

    def functions(self) -> dict[str, Callable[..., Any]]:
        """The metric's value."""
        return {"value": self.record.value}

    def value(self, a: Features, b: Features, groups: Groups | None = None) -> float:
        """The metric's value with its default options, on the CPU.

        Args:
            a: Features of one set, (N, D) float64.
            b: Features of the other, (M, D) float64.
            groups: Groups of both sets, for a metric that takes them; None for frames that are
                each a group of their own.

        Returns:
            What the metric gives.
        """
        if not self.record.grouped_by:
            return bound(self.record).value(a, b)
        return bound(self.record).value(a, b, *(groups or (np.arange(len(a)), np.arange(len(b)))))

    def scale(self) -> float:
        """Size of the metric's values: the value of two distant sets, or 1 if that is smaller."""
        return max(1.0, abs(self.value(features(0), features(1, shift=8.0))))

    def test_value_is_a_float_within_bounds(self) -> None:
        """Sets of unequal size have a float within the bounds."""
        low, high = self.record.bounds
        slack = self.tolerance * self.scale()
        for shift in (0.0, 1.0, 8.0):
            value = self.value(features(0, 200), features(1, 150, shift))
            assert type(value) is float, f"{type(value).__name__}, expected a float"
            assert low - slack <= value <= high + slack, f"{value} outside {self.record.bounds}"

    def test_identical_sets_have_the_stated_value(self) -> None:
        """A set beside itself gives ``identical``, unless that is NaN."""
        if math.isnan(self.record.identical):
            return
        value = self.value(features(0), features(0))
        near = math.isclose(value, self.record.identical, abs_tol=self.tolerance * self.scale())
        assert near, f"a set beside itself: {value}, expected {self.record.identical}"

    def test_order_of_frames_is_nothing(self) -> None:
        """Shuffling either set does not change the value."""
        one, two = features(0), features(1, shift=1.0)
        before = self.value(one, two)
        after = self.value(one[::-1].copy(), two[::-1].copy())
        near = math.isclose(before, after, abs_tol=self.tolerance * self.scale())
        assert near, f"{before} in one order of frames, {after} in another"

    def test_features_are_left_alone(self) -> None:
        """Features may be read-only, and are not written to."""
        one, two = features(0), features(1, shift=1.0)
        before = one.copy(), two.copy()
        self.value(one, two)
        assert np.array_equal(one, before[0]), "the first set was written to"
        assert np.array_equal(two, before[1]), "the second set was written to"
        one.flags.writeable = two.flags.writeable = False
        self.value(one, two)

    def test_groups_count_and_their_numbers_do_not(self) -> None:
        """Where it takes groups, two of many frames have another value than many of one frame, and
        the same value under other numbers."""
        if not self.record.grouped_by:
            return
        one, two = features(0), features(1, shift=1.0)
        halves = np.arange(len(one)) % 2
        alone = self.value(one, two)
        grouped = self.value(one, two, (halves, halves))
        assert grouped != alone, f"{grouped}, frames of one {self.record.grouped_by} or not"
        renamed = self.value(one, two, (7 - halves, 3 + 5 * halves))
        near = math.isclose(grouped, renamed, abs_tol=self.tolerance * self.scale())
        assert near, f"{grouped} with groups 0 and 1, {renamed} with other numbers for them"

    def test_fewest_frames_work(self) -> None:
        """Sets of ``min_frames`` frames have a value."""
        least = self.record.min_frames
        assert least >= 1, f"min_frames is {least}, expected at least 1"
        value = self.value(features(0, least), features(1, least))
        assert math.isfinite(value), f"{value} for {least} frames a side"

    def test_gets_worse_with_distance(self) -> None:
        """``better`` is the right way round: a set further away is never better."""
        near, far = (self.value(features(0), features(1, shift=s)) for s in (0.0, 8.0))
        worse = far > near if self.record.better == "lower" else far < near
        assert worse, f"{near} for a near set, {far} for a far one, better is {self.record.better}"


def features(seed: int, frames: int = 200, shift: float = 0.0) -> Features:
    """Draw normally distributed features.

    Args:
        seed: Seed of the draw.
        frames: Number of frames, N.
        shift: Mean of every feature; the standard deviation is 1.

    Returns:
        Features (N, 8) float64.
    """
    return np.random.default_rng(seed).standard_normal((frames, 8)) + shift
