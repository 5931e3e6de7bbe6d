"""Marks on models that were trained on an exam which was withdrawn since.

``models/score-N/<model>/withdrawn.json`` names the exams by eight digits of their digest, never by
patient. A marked model is never promoted, and is deleted by ``lusgan prune --withdrawn``; if the
exam comes back, the mark is removed.
"""

from __future__ import annotations

from datetime import datetime

from lusgan_core.calls.provenance import Sealed
from lusgan_core.calls.records import delete_kept, put_kept, read_kept
from lusgan_core.errors import DamagedError, MissingArtifactError
from lusgan_core.store import Store


class Mark(Sealed):
    """Why a model is marked."""

    exams: dict[str, datetime]
    """Eight digits of the exam's digest -> when it was withdrawn."""


def mark_key(folder: str) -> str:
    """Key of the mark of the model in that folder, whether it has one or not."""
    return f"{folder}/withdrawn.json"


def mark_of(store: Store, folder: str) -> Mark | None:
    """Read the mark of a model.

    Args:
        store: Store with the model.
        folder: Key prefix of the model's folder.

    Returns:
        The mark; None if there is none. One that names no exam stands for a damaged one.
    """
    try:
        return read_kept(store, mark_key(folder), Mark, "the model counts as marked")
    except MissingArtifactError:
        return None
    except DamagedError:  # set aside; the mark itself stays, whatever it said
        mark = Mark(exams={})
        put_kept(store, mark_key(folder), mark)
        return mark


def mark(store: Store, folder: str, exam: str, at: datetime) -> None:
    """Mark a model as having seen an exam that was withdrawn.

    Args:
        store: Store with the model.
        folder: Key prefix of the model's folder.
        exam: Eight digits of the exam's digest.
        at: When the exam was withdrawn.
    """
    before = mark_of(store, folder)
    exams = {**(before.exams if before else {}), exam: at}
    put_kept(store, mark_key(folder), Mark(exams=exams))


def unmark(store: Store, folder: str, exam: str) -> None:
    """Remove an exam from a model's mark; with the last exam the mark is deleted.

    Args:
        store: Store with the model.
        folder: Key prefix of the model's folder.
        exam: Eight digits of the exam's digest.
    """
    before = mark_of(store, folder)
    exams = {name: at for name, at in (before.exams if before else {}).items() if name != exam}
    if exams:
        put_kept(store, mark_key(folder), Mark(exams=exams))
    else:
        delete_kept(store, mark_key(folder))
