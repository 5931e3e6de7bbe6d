"""Finds exams, and remembers in the store what was hashed before."""

from __future__ import annotations

import json

from lusgan_core.calls.provenance import short_digest
from lusgan_core.errors import MissingArtifactError
from lusgan_core.ingestion.discover import Discovery, discover
from lusgan_core.progress import track
from lusgan_core.store import open_store
from lusgan_core.store.source import open_source


def find_exams(exams: str, store: str) -> Discovery:
    """Discover exams; content whose path, size and time are known is not read again.

    There may be none: they may all have been withdrawn (``settle`` tells). Raises ExamError where
    the source is missing or unreadable.
    """
    source, kept = open_source(exams), open_store(store)
    key = f"exams/digests-{short_digest(source.uri)}.json"
    try:
        known = json.loads(kept.get(key))
    except (MissingArtifactError, ValueError):
        known = {}
    with track("looking at exams", 0, "files") as task:

        def progress(done: int, total: int) -> None:
            task.total = total
            task.update(done)

        found = discover(source, known, progress, empty_ok=True)
    if found.digests != known:
        kept.put(key, json.dumps(found.digests, indent=0, sort_keys=True).encode())
    return found
