"""What gates know of a model: how its training ended, and what its evaluation measured.

Likeness is SSIM or MS-SSIM, 1 for identical frames; *distance* is 1 minus likeness.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import numpy as np

from lusgan_core.training.monitor import WINDOW


@dataclass(frozen=True)
class TrainingEnd:
    """Losses at the end of a training, and where the discriminator's began."""

    generator_loss: float
    """Mean of its absolute value over the last iterations; NaN or infinite if any loss was."""
    discriminator_loss_share: float
    """Mean of the discriminator's absolute loss over the last iterations, in its first ones."""

    @classmethod
    def read(cls, history: bytes) -> TrainingEnd:
        """From a model's ``history.csv``; both ends are ``WINDOW`` iterations, or all there are."""
        rows = list(csv.DictReader(io.StringIO(history.decode())))
        generator, discriminator = (
            np.abs([float(row[name]) for row in rows])
            for name in ("loss_generator", "loss_discriminator")
        )
        start, end = discriminator[:WINDOW].mean(), discriminator[-WINDOW:].mean()
        finite = np.isfinite(generator).all() and np.isfinite(discriminator).all()
        return cls(
            generator_loss=float(generator[-WINDOW:].mean()) if finite else float("nan"),
            discriminator_loss_share=float(end / start) if start > 0 else 0.0,
        )


@dataclass(frozen=True)
class Candidate:
    """A model to be judged, or the current one that it is judged against."""

    score: int
    model: str
    training: TrainingEnd
    synthetic_distance: float | None = None
    """Mean distance between two synthetic frames; None where likeness was not measured."""
    real_distance: float | None = None
    """Mean distance between real frames of different clips; None where there is one clip only."""
    closest_real: float | None = None
    """Smallest distance between real frames of different clips."""
    to_training: tuple[float, ...] = ()
    """Distance of each synthetic frame to the training frame nearest to it."""
    to_held_out: tuple[float, ...] = ()
    """The same to frames of held-out patients; empty where nobody is held out."""

    @property
    def diversity(self) -> float | None:
        """How much synthetic frames differ, in terms of how much real ones do; 1: as much."""
        if self.synthetic_distance is None or not self.real_distance:
            return None
        return self.synthetic_distance / self.real_distance
