"""Score fidelity: a classifier of severity takes synthetic frames for their score.

The classifier is the store's LUS encoder, trained on training patients. The share of synthetic
frames that it judges as their score is held against the same share of held-out patients' frames.
"""

from __future__ import annotations

from pydantic import Field

from lusgan_core.api import SYNTHETIC, Candidate, Gate, Options, Verdict, find
from lusgan_gates.shares import share


class FidelityOptions(Options):
    """How much less often than real frames synthetic ones may be judged as their score."""

    min_share: float = Field(
        0.6,
        ge=0,
        le=1,
        description="Smallest share of synthetic frames that is judged as their score, as a "
        "multiple of that of held-out patients' frames",
    )


def check(candidate: Candidate, current: Candidate | None, options: FidelityOptions) -> Verdict:
    """Judge a candidate by what the LUS encoder takes its frames for.

    Args:
        candidate: The model to judge.
        current: The current model of its score; it does not matter here.
        options: The limit.

    Returns:
        The verdict.
    """
    found = find(candidate.values, "fidelity", (SYNTHETIC,), "share")
    if found is None or found.value is None or not found.floor:
        return Verdict.not_measured(
            "it takes a LUS encoder (encoder.network) that judges held-out patients better than "
            "chance; the report says what is lacking"
        )
    least = options.min_share * found.floor
    passed = found.value >= least
    return Verdict(
        passed=passed,
        reason=f"{found.value:.0%} of synthetic frames are judged as their score, "
        f"{found.floor:.0%} of held-out patients' frames are; "
        f"{'at least' if passed else 'under'} {least:.0%}",
        values=(found, *share("fidelity_limit", "Judged as their score", found.value, least)),
    )


GATE = Gate(
    name="fidelity",
    version="1",
    description="Synthetic frames are judged as their score nearly as often as real ones",
    check=check,
    options=FidelityOptions,
)
