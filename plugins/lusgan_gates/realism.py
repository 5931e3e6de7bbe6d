"""Realism: synthetic frames are nearer to real ones of other patients than clouds are.

KID of synthetic frames to held-out patients lies somewhere on the way from its floor (training
frames to the same patients) to its ceiling (noise). On real clips at 64 pixels sharp frames lay at
8 to 14% of that way, clouds without a pleura at a third (EfficientNet-Lite0 features).
"""

from __future__ import annotations

from pydantic import Field

from lusgan_core.api import (
    HELD_OUT,
    SYNTHETIC,
    Candidate,
    Gate,
    Options,
    Verdict,
    find_distance,
)
from lusgan_gates.shares import share


class RealismOptions(Options):
    """How far from real frames synthetic ones may be."""

    max_way: float = Field(
        0.25,
        gt=0,
        description="Largest KID to held-out patients, as a share of the way from its floor (0) to "
        "noise (1)",
    )


def check(candidate: Candidate, current: Candidate | None, options: RealismOptions) -> Verdict:
    """Judge a candidate by its KID, beside the floor and noise.

    Args:
        candidate: The model to judge.
        current: The current model of its score; it does not matter here.
        options: The limit.

    Returns:
        The verdict.
    """
    kid = find_distance(candidate.values, "kid", (HELD_OUT, SYNTHETIC))
    noise = kid.ceilings.get("noise") if kid else None
    if kid is None or kid.value is None or kid.floor is None or noise is None:
        return Verdict.not_measured(
            "it takes KID to frames of two held-out patients; hold more patients out"
        )
    way = kid.way_to_noise
    if way is None:
        return Verdict.not_measured(
            f"noise ({noise:.3g}) is no further from real frames than real ones of other patients "
            f"are ({kid.floor:.3g}), so {kid.title} tells nothing; add exams"
        )
    passed = way <= options.max_way
    return Verdict(
        passed=passed,
        reason=f"{kid.title} is {kid.value:.3g}, {max(way, 0):.0%} of the way from real frames "
        f"({kid.floor:.3g}) to noise ({noise:.3g}), {'at most' if passed else 'over'} "
        f"{options.max_way:.0%}",
        values=(kid, *share("realism", "Way from real frames to noise", way, options.max_way)),
    )


GATE = Gate(
    name="realism",
    version="1",
    description="Synthetic frames are near to real ones of other patients, and far from noise",
    check=check,
    options=RealismOptions,
    needs=("kid",),
)
