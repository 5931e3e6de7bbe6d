"""Diversity: synthetic frames cover what frames of other patients show.

Recall (Kynkaanniemi et al., NeurIPS 2019) is the share of held-out frames that lie within the
neighbourhood of a synthetic one. A model that knows a few frames reaches none of it, however good
these are; so does noise.
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

LEAST = 0.02
"""Recall of training frames below which that of synthetic ones tells nothing."""


class DiversityOptions(Options):
    """How much of real frames synthetic ones must cover."""

    min_recall: float = Field(
        0.25,
        ge=0,
        description="Least recall of frames of held-out patients, as a share of the recall that "
        "training frames reach",
    )


def check(candidate: Candidate, current: Candidate | None, options: DiversityOptions) -> Verdict:
    """Judge a candidate by its recall, beside that of training frames.

    Args:
        candidate: The model to judge.
        current: The current model of its score; it does not matter here.
        options: The limit.

    Returns:
        The verdict.
    """
    recall = find_distance(candidate.values, "recall", (HELD_OUT, SYNTHETIC))
    if recall is None or recall.value is None or recall.floor is None:
        return Verdict.not_measured("it takes recall to held-out patients; hold more patients out")
    if recall.floor < LEAST:
        return Verdict.not_measured(
            f"training frames themselves have a recall of {recall.floor:.2g}, so that of synthetic "
            "ones tells nothing; add exams"
        )
    found = recall.value / recall.floor
    passed = found >= options.min_recall
    return Verdict(
        passed=passed,
        reason=f"{recall.title} is {recall.value:.3g}, {found:.0%} of what training frames reach "
        f"({recall.floor:.3g}), {'at least' if passed else 'under'} {options.min_recall:.0%}",
        values=(recall, *share("coverage", "Recall beside real frames", found, options.min_recall)),
    )


GATE = Gate(
    name="diversity",
    version="1",
    description="Synthetic frames cover what frames of other patients show",
    check=check,
    options=DiversityOptions,
    needs=("recall",),
)
