"""Collapse: synthetic frames differ from each other about as much as real ones do."""

from __future__ import annotations

from pydantic import Field

from lusgan_core.api import Candidate, Gate, Options, Verdict
from lusgan_gates.shares import share, why_not


class CollapseOptions(Options):
    """How much synthetic frames must differ."""

    min_diversity: float = Field(
        0.35,
        ge=0,
        description="How much synthetic frames must differ from each other, as a share of how much "
        "real frames of different clips do",
    )
    keep_diversity: float = Field(
        0.5, ge=0, le=1, description="Share of the current model's diversity that must be kept"
    )


def check(candidate: Candidate, current: Candidate | None, options: CollapseOptions) -> Verdict:
    """Judge a candidate by its diversity, beside that of real frames and of the current model.

    Args:
        candidate: The model to judge.
        current: The current model of its score; None if there is none.
        options: The limits.

    Returns:
        The verdict.
    """
    diversity = candidate.diversity
    if diversity is None:
        return Verdict.not_measured(why_not(candidate))
    before = current.diversity if current else None
    asked, beside = options.min_diversity, "of what real ones do"
    if before is not None and before * options.keep_diversity > asked:
        asked = before * options.keep_diversity
        beside += f" (the current model's {before:.0%})"
    passed = diversity >= asked
    return Verdict(
        passed=passed,
        reason=f"synthetic frames differ by {diversity:.0%} {beside}, "
        f"{'at least' if passed else 'under'} {asked:.0%}",
        values=share("diversity", "Diversity beside real frames", diversity, asked),
    )


GATE = Gate(
    name="collapse",
    version="1",
    description="Synthetic frames differ from each other about as much as real ones do",
    check=check,
    options=CollapseOptions,
    needs=("likeness",),
)
