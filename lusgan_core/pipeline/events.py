"""Names of what is told to the Prefect server as events, which automations act on.

The resource is the exam source, ``lusgan.exams.<source8>``. An exam is named by eight digits of
its content's digest: an event never holds a patient's code.
"""

from __future__ import annotations

from typing import Any

from lusgan_core.calls.provenance import short_digest

NEW, CHANGED, WITHDRAWN = "lusgan.exam.new", "lusgan.exam.changed", "lusgan.exam.withdrawn"
REJECTED = "lusgan.exam.rejected"
HELD_BACK = "lusgan.model.held-back"


def resource(source: str) -> dict[str, str]:
    """The exam source of that address as the resource of an event."""
    return {"prefect.resource.id": resource_id(source), "prefect.resource.name": "exam source"}


def resource_id(source: str) -> str:
    """Names the exam source of that address on the server."""
    return f"lusgan.exams.{short_digest(source)}"


def exam_event(event: str, source: str, digest: str) -> dict[str, Any]:
    """The arguments of an event about one exam."""
    return {"event": event, "resource": resource(source), "payload": {"exam": digest[:8]}}
