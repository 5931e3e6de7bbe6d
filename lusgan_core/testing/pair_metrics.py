"""The contract of a metric on two frames.

Shapes: N and M frames, H height, W width; frames are uint8 (H, W) or (H, W, 3).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import Options, PairMetric
from lusgan_core.measures.bound import bound
from lusgan_core.testing.records import RecordContract

Frame = NDArray[np.uint8]


class PairMetricContract(RecordContract):
    """The tests of a pair metric. Set ``record``; set ``tolerance`` for coarse arithmetic."""

    record: PairMetric
    tolerance: float = 1e-6
    """Tolerance of two equal values: relative, and absolute below 1."""

    def functions(self) -> dict[str, Callable[..., Any]]:
        """The value, and the batched way to it if there is one."""
        record = self.record
        named = {"value": record.value, "prepare": record.prepare, "compare": record.compare}
        return {name: function for name, function in named.items() if function is not None}

    def value(self, a: Frame, b: Frame) -> float:
        """The metric's value with its default options, on the CPU.

        Args:
            a: One frame.
            b: The other, of the same shape.

        Returns:
            What the metric gives.
        """
        return bound(self.record).value(a, b)

    def side(self) -> int:
        """Side of the test frames: at least what the metric needs."""
        return max(64, self.record.min_size)

    def close(self, one: float, two: float) -> bool:
        """Whether two values agree.

        Args:
            one: A value of the metric.
            two: The value that it should equal.

        Returns:
            True if they are within tolerance, infinite with the same sign, or both NaN.
        """
        if math.isnan(one) or math.isnan(two):
            return math.isnan(one) and math.isnan(two)
        return math.isclose(one, two, rel_tol=self.tolerance, abs_tol=self.tolerance)

    def test_can_be_shown(self) -> None:
        """It has a title, a direction, ordered bounds, and channels that frames can have."""
        record = self.record
        assert record.title.strip(), f"{record.name}: the title is empty"
        assert record.better in ("higher", "lower"), f"better is {record.better!r}"
        assert record.bounds[0] < record.bounds[1], f"bounds {record.bounds} are not in order"
        assert record.channels, f"{record.name} applies to no channels"
        assert record.channels <= {1, 3}, f"channels {set(record.channels)}: expected 1, 3 or both"

    def test_value_is_a_float_within_bounds(self) -> None:
        """For any two frames, flat and equal ones too, the value is a float in bounds, or NaN."""
        low, high = self.record.bounds
        slack = self.tolerance * max([1.0, *(abs(b) for b in (low, high) if math.isfinite(b))])
        for channels in self.record.channels:
            frames = sample_frames(self.side(), channels)
            for (a, one), (b, two) in itertools.product(frames.items(), repeat=2):
                if self.record.symmetric and a > b:
                    continue  # the same pair was tried the other way round
                value = self.value(one, two)
                assert type(value) is float, f"{a}, {b}: {type(value).__name__}, expected a float"
                fits = math.isnan(value) or low - slack <= value <= high + slack
                assert fits, f"{a}, {b}: value {value} outside {self.record.bounds}"

    def test_smallest_frames_work(self) -> None:
        """Frames of ``min_size`` pixels a side have a value."""
        for channels in self.record.channels:
            frames = sample_frames(self.record.min_size, channels)
            value = self.value(frames["smooth"], frames["noise"])
            assert self.record.min_size < 2 or not math.isnan(value), (
                f"{self.record.name} is NaN for {self.record.min_size} pixels a side"
            )

    def test_identical_frames_have_the_stated_value(self) -> None:
        """A frame beside itself gives ``identical``, unless that is NaN: depends on the frame."""
        if math.isnan(self.record.identical):
            return
        for channels in self.record.channels:
            for name in ("smooth", "noise", "blocks"):
                frame = sample_frames(self.side(), channels)[name]
                value = self.value(frame, frame.copy())
                assert self.close(value, self.record.identical), (
                    f"{name} beside itself: {value}, expected {self.record.identical}"
                )

    def test_symmetric_exactly_if_said(self) -> None:
        """Swapping frames changes nothing, or, for a directed metric, something."""
        differs = False
        for channels in self.record.channels:
            frames = list(sample_frames(self.side(), channels).items())[:4]
            for (a, one), (b, two) in itertools.combinations(frames, 2):
                forth, back = self.value(one, two), self.value(two, one)
                same = self.close(forth, back)
                assert same or not self.record.symmetric, f"{a}, {b}: {forth} one way, {back} back"
                differs = differs or not same
        assert differs or self.record.symmetric, (
            f"{self.record.name} is called directed, but no pair tells the order"
        )

    def test_gets_worse_with_growing_noise(self) -> None:
        """``better`` is the right way round: more noise is never better, much of it is worse."""
        worsens = False
        for channels in self.record.channels:
            frame = sample_frames(self.side(), channels)["smooth"]
            values = [self.value(frame, noisy(frame, sd)) for sd in (2.0, 10.0, 50.0)]
            if self.record.better == "lower":
                values = [-v for v in values]
            slack = self.tolerance * max(1.0, abs(values[0]))
            assert values[0] + slack >= values[1], f"{values[:2]}: more noise is better"
            assert values[1] + slack >= values[2], f"{values[1:]}: more noise is better"
            worsens = worsens or values[0] > values[2] + slack
        assert worsens, f"{self.record.name} does not see noise"

    def test_frames_are_left_alone(self) -> None:
        """Frames may be read-only, as memory-mapped ones are, and are not written to."""
        for channels in self.record.channels:
            frames = sample_frames(self.side(), channels)
            one, two = frames["smooth"], frames["noise"]
            one.flags.writeable = two.flags.writeable = False
            self.value(one, two)

    def test_batched_values_are_the_single_ones(self) -> None:
        """``compare`` of prepared sets gives (N, M) float64 of what ``value`` gives a pair."""
        ready = bound(self.record)
        prepare, compare = ready.prepare, ready.compare
        assert (prepare is None) == (compare is None), "give prepare and compare, or neither"
        if prepare is None or compare is None:
            return
        for channels in self.record.channels:
            frames = list(sample_frames(self.side(), channels).values())
            a, b = frames[:3], frames[2:]
            table = compare(prepare(np.stack(a)), prepare(np.stack(b)))
            shape = (len(a), len(b))
            assert table.shape == shape, f"compare gave {table.shape}, expected {shape}"
            assert table.dtype == np.float64, f"compare gave {table.dtype}, expected float64"
            for i, j in np.ndindex(*shape):
                value = self.value(a[i], b[j])
                assert self.close(float(table[i, j]), value), (
                    f"pair {i}, {j}: compare gives {table[i, j]}, value gives {value}"
                )

    def test_every_option_counts(self) -> None:
        """Each switch, choice and number among the options changes the value of some pair."""
        frames = [
            list(sample_frames(self.side(), channels).values()) for channels in self.record.channels
        ]

        def values(options: Options) -> list[str]:
            value = bound(self.record, options.model_dump(mode="json")).value
            every = [p for these in frames for p in itertools.product(these, repeat=2)]
            return [repr(value(one, two)) for one, two in every]  # as text NaN equals NaN

        self.check_options(values, "value")


def sample_frames(side: int, channels: int) -> dict[str, Frame]:
    """Make frames unlike each other: a fan, a smooth, a noisy, a blocky and two flat ones.

    Args:
        side: Height and width, pixels.
        channels: 1 for grey, 3 for RGB.

    Returns:
        Frames by name, (H, W) or (H, W, 3) uint8; the same in every call.
    """
    rng = np.random.default_rng(side + channels)
    y, x, c = np.ogrid[0 : 1 : side * 1j, 0 : 1 : side * 1j, 1 : channels + 1]
    smooth = 120 + 60 * np.sin(4 * x + c) * np.cos(5 * y * c) + 30 * np.cos(40 * x + 30 * y)
    speckle = rng.integers(0, 256, (side, side, channels))
    shape = np.broadcast_to(0.0, speckle.shape)
    fan = np.where(np.abs(x - 0.5) < 0.15 + 0.35 * y, speckle * (1 - 0.7 * y) + shape, 0)
    tiles = rng.integers(0, 256, (side // 8 + 1, side // 8 + 1, channels))
    blocks = tiles.repeat(8, 0).repeat(8, 1)[:side, :side]
    frames = {
        "smooth": smooth + shape,
        "noise": speckle,
        "blocks": blocks,
        "fan": fan,
        "black": shape,
        "grey": shape + 128,
    }
    squeezed = {name: frame[..., 0] if channels == 1 else frame for name, frame in frames.items()}
    return {name: np.ascontiguousarray(f).astype(np.uint8) for name, f in squeezed.items()}


def noisy(frame: Frame, sd: float) -> Frame:
    """Add Gaussian noise to a frame, the same draw in every call.

    Args:
        frame: (H, W) or (H, W, 3) uint8.
        sd: Standard deviation of the noise, grey levels.

    Returns:
        A frame of the same shape, rounded and clipped to 0..255.
    """
    draw = np.random.default_rng(0).standard_normal(frame.shape)
    return np.clip(frame + sd * draw, 0, 255).round().astype(np.uint8)
