"""The audit's limits, set on frames that cannot be copies, and the statistics of its verdict.

Such frames are those of held-out patients, and those of training patients compared with other
patients alone. How often limits flag such frames is counted by setting them without each patient in
turn. Patients differ much more than frames of one: the verdict's test draws patients.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lusgan_core.evaluation.audit.record import SIGNIFICANCE

RATES = (0.01, 0.02)
"""Rates of false alarms for which limits are set."""
DRAWS = 1000
"""Draws of a bootstrap over patients."""
Floats = NDArray[np.float64]


def joint_limits(features: Floats, likeness: Floats, rate: float) -> tuple[float, float]:
    """Set limits of two ratios so that few of the frames are below either.

    Both limits have the same rank among the frames, the highest that is possible.

    Args:
        features: Ratios in features of frames without copies among them (N,).
        likeness: Ratios in likeness of the same frames (N,).
        rate: Largest share of the frames that may be below a limit.

    Returns:
        The limit of each.
    """
    first, second = np.sort(features), np.sort(likeness)
    allowed = math.floor(rate * len(first) + 1e-9)
    for rank in range(allowed, -1, -1):
        limits = float(first[rank]), float(second[rank])
        if flagged(features, likeness, limits).sum() <= allowed:
            break
    return limits


def flagged(features: Floats, likeness: Floats, limits: tuple[float, float]) -> NDArray[np.bool_]:
    """Tell which frames are below one of two limits.

    Args:
        features: Ratios in features (N,).
        likeness: Ratios in likeness (N,).
        limits: The limit of each.

    Returns:
        Whether each frame is flagged (N,).
    """
    found: NDArray[np.bool_] = (features < limits[0]) | (likeness < limits[1])
    return found


def false_alarms(
    features: Floats, likeness: Floats, patients: Sequence[str], rate: float
) -> NDArray[np.bool_] | None:
    """Tell which frames are flagged by limits that are set without any frame of their patient.

    Args:
        features: Ratios in features of frames without copies among them (N,).
        likeness: Ratios in likeness of the same frames (N,).
        patients: Whose each frame is.
        rate: Rate for which limits are set.

    Returns:
        Whether each frame is flagged (N,); None where there is one patient alone.
    """
    codes = np.array(patients)
    names = np.unique(codes)
    if len(names) < 2:
        return None
    found = np.empty(len(codes), np.bool_)
    for name in names:
        own = codes == name
        limits = joint_limits(features[~own], likeness[~own], rate)
        found[own] = flagged(features[own], likeness[own], limits)
    return found


def smallest_rate(rate: float, frames: int) -> float:
    """The rate of false alarms that limits can be set for.

    Args:
        rate: The rate that is wanted.
        frames: Number of frames on which limits are set.

    Returns:
        It, or what a frame exchangeable with so few would have: (allowed + 1) / (frames + 1).
    """
    allowed = math.floor(rate * frames + 1e-9)
    return max(rate, (allowed + 1) / (frames + 1))


def drawn_rates(alarms: NDArray[np.bool_] | None, patients: Sequence[str], least: float) -> Floats:
    """Rates of false alarms that other patients could have, by a bootstrap over patients.

    Args:
        alarms: Which frames are flagged, as ``false_alarms`` tells; None if that is not known.
        patients: Whose each frame is.
        least: Smallest rate.

    Returns:
        Rates (DRAWS,); ``least`` alone where nothing else is known.
    """
    if alarms is None:
        return np.array([least])
    codes = np.unique(np.array(patients), return_inverse=True)[1]
    frames, hits = np.bincount(codes), np.bincount(codes, alarms.astype(float))
    drawn = np.random.default_rng(0).integers(0, len(frames), (DRAWS, len(frames)))
    found: Floats = np.maximum(hits[drawn].sum(1) / frames[drawn].sum(1), least)
    return found


def p_value(flagged_frames: int, frames: int, rates: Floats) -> float:
    """Chance that at least so many frames of a set without copies are flagged.

    Args:
        flagged_frames: Number of frames that are flagged.
        frames: Number of frames in the set.
        rates: Rates of false alarms, equally likely.

    Returns:
        That of the binomial test, averaged over the rates.
    """
    return float(_chances(np.array([flagged_frames]), frames, rates)[0])


def power(
    shares: Sequence[float], frames: int, rates: Sequence[Floats], found: Sequence[float]
) -> tuple[float, ...]:
    """Chance that the verdict on a set is "copies found" if some of its frames are copies.

    Args:
        shares: Shares of copies in the set.
        frames: Number of frames in the set.
        rates: For each limit, rates of false alarms, equally likely.
        found: For each limit, the share of copies that is flagged; a copy counts as flagged at
            least as often as any other frame.

    Returns:
        The chance for each share, at the limit where it is largest.
    """
    chances = np.zeros((len(found), len(shares)))
    counts = np.arange(1, frames + 1)
    for number, (own, hit) in enumerate(zip(rates, found, strict=True)):
        enough = counts[_chances(counts, frames, own) < SIGNIFICANCE / len(found)]
        for place, share in enumerate(shares if enough.size else ()):
            mixed = share * np.maximum(hit, own) + (1 - share) * own
            chances[number, place] = _chances(enough[:1], frames, mixed)[0]
    return tuple(chances.max(0).tolist())


def _chances(counts: NDArray[np.int64], frames: int, rates: Floats) -> Floats:
    """Chance of at least each of some counts, averaged over rates."""
    from scipy.special import bdtrc

    found: Floats = np.ones(len(counts))
    some = counts > 0
    found[some] = bdtrc(counts[some, None] - 1.0, frames, np.minimum(rates, 1)[None, :]).mean(1)
    return found


def wilson(found: int, number: int) -> tuple[float, float]:
    """The 95 % interval of a share by Wilson's formula (1927).

    Args:
        found: How many of them.
        number: How many there are.

    Returns:
        Lower and upper end.
    """
    from scipy.stats import binomtest

    interval = binomtest(found, number).proportion_ci(0.95, "wilson")
    return float(interval.low), float(interval.high)
