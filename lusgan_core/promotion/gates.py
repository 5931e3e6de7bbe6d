"""The gates that a model has to pass before it becomes the current one of its score.

A gate looks at a candidate (and at the current model, if there is one) and says yes or no, why, and
by which values. All gates are asked, so that a model that fails two is told of both. A gate passes
what it cannot measure, and says so: a store without held-out patients still gets models.

The limits are rules of thumb, set so that a person who looks at the frames of a model that was held
back agrees; they are options (``promotion.*``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

from pydantic import field_validator

from lusgan_core.calls.section import Measured, find
from lusgan_core.domain import Record
from lusgan_core.promotion.candidate import Candidate
from lusgan_core.promotion.options import PromotionOptions


class Verdict(Record):
    """The decision of one gate."""

    gate: str
    passed: bool
    reason: str
    """One sentence, for a report: what was measured and what was asked for."""
    values: tuple[Measured, ...] = ()
    """The values that decided it."""

    @field_validator("values", mode="before")
    @classmethod
    def _from_first_edition(cls, values: object) -> object:
        """Read what lusgan 0.1 left: names and numbers."""
        if not isinstance(values, Mapping):
            return values
        return tuple({"metric": k, "title": k, "value": v} for k, v in values.items())


class Gate(Protocol):
    """One requirement that a model has to meet."""

    name: str
    description: str

    def check(
        self, candidate: Candidate, current: Candidate | None, options: PromotionOptions
    ) -> Verdict:
        """Judge a candidate.

        Args:
            candidate: The model to judge.
            current: The current model of its score; None if there is none or it was never
                evaluated.
            options: The limits.

        Returns:
            The verdict; passed if the gate cannot measure what it is about.
        """


class Divergence:
    """Checks that training ended with finite, bounded losses."""

    name = "divergence"
    description = "losses at the end of training are finite, bounded, and not won by either side"

    def check(
        self, candidate: Candidate, current: Candidate | None, options: PromotionOptions
    ) -> Verdict:
        """See Gate.check; it takes the values at the end of training alone."""
        loss = find(candidate.values, "generator_loss", statistic="end")
        share = find(candidate.values, "discriminator_loss", statistic="end")
        if loss is None or share is None:
            reason = "not measured: the training left no losses"
            return Verdict(gate=self.name, passed=True, reason=reason)
        values: tuple[Measured, ...] = (loss, share)
        if loss.value is None or share.value is None:
            reason, values = "a loss is not a number", ()
        elif loss.value > options.max_generator_loss:
            limit = options.max_generator_loss
            reason = f"the generator's loss is {loss.value:.3g} at the end, over {limit:g}"
        elif share.value < options.min_discriminator_loss:
            reason = (
                f"the discriminator has won: its loss fell to {share.value:.2%} of its start, "
                f"under {options.min_discriminator_loss:.2%}"
            )
        else:
            reason = f"the generator's loss is {loss.value:.3g} at the end"
            return Verdict(gate=self.name, passed=True, reason=reason, values=values)
        return Verdict(gate=self.name, passed=False, reason=reason, values=values)


class Collapse:
    """Checks that synthetic frames differ from each other."""

    name = "collapse"
    description = "synthetic frames differ from each other about as much as real ones do"

    def check(
        self, candidate: Candidate, current: Candidate | None, options: PromotionOptions
    ) -> Verdict:
        """See Gate.check; diversity is relative to real frames and to the current model."""
        diversity = candidate.diversity
        if diversity is None:
            reason = "not measured: it takes SSIM or MS-SSIM, and real frames of two clips"
            return Verdict(gate=self.name, passed=True, reason=reason)
        before = current.diversity if current else None
        asked, beside = options.min_diversity, "of what real ones do"
        if before is not None and before * options.keep_diversity > asked:
            asked = before * options.keep_diversity
            beside += f" (the current model's {before:.0%})"
        passed = diversity >= asked
        return Verdict(
            gate=self.name,
            passed=passed,
            reason=f"synthetic frames differ by {diversity:.0%} {beside}, "
            f"{'at least' if passed else 'under'} {asked:.0%}",
            values=_share("diversity", "Diversity beside real frames", diversity, asked),
        )


class NearCopies:
    """Checks that synthetic frames are no copies of training frames."""

    name = "near-copies"
    description = "hardly any synthetic frame is much closer to a training frame than others are"

    def check(
        self, candidate: Candidate, current: Candidate | None, options: PromotionOptions
    ) -> Verdict:
        """See Gate.check.

        A frame counts if its distance to the nearest training frame is below ``near_copy`` times
        both the smallest distance between real frames of different clips and its own distance to
        the nearest held-out frame (the latter alone would not do: fewer frames are held out than
        trained on).
        """
        closest, held_out = candidate.closest_real, candidate.to_held_out
        if not candidate.to_training or (closest is None and not held_out):
            reason = "not measured: it takes SSIM or MS-SSIM, and real frames of two clips"
            return Verdict(gate=self.name, passed=True, reason=reason)
        apart = math.inf if closest is None else closest
        others = held_out or (math.inf,) * len(candidate.to_training)
        copies = sum(
            mine < options.near_copy * min(apart, other)
            for mine, other in zip(candidate.to_training, others, strict=True)
        )
        share = copies / len(candidate.to_training)
        return Verdict(
            gate=self.name,
            passed=share <= options.max_near_copies,
            reason=f"{copies} of {len(candidate.to_training)} synthetic frames are near-copies of "
            f"training frames ({options.max_near_copies:.0%} may be)",
            values=_share("near_copies", "Share of near-copies", share, options.max_near_copies),
        )


def _share(name: str, title: str, value: float, limit: float) -> tuple[Measured, Measured]:
    """A share that was measured, and the limit that it was compared with."""
    share = Measured(metric=name, title=title, statistic="share", value=value)
    return share, share.model_copy(update={"statistic": "limit", "value": limit})


GATES: tuple[Gate, ...] = (Divergence(), Collapse(), NearCopies())
"""Every gate, in the order in which they are reported."""


def judge(
    candidate: Candidate, current: Candidate | None, options: PromotionOptions
) -> tuple[Verdict, ...]:
    """Ask every gate; a model passes if all verdicts do.

    Args:
        candidate: The model to judge.
        current: The current model of its score; None if there is none or it was never evaluated.
        options: The limits.

    Returns:
        A verdict of each gate, in the order of ``GATES``.
    """
    return tuple(gate.check(candidate, current, options) for gate in GATES)
