"""Learning rates as a function of the iteration alone, so that a resumed training has the same."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from lusgan_core.api import Options


class CoolDown(Options):
    """How both learning rates fall towards the end of a training."""

    shape: Literal["none", "linear", "cosine"] = Field(
        "none",
        description="none: they do not. linear: by the same amount in each iteration. cosine: "
        "slowly at first and at last",
    )
    start: float = Field(
        0.7, ge=0, le=1, description="Share of the iterations after which they begin to fall"
    )
    end: float = Field(
        0.05, ge=0, le=1, description="What is left of them in the last iteration, as a share"
    )

    def share(self, iteration: int, iterations: int) -> float:
        """Return what is left of a learning rate.

        Args:
            iteration: Iterations done before this one, from 0.
            iterations: All iterations of the training.

        Returns:
            1 up to ``start`` of the training, then falling to ``end`` in its last iteration.
        """
        done = iteration / max(1, iterations - 1)
        if self.shape == "none" or done <= self.start:
            return 1.0
        fallen = (done - self.start) / (1 - self.start)
        if self.shape == "cosine":
            fallen = (1 - math.cos(math.pi * fallen)) / 2
        return 1 - (1 - self.end) * fallen
