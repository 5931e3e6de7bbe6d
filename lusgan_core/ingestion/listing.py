"""The objects of a source, listed once, and what is remembered of their contents.

Digests are sha256 of the content. They, and what readers made of the heads of objects, are
remembered by key, size and stamp, so that each content is read once: pass what ``remembered`` holds
as ``known`` the next time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO

from lusgan_core.clips import Json, SourceStat
from lusgan_core.domain import SourceObject
from lusgan_core.errors import ClipError, UnreadableError
from lusgan_core.ingestion.clip_errors import clip_errors
from lusgan_core.ingestion.readers import ChosenReader
from lusgan_core.store.source import ExamSource, named

Progress = Callable[[int, int], None]
"""Called with the number of files whose digest is known, and the number of all files."""

LeftOut = Callable[[UnreadableError], str]
"""Gives the reason for which a file that cannot be read is left out, or raises."""

HEADS = "/head"
"""Begins the names of remembered heads; no key begins with a slash."""


def listed(source: ExamSource) -> tuple[SourceStat, ...]:
    """List a source, without hidden files and folders, sorted by key. Raises ExamError."""
    stats = (s for s in source.objects() if not any(p.startswith(".") for p in s.key.split("/")))
    return tuple(sorted(stats, key=lambda stat: stat.key))


class SourceListing:
    """What one reader sees of a source; see ``lusgan_core.clips.Listing``."""

    def __init__(
        self,
        source: ExamSource,
        objects: tuple[SourceStat, ...],
        known: Mapping[str, str],
        reader: ChosenReader,
        left_out: LeftOut | None = None,
    ) -> None:
        self.uri, self.objects = source.uri, objects
        self._left_out = left_out
        self._source, self._known, self._reader = source, known, reader
        self.remembered: dict[str, str] = {}
        """What was made of heads in this look: name -> JSON."""

    def head(self, stat: SourceStat, read: Callable[[BinaryIO], Json]) -> Json:
        """See ``Listing.head``."""
        made_by = f"{self._reader.identity} {read.__module__}.{read.__qualname__}"
        name = f"{HEADS}|{made_by}|{_name(stat)}"
        text = self.remembered.get(name) or self._known.get(name)
        if text is None:
            if stat.error:
                raise ClipError(stat.error)
            with _asked(stat.key, self._left_out), clip_errors():
                file = self._source.open(stat.key)
            with _asked(stat.key, self._left_out), clip_errors(), file:
                text = json.dumps(read(file), allow_nan=False)
        if stat.is_unicode:
            self.remembered[name] = text
        return json.loads(text)


class Digester:
    """Computes digests, except known ones, and reports the progress."""

    def __init__(
        self,
        source: ExamSource,
        known: Mapping[str, str],
        progress: Progress | None,
        total: int,
        left_out: LeftOut | None = None,
    ) -> None:
        self._left_out = left_out
        self._source, self._known, self._progress = source, known, progress
        self._done, self._total = 0, total
        self.digests: dict[str, str] = {}

    def object(self, stat: SourceStat, what: str) -> SourceObject:
        """Find the digest of an object.

        Args:
            stat: The object.
            what: How the reason begins if it cannot be read.

        Returns:
            The object with its digest.

        Raises:
            ClipError: The object cannot be read.
        """
        try:
            name = _name(stat)
            digest = self.digests.get(name) or self._known.get(name) or self._read(stat)
            self.digests[name] = digest
            return SourceObject(key=stat.key, size=stat.size, digest=digest)
        except ClipError as error:
            raise ClipError(f"{what}{error}") from None
        finally:
            self._done += 1
            if self._progress:
                self._progress(self._done, self._total)

    def _read(self, stat: SourceStat) -> str:
        if stat.error:
            raise ClipError(stat.error)
        with (
            _asked(stat.key, self._left_out),
            clip_errors(),
            self._source.open(stat.key) as file,
        ):
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


@contextmanager
def _asked(key: str, left_out: LeftOut | None) -> Iterator[None]:
    """Reject a file that cannot be read, if whoever decides says so."""
    try:
        with named(key):
            yield
    except UnreadableError as error:
        if left_out is None:
            raise
        raise ClipError(left_out(error)) from None


def _name(stat: SourceStat) -> str:
    return f"{stat.key}|{stat.size}|{stat.stamp}"
