"""What gates know of a model: how its training ended, and what its evaluation measured.

Likeness is any metric on pairs of frames that the evaluation chose, SSIM or MS-SSIM unless told
otherwise; *distance* is how far it is from its value for identical frames, 0 for these.
"""

from __future__ import annotations

from dataclasses import dataclass

from lusgan_core.calls.section import REAL, SYNTHETIC, Measured, find
from lusgan_core.evaluation.stage import EvaluationRecord
from lusgan_core.training.stage import ModelRecord


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

    @classmethod
    def of(cls, model: ModelRecord, evaluated: EvaluationRecord) -> Candidate:
        """Make a candidate of a model and its evaluation.

        Args:
            model: Record of the training.
            evaluated: Record of the evaluation of the model's samples.

        Returns:
            The candidate, with values of both.
        """
        return cls(
            score=model.score,
            model=model.name,
            values=model.values + evaluated.values,
            likeness=evaluated.likeness,
            to_training=tuple(map(evaluated.distance, evaluated.nearest_training)),
            to_held_out=tuple(map(evaluated.distance, evaluated.nearest_held_out)),
            identical=evaluated.identical,
        )

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
