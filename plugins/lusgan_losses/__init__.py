"""The losses and gradient penalties that come with lusgan: one file for each family."""

from __future__ import annotations

from collections.abc import Sequence

from lusgan_core.api import Loss, Penalty, hookimpl
from lusgan_losses import cross_entropy, hinge, least_squares, penalties

LUSGAN_API = 2


@hookimpl
def register_losses() -> Sequence[Loss]:
    """Offer the built-in losses."""
    return [
        cross_entropy.SGAN,
        cross_entropy.RSGAN,
        cross_entropy.RASGAN,
        least_squares.LSGAN,
        least_squares.RALSGAN,
        hinge.HINGE,
        hinge.RAHINGE,
    ]


@hookimpl
def register_penalties() -> Sequence[Penalty]:
    """Offer the built-in penalties."""
    return [penalties.GP, penalties.R1, penalties.R2]
