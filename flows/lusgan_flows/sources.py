"""Finds exams, and remembers in the store what was hashed before."""

from __future__ import annotations

import json
from pathlib import Path

from lusgan_core.errors import MissingArtifactError
from lusgan_core.exams import Discovery, discover, open_source
from lusgan_core.progress import track
from lusgan_core.provenance import digest_bytes
from lusgan_core.store import open_store


def absolute(address: str) -> str:
    """An address that means the same in another folder and process: a folder's whole path."""
    return address if "://" in address else str(Path(address).expanduser().absolute())


def find_exams(exams: str, store: str) -> Discovery:
    """Discover exams; content whose path, size and time are known is not read again.

    There may be none: they may all have been withdrawn (``settle`` tells). Raises ExamError where
    the source is missing or unreadable.
    """
    source, kept = open_source(exams), open_store(store)
    key = f"exams/digests-{digest_bytes(source.uri.encode())[:8]}.json"
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
