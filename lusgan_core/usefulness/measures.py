"""What is measured of classifiers, with intervals over patients.

Judgements of several seeds are measured seed by seed and averaged. An interval is that of 1,000
draws of as many patients, with replacement (a cluster bootstrap); two arms are compared on the same
draws.

Shapes: S seeds, P patients, K scores, B bins, D draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lusgan_core.classification.stage import Judged

DRAWS = 1000
SEED = 13
ENOUGH = 4
"""Patients from which on there are intervals."""
ENDS = (0.05, 0.95)
Floats = NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Judgements:
    """How the frames of each patient were judged, in every seed."""

    confusion: Floats
    """(S, P, K, K): frames by true score and by the score that they were given."""
    bins: Floats
    """(S, P, B, 3): frames of each bin of confidence, their confidence, and those judged right."""


@dataclass(frozen=True)
class Value:
    """A value, and what it would be with other patients."""

    value: float | None
    draws: Floats
    """The same of each draw of patients (D,); NaN where it is undefined there."""

    @property
    def interval(self) -> Interval | None:
        """5% to 95% of the draws; None where there are too few patients."""
        known = self.draws[np.isfinite(self.draws)]
        if self.value is None or not known.size:
            return None
        low, high = np.quantile(known, ENDS).tolist()
        return low, high

    def over(self, other: Value) -> Value:
        """The difference to another arm's value, on the same patients and the same draws."""
        both = self.value is not None and other.value is not None
        value = self.value - other.value if both else None  # type: ignore[operator]
        return Value(value, self.draws - other.draws)


def judgements(judged: Sequence[Judged], patients: Sequence[str]) -> Judgements:
    """Put together how one arm's classifiers judged.

    Args:
        judged: Judgements of all folds and seeds.
        patients: Codes of the patients that count; each was judged once a seed.

    Returns:
        The judgements, patients in the order given.
    """
    place = {code: number for number, code in enumerate(patients)}
    seeds = sorted({one.seed for one in judged})
    first = judged[0].patients[0]
    shape = len(seeds), len(patients)
    confusion = np.zeros((*shape, *np.shape(first.confusion)))
    bins = np.zeros((*shape, *np.shape(first.bins)))
    for one in judged:
        for tally in one.patients:
            if tally.patient in place:
                where = seeds.index(one.seed), place[tally.patient]
                confusion[where] += tally.confusion
                bins[where] += tally.bins
    return Judgements(confusion, bins)


def measured(of: Judgements, scores: Sequence[int]) -> dict[str, Value]:
    """Measure one arm.

    Args:
        of: How its classifiers judged.
        scores: The scores, in the order of rows and columns.

    Returns:
        ``macro_f1``, ``recall/SCORE`` of each score, ``kappa`` and ``ece``.
    """
    patients = of.confusion.shape[1]
    rng = np.random.default_rng(SEED)
    weights = rng.multinomial(patients, np.full(patients, 1 / patients), DRAWS).astype(float)
    whole = np.vstack([np.ones(patients), weights if patients >= ENOUGH else weights[:0]])
    confusion = np.einsum("dp,spij->dsij", whole, of.confusion)
    bins = np.einsum("dp,spbx->dsbx", whole, of.bins)
    recalls = recall(confusion)
    found = {
        "macro_f1": macro_f1(confusion),
        **{f"recall/{score}": recalls[..., place] for place, score in enumerate(scores)},
        "kappa": kappa(confusion),
        "ece": calibration_error(bins),
    }
    return {name: _value(values.mean(axis=1)) for name, values in found.items()}


def _value(values: Floats) -> Value:
    first = float(values[0])
    return Value(first if np.isfinite(first) else None, values[1:])


def recall(confusion: Floats) -> Floats:
    """Share of a score's frames that are judged as it (..., K); NaN where it has no frame."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.diagonal(confusion, axis1=-2, axis2=-1) / confusion.sum(-1)  # type: ignore[no-any-return]


def macro_f1(confusion: Floats) -> Floats:
    """Mean over scores of F1 = 2 TP / (2 TP + FP + FN) (...).

    A score that no frame has does not count; one that no frame is given has F1 = 0.
    """
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    there, given = confusion.sum(-1), confusion.sum(-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = np.where(there > 0, 2 * right / (there + given), np.nan)
        return np.nansum(f1, -1) / (there > 0).sum(-1)  # type: ignore[no-any-return]


def kappa(confusion: Floats) -> Floats:
    """Agreement with the labels beyond chance (...): Cohen's kappa, as raters are compared by."""
    total = confusion.sum((-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        agreed = np.trace(confusion, axis1=-2, axis2=-1) / total
        chance = (confusion.sum(-1) * confusion.sum(-2)).sum(-1) / total**2
        return (agreed - chance) / (1 - chance)  # type: ignore[no-any-return]


def calibration_error(bins: Floats) -> Floats:
    """Expected calibration error (...), of the score that is given to each frame.

    The sum over bins of confidence of |frames judged right - sum of their confidence|, divided by
    all frames (Naeini et al., AAAI 2015; Guo et al., ICML 2017, equation 3): 0 where frames that
    are given a score with 80% confidence have it 80 times in 100. Bins are equally wide.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        gaps = np.abs(bins[..., 2] - bins[..., 1]).sum(-1)
        return gaps / bins[..., 0].sum(-1)  # type: ignore[no-any-return]
