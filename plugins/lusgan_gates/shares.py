"""What gates have in common: shares that were measured, and why there are none."""

from __future__ import annotations

from lusgan_core.api import Candidate, Measured


def share(name: str, title: str, value: float, limit: float) -> tuple[Measured, Measured]:
    """Record a share that was measured, and the limit that it was compared with.

    Args:
        name: Name of the value.
        title: The same for people.
        value: The share.
        limit: What was asked for.

    Returns:
        Both as measured values; their statistics are ``share`` and ``limit``.
    """
    found = Measured(metric=name, title=title, statistic="share", value=value)
    return found, found.model_copy(update={"statistic": "limit", "value": limit})


def why_not(candidate: Candidate) -> str:
    """Why a gate on likeness has nothing to measure, and what to do about it."""
    if candidate.likeness is None:
        return "it takes SSIM or MS-SSIM; add ssim to evaluation.metrics"
    return "it takes real frames of two clips that differ"
