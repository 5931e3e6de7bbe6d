"""What gates have in common: shares that were measured, why there are none, distances of sets."""

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


def distance(candidate: Candidate, metric: str, between: tuple[str, str]) -> Measured | None:
    """Find a distance between sets, on the first of the feature extractors that have it.

    Args:
        candidate: The model to judge.
        metric: Name of the metric, e.g. ``kid``.
        between: The sides that were compared.

    Returns:
        The value; None where it was not measured.
    """
    named = (v for v in candidate.values if v.metric.startswith(f"{metric}/"))
    return next((value for value in named if value.between == between), None)
