"""How well a classifier judges patients that it has not seen, and whether chance explains that.

Shapes: N frames, K scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST = 0.5
"""Accuracy below which a classifier's judgement counts for nothing."""
DRAWS = 1000
"""Draws of a bootstrap over patients."""
SEED = 11
Ints = NDArray[np.int64]


def judged(true: Ints, given: Ints, patients: Ints, scores: Sequence[int]) -> dict[str, Any]:
    """Judge a classifier by frames of patients that it has not seen.

    Args:
        true: Place of each frame's score in ``scores`` (N,).
        given: Place of the score that the classifier gives it (N,).
        patients: Number of each frame's patient (N,).
        scores: The scores that are told from each other.

    Returns:
        The fields of an ``EncoderRecord`` that say how well it judges.
    """
    count = len(scores)
    names = np.unique(patients)
    per_patient = np.zeros((len(names), count, count), np.int64)
    np.add.at(per_patient, (np.searchsorted(names, patients), true, given), 1)
    whole = per_patient.sum(0)
    found: dict[str, Any] = {
        "confusion": tuple(tuple(row) for row in whole.tolist()),
        "held_out_patients": len(names),
    }
    present = int((whole.sum(1) > 0).sum())
    if present < 2:
        return found | {
            "doubt": "held-out patients show one score, so nobody can say how well it tells scores "
            "apart: hold more patients out"
            if present
            else "no patient is held out by whom it could be judged"
        }
    value, chance = _accuracy(whole)
    drawn = np.random.default_rng(SEED).integers(0, len(names), (DRAWS, len(names)))
    draws = [_accuracy(per_patient[chosen].sum(0)) for chosen in drawn]
    ends = np.quantile([one for one, _ in draws], (0.05, 0.95)).tolist()
    beyond = float(np.quantile([one - by_chance for one, by_chance in draws], 0.05))
    said = f"it judges {value:.0%} of held-out patients' frames right (mean over scores)"
    doubt = ""
    if value < LEAST:
        doubt = f"{said}, less than {LEAST:.0%}"
    elif beyond <= 0:
        doubt = f"{said} of {len(names)} patients, with others it might do no better than chance"
    return found | {
        "accuracy": value,
        "accuracy_range": tuple(ends),
        "chance": chance,
        "doubt": doubt,
    }


def _accuracy(confusion: Ints) -> tuple[float, float]:
    """Mean over scores of the share that is judged right, and what one score for all would reach.

    Scores without a frame do not count.
    """
    frames = confusion.sum(1)
    there = frames > 0
    right = np.diag(confusion)[there] / frames[there]
    return float(right.mean()), float(1 / there.sum())
