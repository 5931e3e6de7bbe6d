"""Marks on models that were trained on an exam which was withdrawn since.

``models/score-N/<model>/withdrawn.json`` names the exams by eight digits of their digest, never by
patient. A marked model is never promoted, and goes with ``lusgan prune --withdrawn``; if the exam
comes back, the mark goes.
"""

from __future__ import annotations

from datetime import datetime

from lusgan_core.domain import Record
from lusgan_core.errors import MissingArtifactError
from lusgan_core.store import Store


class Mark(Record):
    """Why a model is marked."""

    exams: dict[str, datetime]
    """Eight digits of the exam's digest -> when it was withdrawn."""


def mark_key(folder: str) -> str:
    """Where the mark of the model in that folder is, if it has one."""
    return f"{folder}/withdrawn.json"


def mark_of(store: Store, folder: str) -> Mark | None:
    """The mark of the model in that folder, None where it has none."""
    try:
        return Mark.model_validate_json(store.get(mark_key(folder)))
    except MissingArtifactError:
        return None


def mark(store: Store, folder: str, exam: str, at: datetime) -> None:
    """Mark a model as having seen an exam (eight digits of its digest)."""
    before = mark_of(store, folder)
    exams = {**(before.exams if before else {}), exam: at}
    store.put(mark_key(folder), Mark(exams=exams).model_dump_json(indent=1).encode())


def unmark(store: Store, folder: str, exam: str) -> None:
    """Take an exam off a model's mark; with the last one the mark goes."""
    before = mark_of(store, folder)
    exams = {name: at for name, at in (before.exams if before else {}).items() if name != exam}
    if exams:
        store.put(mark_key(folder), Mark(exams=exams).model_dump_json(indent=1).encode())
    else:
        store.delete(mark_key(folder))
