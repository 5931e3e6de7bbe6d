"""What a gate is told of a model, and what it answers.

Likeness is any metric on pairs of frames that the evaluation chose, SSIM or MS-SSIM unless told
otherwise; *distance* is how far it is from its value for identical frames, 0 for these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import model_validator

from lusgan_core.domain import Record
from lusgan_core.measured import REAL, SYNTHETIC, Measured, find

NOT_MEASURED = "not measured"
"""How the reason of a gate begins that could not measure, since lusgan 0.1."""


class Verdict(Record):
    """The decision of one gate."""

    gate: str = ""
    """Name of the gate; whoever asks the gate fills it in."""
    passed: bool
    reason: str
    """One sentence, for a report: what was measured and what was asked for."""
    values: tuple[Measured, ...] = ()
    """The values that decided it."""
    measured: bool = True
    """False where the gate could not measure what it is about: it holds nothing back then."""

    @model_validator(mode="before")
    @classmethod
    def _from_first_edition(cls, given: Any) -> Any:
        """Read what lusgan 0.1 left: values as names and numbers, the outcome in the reason."""
        if not isinstance(given, Mapping):
            return given
        found, values = dict(given), given.get("values")
        if isinstance(values, Mapping):
            found["values"] = tuple(
                {"metric": k, "title": k, "value": v} for k, v in values.items()
            )
        if str(given.get("reason", "")).startswith(NOT_MEASURED):
            found.setdefault("measured", False)
        return found

    @classmethod
    def not_measured(cls, why: str) -> Verdict:
        """The verdict of a gate that lacks what it measures; ``why`` says what to do about it."""
        return cls(passed=True, measured=False, reason=f"{NOT_MEASURED}: {why}")


@dataclass(frozen=True)
class Candidate:
    """A model to be judged, or the current one that it is judged against."""

    score: int
    model: str
    values: tuple[Measured, ...]
    """All that was measured, of its training and in its evaluation."""
    likeness: str | None
    """Name of the metric that tells how alike frames are; None where none was measured."""
    to_training: tuple[float, ...] = ()
    """Distance of each synthetic frame to the training frame nearest to it."""
    to_held_out: tuple[float, ...] = ()
    """The same to frames of held-out patients; empty if no patient is held out."""
    identical: float = 1.0
    """The likeness of identical frames."""

    @property
    def diversity(self) -> float | None:
        """Mean distance between synthetic frames, as a multiple of that between real frames.

        None if either was not measured.
        """
        synthetic = self._distance((SYNTHETIC, SYNTHETIC), "mean")
        real = self._distance((REAL, REAL), "mean")
        return None if synthetic is None or not real else synthetic / real

    @property
    def closest_real(self) -> float | None:
        """Smallest distance between real frames of different clips; None if it was not measured."""
        mean = find(self.values, self.likeness or "", (REAL, REAL))
        lower = mean is not None and mean.better == "lower"
        return self._distance((REAL, REAL), "min" if lower else "max")

    def _distance(self, between: tuple[str, str], statistic: str) -> float | None:
        found = find(self.values, self.likeness or "", between, statistic)
        if found is None or found.value is None:
            return None
        return abs(self.identical - found.value)
