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
    drawn_rates,
    false_alarms,
    flagged,
    joint_limits,
    p_value,
    power,
    smallest_rate,
    wilson,
)
from lusgan_core.evaluation.audit.plants import KINDS, plant
from lusgan_core.evaluation.audit.published import authenticity, c_t
from lusgan_core.evaluation.audit.ratios import Ratios, feature_distances, ratios
from lusgan_core.evaluation.audit.record import AuditLimit, AuditRecord, Planted, Suspect
from lusgan_core.evaluation.real_frame import RealFrame
from lusgan_core.measures.sides import places

Frames = NDArray[np.uint8]
Floats = NDArray[np.float64]
SHARES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.2)
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
    left_out = _left_out(training, most)
    originals = training.chosen(places(len(training.frames), copies))
    copied = [_copied(kind, originals, measures) for kind in KINDS]
    of_held_out, of_left_out, of_synthetic, *of_copies = _statistics(
        [held_out, left_out, synthetic, *copied], training, measures
    )
    known = _Strangers(of_held_out, of_left_out, (*held_out.patients, *left_out.patients))
    found = [_limit(rate, known, of_synthetic) for rate in RATES]
    limits = tuple(limit for limit, _ in found)
    planted = tuple(
        _planted(kind, of_copy, found, len(synthetic.frames))
        for kind, of_copy in zip(KINDS, of_copies, strict=True)
    )
    return AuditRecord(
        extractor=measures.extractor,
        likeness=measures.likeness,
        frames=len(synthetic.frames),
        training_frames=len(training.frames),
        training_patients=len(set(training.patients)),
        shared=0,
        held_out_patients=len(set(held_out.patients)),
        held_out_frames=len(held_out.frames),
        left_out_frames=len(left_out.frames),
        limits=limits,
        planted=planted,
        shares=SHARES,
        suspects=_suspects(of_synthetic, limits[-1], training),
        authentic=authenticity(synthetic.features, training.features),
        c_t=c_t(synthetic.features, training.features, held_out.features),
    )


def _left_out(training: Part, most: int) -> Part:
    """Training frames that are compared with other patients alone; none of less than three."""
    enough = len(set(training.patients)) >= 3
    return training.chosen(places(len(training.frames), most if enough else 0))


def _statistics(parts: Sequence[Part], training: Part, measures: Measures) -> list[_Both]:
    """The statistic of each part's frames, of real ones without the frames of their own patient."""
    features = feature_distances(
        np.concatenate([part.features for part in parts]), training.features
    )
    likeness = measures.dissimilarity(np.concatenate([part.frames for part in parts]))
    codes, found, first = np.array(training.patients), [], 0
    for part in parts:
        rows = slice(first, first := first + len(part.frames))
        own = np.array(part.patients)[:, None] == codes if part.where else False
        pair = (np.where(own, np.inf, distances[rows]) for distances in (features, likeness))
        found.append(_Both(*(ratios(distances, training.patients) for distances in pair)))
    return found


@dataclass(frozen=True)
class _Strangers:
    """Frames that cannot be copies."""

    held_out: _Both
    left_out: _Both
    """Training frames, compared with other patients alone."""
    patients: tuple[str, ...]
    """Whose each frame is, held-out ones first."""

    @property
    def features(self) -> Floats:
        return np.concatenate([self.held_out.features.values, self.left_out.features.values])

    @property
    def likeness(self) -> Floats:
        return np.concatenate([self.held_out.likeness.values, self.left_out.likeness.values])


def _limit(rate: float, known: _Strangers, synthetic: _Both) -> tuple[AuditLimit, Floats]:
    """Set limits, and count what they flag; with the rates of false alarms that are likely."""
    limits = joint_limits(known.features, known.likeness, rate)
    alarms = false_alarms(known.features, known.likeness, known.patients, rate)
    least = smallest_rate(rate, len(known.patients))
    rates = drawn_rates(alarms, known.patients, least)
    is_flagged = synthetic.flagged(limits)
    count = int(is_flagged.sum())
    limit = AuditLimit(
        rate=rate,
        features=limits[0],
        likeness=limits[1],
        false_alarms=None if alarms is None else float(alarms.mean()),
        held_out_alarms=None
        if alarms is None
        else float(alarms[: len(known.held_out.features.values)].mean()),
        expected_rate=least if alarms is None else max(least, float(alarms.mean())),
        flagged=count,
        p_value=p_value(count, len(is_flagged), rates),
    )
    return limit, rates


def _copied(kind: str, originals: Part, measures: Measures) -> Part:
    frames = plant(kind, originals.frames)
    return Part(frames, measures.extract(frames))


def _planted(
    kind: str, copies: _Both, found: Sequence[tuple[AuditLimit, Floats]], frames: int
) -> Planted:
    number = len(copies.features.values)
    hits = [int(copies.flagged((limit.features, limit.likeness)).sum()) for limit, _ in found]
    shares = [hit / number for hit in hits]
    return Planted(
        kind=kind,
        number=number,
        found=tuple(hits),
        interval=wilson(hits[-1], number),
        power=power(SHARES, frames, [rates for _, rates in found], shares),
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
