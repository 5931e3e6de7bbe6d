"""Emits Prefect events about the findings of a run; see ``lusgan_core.pipeline.events``."""

from __future__ import annotations

from collections.abc import Iterable

from prefect.events import emit_event

from lusgan_core.pipeline.events import HELD_BACK, REJECTED, resource


def tell_rejected(source: str, digest: str, reasons: Iterable[str]) -> None:
    """Emit an event: clips of an exam cannot be used.

    Args:
        source: Address of the exam source.
        digest: Digest of the exam; eight digits of it name the exam in the event.
        reasons: A reason for each rejected clip.
    """
    listed = list(reasons)
    emit_event(
        REJECTED,
        resource(source),
        payload={"exam": digest[:8], "clips": len(listed), "reasons": sorted(set(listed))},
    )


def tell_held_back(source: str, score: int, reason: str) -> None:
    """Emit an event: a gate holds back a score's new model.

    Args:
        source: Address of the exam source.
        score: Severity score, 0..3.
        reason: What the gate found.
    """
    emit_event(HELD_BACK, resource(source), payload={"score": score, "reason": reason})
