"""Divergence: training ended with finite, bounded losses, and neither side has won."""

from __future__ import annotations

from pydantic import Field

from lusgan_core.api import Candidate, Gate, Options, Verdict, find


class DivergenceOptions(Options):
    """Limits of the losses at the end of training."""

    max_generator_loss: float = Field(
        50.0, gt=0, description="Largest mean generator loss at the end of training"
    )
    min_discriminator_loss: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Smallest discriminator loss at the end, as a share of its start; below it the "
        "generator has nothing to learn from",
    )


def check(candidate: Candidate, current: Candidate | None, options: DivergenceOptions) -> Verdict:
    """Judge a candidate by the values at the end of its training.

    Args:
        candidate: The model to judge.
        current: The current model of its score; it does not matter here.
        options: The limits.

    Returns:
        The verdict.
    """
    loss = find(candidate.values, "generator_loss", statistic="end")
    share = find(candidate.values, "discriminator_loss", statistic="end")
    if loss is None or share is None:
        return Verdict.not_measured("the training left no losses")
    if loss.value is None or share.value is None:
        return Verdict(passed=False, reason="a loss is not a number")
    values = (loss, share)
    if loss.value > options.max_generator_loss:
        limit = options.max_generator_loss
        reason = f"the generator's loss is {loss.value:.3g} at the end, over {limit:g}"
        return Verdict(passed=False, reason=reason, values=values)
    if share.value < options.min_discriminator_loss:
        reason = (
            f"the discriminator has won: its loss fell to {share.value:.2%} of its start, "
            f"under {options.min_discriminator_loss:.2%}"
        )
        return Verdict(passed=False, reason=reason, values=values)
    reason = f"the generator's loss is {loss.value:.3g} at the end"
    return Verdict(passed=True, reason=reason, values=values)


GATE = Gate(
    name="divergence",
    version="1",
    description="Losses at the end of training are finite, bounded, and not won by either side",
    check=check,
    options=DivergenceOptions,
)
