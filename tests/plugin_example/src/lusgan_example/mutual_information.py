"""Normalised mutual information of the grey levels of two frames.

(H(a) + H(b)) / H(a, b), from 1 (independent) to 2 (one says all about the other), over a joint
histogram of 32 levels each. Source: Studholme et al., Pattern Recognition 32(1), 1999.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import PairMetric

LEVELS = 32


def entropy(counts: NDArray[np.float64]) -> float:
    """Entropy of a histogram in nats."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def value(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Return the value for two frames (H, W); 2 where neither frame has anything to tell."""
    joint = np.zeros((LEVELS, LEVELS))
    np.add.at(joint, (a.ravel() // (256 // LEVELS), b.ravel() // (256 // LEVELS)), 1)
    together = entropy(joint)
    return (entropy(joint.sum(0)) + entropy(joint.sum(1))) / together if together else 2.0


NMI = PairMetric(
    name="nmi",
    title="NMI",
    description="Normalised mutual information of grey levels",
    better="higher",
    identical=2.0,
    value=value,
    bounds=(1.0, 2.0),
    channels=frozenset({1}),
)
