"""Audits frames that are in memory: limits, flagged frames, planted copies, published measures.

Shapes: N frames, H height, W width, D features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lusgan_core.evaluation.audit.limits import (
    RATES,
    expected_rate,
    flagged,
    joint_limits,
    p_value,
    power,
    split_patients,
    wilson,
)
from lusgan_core.evaluation.audit.plants import KINDS, plant
from lusgan_core.evaluation.audit.published import authenticity, c_t
from lusgan_core.evaluation.audit.ratios import Ratios, feature_distances, ratios
from lusgan_core.evaluation.audit.record import AuditLimit, AuditRecord, Planted, Suspect
from lusgan_core.evaluation.real_frame import RealFrame

Frames = NDArray[np.uint8]
Floats = NDArray[np.float64]
SHARES = (0.001, 0.005, 0.01, 0.02, 0.05)
"""Shares of copies in a set for which the power of the verdict is given."""


@dataclass(frozen=True)
class Part:
    """Frames of one side, with their features."""

    frames: Frames
    """(N, H, W) or (N, H, W, 3)."""
    features: Floats
    """(N, D)."""
    where: tuple[RealFrame, ...] = ()
    """The place of each frame; empty for synthetic ones. A patient's code here stands for all codes
    of one patient."""

    def chosen(self, kept: NDArray[np.int64]) -> Part:
        """The frames at these places."""
        where = tuple(self.where[number] for number in kept.tolist()) if self.where else ()
        return Part(self.frames[kept], self.features[kept], where)

    @property
    def patients(self) -> tuple[str, ...]:
        """Whose each frame is."""
        return tuple(place.patient for place in self.where)


@dataclass(frozen=True)
class Measures:
    """How distances to training frames are measured."""

    extract: Callable[[Frames], Floats]
    """Features of frames."""
    dissimilarity: Callable[[Frames], Floats]
    """Of frames to all training frames (M, N), by the metric on pairs."""
    extractor: str
    likeness: str


@dataclass(frozen=True)
class _Both:
    """The statistic of some frames, in features and in likeness."""

    features: Ratios
    likeness: Ratios

    def flagged(self, limits: tuple[float, float]) -> NDArray[np.bool_]:
        return flagged(self.features.values, self.likeness.values, limits)


def audit(
    training: Part, held_out: Part, synthetic: Part, measures: Measures, copies: int, most: int
) -> AuditRecord:
    """Audit synthetic frames.

    Args:
        training: Frames that the model was trained on, of two patients at least.
        held_out: Frames of patients of whom the model has seen nothing, of one at least.
        synthetic: The frames in question.
        measures: How distances are measured.
        copies: Number of planted copies a kind.
        most: Largest number of training frames that are looked at as if their patient were held
            out.

    Returns:
        What was found, with the audit's own sensitivity.
    """
    counts = {code: held_out.patients.count(code) for code in set(held_out.patients)}
    calibrating, checking = split_patients(counts)
    used = np.isin(held_out.patients, calibrating)
    of_held_out = _statistic(held_out, training, measures)
    known = _chosen(of_held_out, used)
    others = [
        _chosen(of_held_out, ~used) if checking else None,
        _left_out(training.chosen(spread(len(training.frames), most)), training, measures),
    ]
    of_synthetic = _statistic(synthetic, training, measures)
    limits = tuple(_limit(rate, known, others, of_synthetic) for rate in RATES)
    originals = training.chosen(spread(len(training.frames), copies))
    planted = tuple(
        _planted(
            kind,
            _statistic(_copied(kind, originals, measures), training, measures),
            limits,
            len(synthetic.frames),
        )
        for kind in KINDS
    )
    return AuditRecord(
        extractor=measures.extractor,
        likeness=measures.likeness,
        frames=len(synthetic.frames),
        training_frames=len(training.frames),
        training_patients=len(set(training.patients)),
        shared=0,
        calibration_patients=len(calibrating),
        calibration_frames=int(used.sum()),
        check_patients=len(checking),
        check_frames=int((~used).sum()),
        limits=limits,
        planted=planted,
        shares=SHARES,
        suspects=_suspects(of_synthetic, limits[-1], training),
        authentic=authenticity(synthetic.features, training.features),
        c_t=c_t(synthetic.features, training.features, held_out.features),
    )


def _statistic(part: Part, training: Part, measures: Measures, apart: bool = False) -> _Both:
    """The statistic of some frames; ``apart`` leaves out the training frames of their patients."""
    pair = []
    for distances in (
        feature_distances(part.features, training.features),
        measures.dissimilarity(part.frames),
    ):
        if apart:
            own = np.array(part.patients)[:, None] == np.array(training.patients)[None, :]
            distances = np.where(own, np.inf, distances)
        pair.append(ratios(distances, training.patients))
    return _Both(*pair)


def _left_out(some: Part, training: Part, measures: Measures) -> _Both | None:
    """The statistic of training frames, each as if its patient were held out."""
    enough = len(set(training.patients)) >= 3
    return _statistic(some, training, measures, apart=True) if enough else None


def _chosen(found: _Both, kept: NDArray[np.bool_]) -> _Both:
    pair = (found.features, found.likeness)
    return _Both(*(Ratios(each.values[kept], each.nearest[kept]) for each in pair))


def _limit(
    rate: float, known: _Both, others: Sequence[_Both | None], synthetic: _Both
) -> AuditLimit:
    """Set limits on known frames, count what they flag of others, and of synthetic frames."""
    limits = joint_limits(known.features.values, known.likeness.values, rate)
    false_alarms, left_out = (
        None if other is None else float(other.flagged(limits).mean()) for other in others
    )
    expected = expected_rate(rate, len(known.features.values), false_alarms, left_out)
    is_flagged = synthetic.flagged(limits)
    count = int(is_flagged.sum())
    return AuditLimit(
        rate=rate,
        features=limits[0],
        likeness=limits[1],
        false_alarms=false_alarms,
        left_out=left_out,
        expected_rate=expected,
        flagged=count,
        p_value=p_value(count, len(is_flagged), expected),
    )


def _copied(kind: str, originals: Part, measures: Measures) -> Part:
    frames = plant(kind, originals.frames)
    return Part(frames, measures.extract(frames))


def _planted(kind: str, found: _Both, limits: tuple[AuditLimit, ...], frames: int) -> Planted:
    number = len(found.features.values)
    hits = tuple(int(found.flagged((limit.features, limit.likeness)).sum()) for limit in limits)
    expected = [limit.expected_rate for limit in limits]
    return Planted(
        kind=kind,
        number=number,
        found=hits,
        interval=wilson(hits[-1], number),
        power=power(SHARES, frames, expected, [hit / number for hit in hits]),
    )


def _suspects(found: _Both, limit: AuditLimit, training: Part) -> tuple[Suspect, ...]:
    """The flagged frames, first the one that is furthest below a limit."""
    beside = [
        np.divide(ratio.values, of, out=np.full(len(ratio.values), np.inf), where=of > 0)
        for ratio, of in (
            (found.features, limit.features),
            (found.likeness, limit.likeness),
        )
    ]
    by_likeness = beside[1] < beside[0]
    worst = np.minimum(*beside)
    suspects = []
    for number in np.argsort(worst, kind="stable")[: limit.flagged].tolist():
        by = found.likeness if by_likeness[number] else found.features
        suspects.append(
            Suspect(
                synthetic=number,
                features=float(found.features.values[number]),
                likeness=float(found.likeness.values[number]),
                real=training.where[int(by.nearest[number])],
            )
        )
    return tuple(suspects)


def spread(total: int, count: int) -> NDArray[np.int64]:
    """Choose places of at most ``count`` of ``total`` things, evenly spaced.

    Args:
        total: Number of things.
        count: Largest number of places.

    Returns:
        The places, ascending.
    """
    return np.linspace(0, total - 1, min(count, total)).round().astype(np.int64)
