"""Metrics with options and a device, bound so that they take frames alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import Field, ValidationError

from lusgan_core.api import NoOptions, Options, PairMetric, SetMetric
from lusgan_core.measures.bound import bound
from lusgan_core.measures.pairs.compare import compare_sets
from lusgan_core.measures.pairs.frameset import FrameSet


class Scale(Options):
    """Options of the metrics below."""

    factor: float = Field(2.0, ge=0, le=10, description="Factor of the difference")


def value(a: Any, b: Any, options: Scale, *, device: str) -> float:
    assert device in ("cpu", "meta")
    return options.factor * abs(float(a.mean()) - float(b.mean()))


def prepare(frames: Any, options: Scale, *, device: str) -> Any:
    return options.factor * frames.reshape(len(frames), -1).mean(1)


def compare(a: Any, b: Any, options: Scale, *, device: str) -> Any:
    return np.abs(a[:, None] - b)


PAIR = PairMetric(
    "gap", "Gap", "Difference of means", "lower", 0.0, value,
    prepare=prepare, compare=compare, options=Scale, uses_device=True, kernel="mse",
)  # fmt: skip
PLAIN = PairMetric("plain", "Plain", "Nothing", "lower", 0.0, lambda a, b: 0.0, kernel="mse")
FRAMES = np.full((3, 8, 8), np.reshape([10, 20, 50], (3, 1, 1)), np.uint8)


def test_a_metric_that_asks_for_nothing_is_itself() -> None:
    """Most metrics are handed on as they are, with their kernel."""
    assert bound(PLAIN) is PLAIN


@pytest.mark.parametrize(("options", "expected"), [({}, 20.0), ({"factor": 5}, 50.0)])
def test_every_function_gets_options_and_device(options: dict[str, Any], expected: float) -> None:
    """Value, prepare and compare are bound alike; a kernel, which knows neither, is left out."""
    ready = bound(PAIR, options, "meta")
    assert ready.value(FRAMES[0], FRAMES[1]) == expected
    assert ready.prepare is not None
    assert ready.compare is not None
    assert ready.compare(ready.prepare(FRAMES), ready.prepare(FRAMES))[0, 1] == expected
    assert (ready.options, ready.uses_device, ready.kernel) == (NoOptions, False, None)
    assert bound(ready) is ready


def test_a_metric_on_sets_is_bound_too() -> None:
    """Its value gets its options."""
    metric = SetMetric(
        "n", "N", "Frames", "lower", 0.0, lambda a, b, options: options.factor, options=Scale
    )
    assert bound(metric, {"factor": 7}).value(None, None) == 7


def test_options_are_validated() -> None:
    """An option out of bounds is refused."""
    with pytest.raises(ValidationError, match="factor"):
        bound(PAIR, {"factor": 11})


@pytest.mark.parametrize("without", ["nothing", "prepare and compare"])
def test_all_pairs_takes_defaults_of_a_metric_that_is_not_bound(without: str) -> None:
    """Whoever compares sets need not know which metrics have options."""
    changes: dict[str, Any] = {} if without == "nothing" else {"prepare": None, "compare": None}
    from dataclasses import replace

    found = compare_sets(FrameSet(FRAMES), None, [replace(PAIR, **changes)])
    assert found.metrics["gap"].summary.max == 80
