"""The audit's limits, set on frames of patients whom the model has not seen, and its verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lusgan_core.evaluation.audit.record import SIGNIFICANCE

RATES = (0.01, 0.02)
"""Rates of false alarms for which limits are set."""
Floats = NDArray[np.float64]


def split_patients(frames: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """Choose on which held-out patients limits are set, and on which false alarms are counted.

    Args:
        frames: Number of frames of each held-out patient.

    Returns:
        Both kinds of patients, in turn from the one with most frames on: a single patient is for
        setting limits.
    """
    ordered = sorted(frames, key=lambda code: (-frames[code], code))
    return ordered[::2], ordered[1::2]


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


def expected_rate(rate: float, calibrated: int, *measured: float | None) -> float:
    """Share of a set without copies that is expected to be flagged.

    Args:
        rate: The rate for which the limits were set.
        calibrated: Number of frames on which they were set.
        measured: Shares flagged of other frames that are no copies; None where there are none.

    Returns:
        The largest of the rate, ``measured``, and what another frame exchangeable with the
        calibration frames would have: (allowed + 1) / (frames + 1).
    """
    allowed = math.floor(rate * calibrated + 1e-9)
    return max(rate, (allowed + 1) / (calibrated + 1), *(share or 0.0 for share in measured))


def p_value(flagged_frames: int, frames: int, expected: float) -> float:
    """Chance that at least so many of a set without copies are flagged, by the binomial test.

    Args:
        flagged_frames: Number of frames that are flagged.
        frames: Number of frames in the set.
        expected: Share that is expected to be flagged.

    Returns:
        The chance.
    """
    from scipy.special import bdtrc

    return 1.0 if flagged_frames == 0 else float(bdtrc(flagged_frames - 1, frames, expected))


def power(
    shares: Sequence[float], frames: int, expected: Sequence[float], found: Sequence[float]
) -> tuple[float, ...]:
    """Chance that the verdict on a set is "copies found" if some of its frames are copies.

    Args:
        shares: Shares of copies in the set.
        frames: Number of frames in the set.
        expected: For each limit, the share of frames that are no copies that is flagged.
        found: For each limit, the share of copies that is flagged; a copy counts as flagged at
            least as often as any other frame.

    Returns:
        The chance for each share, at the limit where it is largest.
    """
    from scipy.special import bdtrc

    each = SIGNIFICANCE / len(expected)
    needed = []
    for rate in expected:
        counts = np.arange(1, frames + 1)
        enough = counts[bdtrc(counts - 1, frames, rate) < each]
        needed.append(int(enough[0]) if enough.size else frames + 1)
    return tuple(
        max(
            float(bdtrc(count - 1, frames, share * max(hit, rate) + (1 - share) * rate))
            if count <= frames
            else 0.0
            for count, rate, hit in zip(needed, expected, found, strict=True)
        )
        for share in shares
    )


def wilson(found: int, number: int) -> tuple[float, float]:
    """The 95 % interval of a share by Wilson's formula (1927).

    Args:
        found: How many of them.
        number: How many there are.

    Returns:
        Lower and upper end.
    """
    z, share = 1.959963984540054, found / number
    middle = (share + z * z / (2 * number)) / (1 + z * z / number)
    half = z / (1 + z * z / number)
    half *= math.sqrt(share * (1 - share) / number + z * z / (4 * number * number))
    return max(0.0, middle - half), min(1.0, middle + half)
