"""The verdict of a study, by its interval."""

from __future__ import annotations

import numpy as np
import pytest

from lusgan_core.usefulness.measures import Value
from lusgan_core.usefulness.verdict import Judgement, judge


def value(middle: float | None, spread: float = 0.0) -> Value:
    draws = np.linspace(middle - spread, middle + spread, 21) if spread and middle else [middle]
    return Value(middle, np.array(draws if middle is not None else [], float))


def judged(change: Value, **others: Value) -> Judgement:
    arms = {"synthetic-1": change, **others}
    differences = {arm: {"macro_f1": d, "recall/3": value(0.2, 0.1)} for arm, d in arms.items()}
    values = {a: {"macro_f1": value(0.5)} for a in (*arms, "real")}
    return judge(values, differences, minority=3, patients=20, worth=0.05)


@pytest.mark.parametrize(
    ("change", "verdict", "said"),
    [
        (value(0.10, 0.05), "helps", "Synthetic frames help: "),
        (value(-0.10, 0.05), "harms", "Synthetic frames do harm: "),
        (value(0.01, 0.03), "does not help", "Synthetic frames do not help: "),
        (value(0.01, 0.10), "cannot tell", "(interval from -0.08 to +0.10; too few patients)"),
        (Value(0.1, np.array([])), "cannot tell", "20 patients are too few for an interval"),
    ],
)
def test_the_interval_decides(change: Value, verdict: str, said: str) -> None:
    """Above nothing, below nothing, a gain worth having excluded, or neither."""
    found = judged(change)
    assert found.verdict == verdict
    assert said in found.text


def test_it_says_what_is_gained_without_synthetic_frames() -> None:
    """A gain that oversampling gives as well is not left to be taken for the frames'."""
    as_much = judged(value(0.1, 0.05), oversampled=value(0.12, 0.05))
    less = judged(value(0.1, 0.05), oversampled=value(0.02, 0.05))
    assert "By oversampling it changes by +0.12 [+0.07, +0.16], as much or more" in as_much.text
    assert "By oversampling" in less.text
    assert "as much" not in less.text


def test_another_arm_decides_where_one_is_missing() -> None:
    """The order is fixed before the study; the best of several is never chosen."""
    only = {"synthetic-2": value(0.1, 0.01), "synthetic-0.5": value(-0.1, 0.01)}
    differences = {arm: {"macro_f1": d, "recall/3": d} for arm, d in only.items()}
    values = {arm: {"macro_f1": value(0.5)} for arm in (*only, "real")}
    found = judge(values, differences, minority=3, patients=20, worth=0.05)
    assert (found.decisive, found.verdict) == ("synthetic-0.5", "harms")
    assert judge(values, {}, minority=3, patients=20, worth=0.05).verdict == "cannot tell"
