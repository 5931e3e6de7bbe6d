"""The events that are sent to the Prefect server, and on which automations act.

The resource is the exam source, ``lusgan.exams.<source8>``. An exam is named by eight digits of its
content's digest: an event never holds a patient's code.
"""

from __future__ import annotations

from typing import Any

from lusgan_core.calls.provenance import short_digest

NEW, CHANGED, WITHDRAWN = "lusgan.exam.new", "lusgan.exam.changed", "lusgan.exam.withdrawn"
REJECTED = "lusgan.exam.rejected"
HELD_BACK = "lusgan.model.held-back"
LOOKED = "lusgan.exams.looked"
"""The exam source is looked at: once an hour, whatever is found."""


def resource(source: str) -> dict[str, str]:
    """The exam source of that address as the resource of an event."""
    return {"prefect.resource.id": resource_id(source), "prefect.resource.name": "exam source"}


def resource_id(source: str) -> str:
    """The id on the Prefect server of the exam source at that address."""
    return f"lusgan.exams.{short_digest(source)}"


def exam_event(event: str, source: str, digest: str) -> dict[str, Any]:
    """Make an event about one exam.

    Args:
        event: Name of the event: ``NEW``, ``CHANGED``, ``WITHDRAWN`` or ``REJECTED``.
        source: Address of the exam source.
        digest: Digest of the exam's content, of which eight digits are sent.

    Returns:
        Keyword arguments of Prefect's ``emit_event``; JSON.
    """
    return {"event": event, "resource": resource(source), "payload": {"exam": digest[:8]}}
