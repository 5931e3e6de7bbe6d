"""Tells the Prefect server of what a run found; see ``event_names``."""

from __future__ import annotations

from collections.abc import Iterable

from prefect.events import emit_event

from lusgan_core.pipeline.events import HELD_BACK, REJECTED, resource


def tell_rejected(source: str, digest: str, reasons: Iterable[str]) -> None:
    """Say that clips of an exam cannot be used."""
    listed = list(reasons)
    emit_event(
        REJECTED,
        resource(source),
        payload={"exam": digest[:8], "clips": len(listed), "reasons": sorted(set(listed))},
    )


def tell_held_back(source: str, score: int, reason: str) -> None:
    """Say that a gate holds a score's new model back."""
    emit_event(HELD_BACK, resource(source), payload={"score": score, "reason": reason})
