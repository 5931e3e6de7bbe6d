"""Copies: the memorisation audit finds no more frames like training frames than chance would."""

from __future__ import annotations

from pydantic import Field

from lusgan_core.api import SYNTHETIC, TRAINING, Candidate, Gate, Options, Verdict, find
from lusgan_gates.shares import why_not

BETWEEN = (SYNTHETIC, TRAINING)
"""Sides of the audit's values."""


class CopiesOptions(Options):
    """When the audit's verdict counts."""

    significance: float = Field(
        0.01,
        gt=0,
        lt=1,
        description="A model is held back if so many of its frames would be flagged less often "
        "than this by chance, without a copy among them",
    )
    min_found: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of planted copies that the audit must find, and chance with which it "
        "must notice that a fifth of a set is such copies, or it cannot judge",
    )


def check(candidate: Candidate, current: Candidate | None, options: CopiesOptions) -> Verdict:
    """Judge a candidate by the audit of its frames.

    Args:
        candidate: The model to judge.
        current: The current model of its score; it does not matter here.
        options: The limits.

    Returns:
        The verdict.
    """
    if candidate.likeness is None:
        return Verdict.not_measured(why_not(candidate))
    share, p, checked = (
        find(candidate.values, "copies", BETWEEN, name) for name in ("share", "p", "checked")
    )
    found, noticed = (
        find(candidate.values, name, (), "share") for name in ("copies_found", "copies_noticed")
    )
    if share is None or p is None or checked is None or found is None or noticed is None:
        return Verdict.not_measured(
            "it cannot judge without the memorisation audit; the report says why there is none"
        )
    if not checked.value:
        return Verdict.not_measured(
            "it cannot judge, since the audit's false alarms could not be counted on any other "
            "patient; add exams"
        )
    flagged, expected = (round((value or 0) * share.number) for value in (share.value, share.floor))
    said = (
        f"{flagged} of {share.number} frames are flagged as copies of training frames, "
        f"expected false alarms {expected}"
    )
    values = (share, p, found, noticed)
    if (p.value or 0) < options.significance:
        return Verdict(passed=False, reason=f"copies found: {said}", values=values)
    if (found.value or 0) < options.min_found:
        return Verdict.not_measured(
            f"it cannot judge, since the audit finds only {found.value or 0:.0%} of planted copies "
            f"({options.min_found:.0%} are asked for)"
        )
    if (noticed.value or 0) < options.min_found:
        return Verdict.not_measured(
            "it cannot judge, since the audit would notice that a fifth of the frames are copies "
            f"with a chance of {noticed.value or 0:.0%} only ({options.min_found:.0%} is asked "
            "for): generate more frames, or add exams"
        )
    reason = f"no copying detected at this sensitivity ({found.value or 0:.0%} of planted copies)"
    return Verdict(passed=True, reason=f"{reason}: {said}", values=values)


GATE = Gate(
    name="copies",
    version="1",
    description="The memorisation audit flags no more frames than false alarms explain",
    check=check,
    options=CopiesOptions,
    needs=("likeness",),
)
