"""KID as published: all pairs of different frames count, also those of one patient.

Binkowski et al., ICLR 2018, over the whole of both sets at once (others take the mean over random
parts). For comparison with numbers in the literature; between sets of different patients it is far
from 0 also where both are real, which ``kid`` mends.

Shapes: N and M frames, D features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lusgan_core.api import SetMetric
from lusgan_metrics import kid
from lusgan_metrics.kid import KidOptions

if TYPE_CHECKING:
    from lusgan_metrics.kid import Features


def value(a: Features, b: Features, options: KidOptions) -> float:
    """Compute the distance.

    Args:
        a: Features of the one set, (N, D), at least two frames.
        b: Features of the other, (M, D), at least two frames.
        options: The kernel's degree.

    Returns:
        The squared discrepancy; below 0 where the sets differ less than chance would have it.

    Raises:
        ConfigError: A set has less than two frames, or the sets differ in D.
    """
    return kid.value(a, b, np.arange(len(a)), np.arange(len(b)), options)


METRIC = SetMetric(
    name="kid_textbook",
    version="1",
    title="KID, textbook",
    description="Kernel distance as published: frames of one patient count as independent ones",
    better="lower",
    identical=float("nan"),
    value=value,
    options=KidOptions,
)
