"""Finds exams, and keeps in the store the digests of the files that were read before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lusgan_core.calls.provenance import Sealed, short_digest
from lusgan_core.errors import MissingArtifactError
from lusgan_core.ingestion.discover import Discovery, discover
from lusgan_core.ingestion.readers import choose_readers
from lusgan_core.pipeline.unreadable import Patience
from lusgan_core.progress import track
from lusgan_core.store import open_store
from lusgan_core.store.source import open_source


class _Digests(Sealed):
    """What a discovery remembers, see ``Discovery.digests``."""

    files: dict[str, str]


def find_exams(exams: str, store: str, readers: Mapping[str, Any] | None = None) -> Discovery:
    """Discover exams; files whose path, size and time are known are not read again.

    Args:
        exams: Address of the exam source.
        store: Address of the store, which keeps the digests.
        readers: Options of readers by name, as ``ingestion.readers``; empty for all installed.

    Returns:
        The exams; there may be none, since all may have been withdrawn (see ``settle``).

    Raises:
        UnreadableError: A file cannot be read, and was not tried often enough yet.
        ExamError: The source is missing or unreadable.
        ConfigError: Two readers recognise the same files, or one is not installed.
    """
    source, kept = open_source(exams), open_store(store)
    key = f"exams/digests-{short_digest(source.uri)}.json"
    try:
        known = _Digests.model_validate_json(kept.get(key)).files
    except (MissingArtifactError, ValueError):  # damaged, or of an earlier version: read once more
        known = {}
    with track("looking at exams", 0, "files") as task:

        def progress(done: int, total: int) -> None:
            task.total = total
            task.update(done)

        patience = Patience(source, kept)
        found = discover(
            source,
            patience.believed(known),
            progress,
            empty_ok=True,
            readers=choose_readers(readers),
            left_out=patience,
        )
    if found.digests != known:
        kept.put(key, _Digests(files=found.digests).sealed())
    patience.end()
    return found
