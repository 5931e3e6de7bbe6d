"""Near-copies: hardly any synthetic frame is much closer to a training frame than others are."""

from __future__ import annotations

import math

from pydantic import Field

from lusgan_core.api import Candidate, Gate, Options, Verdict
from lusgan_gates.shares import share, why_not


class NearCopiesOptions(Options):
    """What a near-copy is, and how many there may be."""

    near_copy: float = Field(
        0.33,
        ge=0,
        le=1,
        description="A synthetic frame is a near-copy below this share of the smallest distance "
        "between real frames of different clips, and of its distance to a held-out patient",
    )
    max_near_copies: float = Field(
        0.02, ge=0, le=1, description="Largest share of synthetic frames that may be near-copies"
    )


def check(candidate: Candidate, current: Candidate | None, options: NearCopiesOptions) -> Verdict:
    """Judge a candidate by the distance of its frames to those that it was trained on.

    A frame counts if its distance to the nearest training frame is below ``near_copy`` times both
    the smallest distance between real frames of different clips and its own distance to the nearest
    held-out frame (the latter alone would not do: fewer frames are held out than trained on).

    Args:
        candidate: The model to judge.
        current: The current model of its score; it does not matter here.
        options: The limits.

    Returns:
        The verdict.
    """
    closest, held_out = candidate.closest_real, candidate.to_held_out
    if not candidate.to_training or (closest is None and not held_out):
        return Verdict.not_measured(why_not(candidate))
    apart = math.inf if closest is None else closest
    others = held_out or (math.inf,) * len(candidate.to_training)
    copies = sum(
        mine < options.near_copy * min(apart, other)
        for mine, other in zip(candidate.to_training, others, strict=True)
    )
    part = copies / len(candidate.to_training)
    return Verdict(
        passed=part <= options.max_near_copies,
        reason=f"{copies} of {len(candidate.to_training)} synthetic frames are near-copies of "
        f"training frames ({options.max_near_copies:.0%} may be)",
        values=share("near_copies", "Share of near-copies", part, options.max_near_copies),
    )


GATE = Gate(
    name="near_copies",
    version="1",
    description="Hardly any synthetic frame is much closer to a training frame than others are",
    check=check,
    options=NearCopiesOptions,
    needs=("likeness",),
)
