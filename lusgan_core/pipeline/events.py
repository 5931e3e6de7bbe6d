"""The events that are sent to the Prefect server, and on which automations act.

The resource is the exam source, ``lusgan.exams.<source8>``. An exam is named by eight digits of its
content's digest: an event never holds a patient's code.
"""

from __future__ import annotations

from typing import Any

from lusgan_core.calls.provenance import short_digest

NEW = "lusgan.exam.new"
"""A look found an exam that no run has tried, complete. `exam`: eight digits of its digest."""
CHANGED = "lusgan.exam.changed"
"""A look found a known exam with another content. `exam`: eight digits of its digest."""
WITHDRAWN = "lusgan.exam.withdrawn"
"""A look found that a known exam is gone. `exam`: eight digits of the digest that it had."""
REJECTED = "lusgan.exam.rejected"
"""A run could not use clips of a new exam. `exam`, the number of `clips`, and their `reasons`."""
HELD_BACK = "lusgan.model.held-back"
"""A gate holds a score's new model back. `score`, and the `reason` that the gate gives."""
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
