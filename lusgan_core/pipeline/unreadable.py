"""Files of an exam source that a disk does not give: tried several times, then left out for now.

One bad sector must not end every run over ten thousand exams. A file that fails while others can be
read is noted in ``exams/unreadable-<source8>.json``; until it has failed ``TRIES`` times over
``SPAN``, it ends the run, as a disk that is away does. After that its clip is rejected, with the
reason, at each look anew: once it can be read again, it counts again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from lusgan_core.calls.provenance import Sealed, short_digest
from lusgan_core.domain import Record
from lusgan_core.errors import MissingArtifactError, UnreadableError
from lusgan_core.store import Store
from lusgan_core.store.source import ExamSource

TRIES = 3
SPAN = timedelta(hours=1)
PROBES = 8
"""Other files that are opened to tell a bad file from a disk that is away."""


class Tries(Record):
    """How often a file could not be read."""

    first: datetime
    times: int = 1

    @property
    def enough(self) -> bool:
        """Whether the file is left out for now."""
        return self.times >= TRIES and datetime.now(UTC) - self.first >= SPAN


class Unreadable(Sealed):
    """The files of a source that could not be read the last time."""

    files: dict[str, Tries]

    @classmethod
    def load(cls, store: Store, source: str) -> Unreadable:
        """Read the record of a source.

        Args:
            store: Store with the record.
            source: Address of the source.

        Returns:
            The record; empty if it is missing or damaged.
        """
        try:
            return cls.model_validate_json(store.get(_key(source)))
        except (MissingArtifactError, ValueError):
            return cls(files={})

    def save(self, store: Store, source: str) -> None:
        """Write the record of a source, or delete an empty one.

        Args:
            store: Store to write to.
            source: Address of the source.
        """
        if self.files:
            store.put(_key(source), self.sealed())
        else:
            store.delete(_key(source))

    def again(self, keys: Iterable[str]) -> Unreadable:
        """The record after files have failed once more."""
        now, files = datetime.now(UTC), dict(self.files)
        for key in keys:
            before = files.get(key)
            files[key] = (
                Tries(first=before.first, times=before.times + 1) if before else Tries(first=now)
            )
        return Unreadable(files=files)


class Patience:
    """Decides, in one discovery, what becomes of files that cannot be read."""

    def __init__(self, source: ExamSource, store: Store) -> None:
        self._source, self._store = source, store
        self._before = self._noted = Unreadable.load(store, source.uri)
        self._failed: set[str] = set()
        self._not_yet: UnreadableError | None = None

    def believed(self, known: Mapping[str, str]) -> dict[str, str]:
        """Digests from earlier looks, without those of files that failed since."""
        before = self._before.files
        return {n: d for n, d in known.items() if n.rsplit("|", 2)[0] not in before}

    def __call__(self, error: UnreadableError) -> str:
        """The reason for which a file is left out; raises the error where its disk is away."""
        if not self._failed and not others_can_be_read(self._source, error.keys):
            raise error
        self._failed |= error.keys
        self._noted = self._noted.again(error.keys)
        tries = [self._noted.files[key] for key in error.keys]
        if not all(one.enough for one in tries):
            self._not_yet = self._not_yet or _not_yet(error, self._noted)
        times, first = max(one.times for one in tries), min(one.first for one in tries)
        return (
            f"cannot be read for now ({error.reason}; {times} tries since "
            f"{first:%Y-%m-%d %H:%M} UTC)"
        )

    def end(self) -> None:
        """Note what failed, and forget what did not; raises UnreadableError for what is too new."""
        files = {key: tries for key, tries in self._noted.files.items() if key in self._failed}
        if files != self._before.files:
            Unreadable(files=files).save(self._store, self._source.uri)
        if self._not_yet:
            raise self._not_yet


def note(source: ExamSource, store: Store, error: UnreadableError) -> UnreadableError:
    """Note files that failed in a stage, so that the next look reads them whole.

    Args:
        source: Their source.
        store: Store with the record of tries.
        error: Names them.

    Returns:
        The error to raise.
    """
    if not others_can_be_read(source, error.keys):
        return error
    noted = Unreadable.load(store, source.uri).again(error.keys)
    noted.save(store, source.uri)
    return _not_yet(error, noted)


def _not_yet(error: UnreadableError, noted: Unreadable) -> UnreadableError:
    times = max(noted.files[key].times for key in error.keys)
    names = ", ".join(sorted(short_digest(key) for key in error.keys))
    text = (
        f"a file of the exams cannot be read ({names}: {error.reason}), though others can; "
        f"try {times} of {TRIES}: what is finished is kept, run the same command again. After "
        f"{TRIES} tries over {SPAN.total_seconds() / 3600:g} h it is left out for now; `lusgan "
        "check` names it"
    )
    return UnreadableError(text, error.reason, error.keys)


def others_can_be_read(source: ExamSource, failed: frozenset[str]) -> bool:
    """Tell a file that cannot be read from a disk that is away.

    Args:
        source: The source.
        failed: Keys of the files that cannot be read.

    Returns:
        Whether the first byte of any other file can be read, or there is none.
    """
    others = [stat for stat in source.objects() if stat.key not in failed and not stat.error]
    step = max(1, len(others) // PROBES)
    for stat in others[::step]:
        try:
            with source.open(stat.key) as file:
                file.read(1)
        except OSError:
            continue
        return True
    return not others


def _key(source: str) -> str:
    return f"exams/unreadable-{short_digest(source)}.json"
