"""The gates that come with lusgan: one file for each.

Their limits are rules of thumb, set so that a person who looks at the frames of a model that was
held back agrees; they are options.
"""

from __future__ import annotations

from collections.abc import Sequence

from lusgan_core.api import Gate, hookimpl
from lusgan_gates import collapse, copies, divergence, diversity, fidelity, near_copies, realism

LUSGAN_API = 2


@hookimpl
def register_gates() -> Sequence[Gate]:
    """Offer the built-in gates, in the order in which they are reported."""
    return [
        divergence.GATE,
        realism.GATE,
        diversity.GATE,
        collapse.GATE,
        fidelity.GATE,
        copies.GATE,
        near_copies.GATE,
    ]
