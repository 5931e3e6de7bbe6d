"""The ledger of exams: which exams of a source were tried, and what differs from them now.

An exam is *tried* when a whole run has had it, whatever became of it; it is tried again when its
content changes, or by hand. It is in the ledger before that, as *read*, from when a run or a study
begins to make something of it: so what is left of it is found, though the run was killed, or ended
before the report. A source's ledger is one object in the store,
``exams/known-<source8>.json``, where ``source8`` are eight digits of the digest of the source's
address. It is what a watch compares a source with, and how a run notices that an exam was
withdrawn: it is in the ledger, and no longer in the source.

That something is *gone* is never concluded from what could not be looked at: discovery raises
where a source is missing, and an exam in a folder that could not be read counts as there, and so
does one whose reader was not asked, or failed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from lusgan_core.calls.provenance import Sealed, short_digest
from lusgan_core.calls.records import put_kept, read_kept
from lusgan_core.domain import ExamCodes, ExamFiles, Record, Rejection
from lusgan_core.errors import MissingArtifactError
from lusgan_core.store import Store

State = Literal["read", "tried", "failed"]
FIRST_READERS = ("mat",)


class LedgerEntry(Record):
    """One exam that a run or a study has read."""

    patient: str
    exam: str
    digest: str
    """Digest of its content when it was last tried, as ``ExamFiles.digest``."""
    state: State
    """``read``: no run has tried it yet, so it is new. ``failed``: the last run that tried it ended
    with an error."""
    first_seen: datetime
    changed: datetime
    """When it got this digest and this state."""
    readers: tuple[str, ...] = ()
    """Names of the readers that found it; empty in entries of lusgan 0.1, which had ``mat``."""
    clips: tuple[str, ...] = ()
    """Eight digits of the source key of each of its clips; empty in entries of lusgan 0.1."""

    @property
    def codes(self) -> ExamCodes:
        """Codes of patient and exam."""
        return self.patient, self.exam

    @property
    def short_digest(self) -> str:
        """Eight digits that name the exam where its patient must not be named."""
        return self.digest[:8]


@dataclass(frozen=True)
class Changes:
    """How a source differs from its ledger; false where there is no difference."""

    new: tuple[ExamFiles, ...] = ()
    """Never tried, or back in the source after it was withdrawn."""
    changed: tuple[ExamFiles, ...] = ()
    """Tried before, with other content."""
    withdrawn: tuple[LedgerEntry, ...] = ()
    """In the ledger, and no longer in the source."""

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.withdrawn)


class ExamLedger(Sealed):
    """The exams of one source that runs have tried, sorted by patient and exam.

    A withdrawn exam is removed, so that nothing names its patient any more.
    """

    source: str
    """Address of the source."""
    exams: tuple[LedgerEntry, ...] = ()

    @classmethod
    def load(cls, store: Store, source: str) -> ExamLedger:
        """Read the ledger of a source.

        Args:
            store: Where ledgers are kept.
            source: Address of the exam source, e.g. a folder's absolute path or
                ``s3://BUCKET/PREFIX``.

        Returns:
            The ledger; an empty one where no run has tried an exam of this source.

        Raises:
            DamagedError: Both copies of the record are damaged. Treated as empty, it would hide
                that an exam was withdrawn.
        """
        then = "restore it, or run again to start afresh (withdrawals since then go unnoticed)"
        try:
            return read_kept(store, ledger_key(source), cls, then, lambda one: one.source == source)
        except MissingArtifactError:
            return cls(source=source)

    def save(self, store: Store) -> None:
        """Write the ledger."""
        put_kept(store, ledger_key(self.source), self)

    def compare(
        self,
        exams: Sequence[ExamFiles],
        rejected: Sequence[Rejection],
        readers: Collection[str] | None = None,
    ) -> Changes:
        """Find what is new, changed or withdrawn in a *whole* discovery of the source.

        Args:
            exams: All exams of the source. An exam that is missing here for any other reason than
                that it is gone would be treated as withdrawn.
            rejected: What could not be used; exams in a folder that could not be read, and those of
                which a clip is still there, are not treated as withdrawn.
            readers: Names of the readers that looked at the whole source; exams that any other has
                found are not treated as withdrawn. None for all readers there are.

        Returns:
            The differences.
        """
        known, tried = {entry.codes: entry for entry in self.exams}, self.tried_before()
        there = {exam.codes for exam in exams}
        # whose clip is still there, but not its row in a table, nobody has withdrawn
        still_there = {short_digest(one.file) for one in rejected}
        return Changes(
            new=tuple(exam for exam in exams if exam.codes not in tried),
            changed=tuple(
                exam
                for exam in exams
                if exam.codes in tried and tried[exam.codes].digest != exam.digest
            ),
            withdrawn=tuple(
                entry
                for codes, entry in known.items()
                if codes not in there
                and not _unreadable(codes, rejected)
                and not still_there & set(entry.clips)
                and (readers is None or set(entry.readers or FIRST_READERS) <= set(readers))
            ),
        )

    def tried_before(self) -> dict[ExamCodes, LedgerEntry]:
        """The exams that a run has tried, by their codes."""
        return {entry.codes: entry for entry in self.exams if entry.state != "read"}

    def read(self, exams: Iterable[ExamFiles]) -> ExamLedger:
        """Record that something is made of exams, before it is.

        Args:
            exams: The exams.

        Returns:
            The new ledger; entries that there are stay as they are.
        """
        now, known = datetime.now(UTC), {entry.codes: entry for entry in self.exams}
        for exam in exams:
            known.setdefault(exam.codes, _entry(None, exam, "read", now))
        entries = tuple(entry for _, entry in sorted(known.items()))
        return self.model_copy(update={"exams": entries})

    def tried(self, exams: Iterable[ExamFiles], failed: Set[ExamCodes] = frozenset()) -> ExamLedger:
        """Record a run over some exams.

        Args:
            exams: The exams that the run has tried.
            failed: Codes of those for which it ended with an error.

        Returns:
            The new ledger; entries whose digest and state are unchanged keep their times.
        """
        now, known = datetime.now(UTC), {entry.codes: entry for entry in self.exams}
        for exam in exams:
            state: State = "failed" if exam.codes in failed else "tried"
            known[exam.codes] = _entry(known.get(exam.codes), exam, state, now)
        entries = tuple(entry for _, entry in sorted(known.items()))
        return self.model_copy(update={"exams": entries})

    def without(self, withdrawn: Set[ExamCodes]) -> ExamLedger:
        """The ledger after exams were withdrawn."""
        kept = tuple(entry for entry in self.exams if entry.codes not in withdrawn)
        return self.model_copy(update={"exams": kept})


def record_tried(
    store: Store,
    source: str,
    exams: Iterable[ExamFiles],
    failed: Set[ExamCodes] = frozenset(),
) -> None:
    """Record in the store that a run has tried exams; nothing is written where nothing changed.

    The ledger is read here, not when a run begins, so entries of other runs are kept.

    Args:
        store: Where the ledger is kept.
        source: Address of the exam source.
        exams: The exams that the run has tried.
        failed: Codes of those for which it ended with an error.

    Raises:
        StoreError: The ledger cannot be read or written.
    """
    ledger = ExamLedger.load(store, source)
    after = ledger.tried(exams, failed)
    if after != ledger:
        after.save(store)


def record_read(store: Store, source: str, exams: Iterable[ExamFiles]) -> None:
    """Record in the store that something is made of exams, before it is; see ``ExamLedger.read``.

    Args:
        store: Where the ledger is kept.
        source: Address of the exam source.
        exams: The exams.

    Raises:
        StoreError: The ledger cannot be read or written.
    """
    ledger = ExamLedger.load(store, source)
    after = ledger.read(exams)
    if after != ledger:
        after.save(store)


def ledger_key(source: str) -> str:
    """Where the store keeps the ledger of the source of that address."""
    return f"exams/known-{short_digest(source)}.json"


def _entry(before: LedgerEntry | None, exam: ExamFiles, state: State, now: datetime) -> LedgerEntry:
    """Return an exam's entry: the same object where nothing changed, so that nothing is written."""
    clips = tuple(sorted(short_digest(one.clip.key) for one in exam.clips))
    if before and (before.digest, before.state) == (exam.digest, state):
        same = (before.readers, before.clips) == (exam.readers, clips)
        found = {"readers": exam.readers, "clips": clips}
        return before if same else before.model_copy(update=found)
    return LedgerEntry(
        patient=exam.patient,
        exam=exam.exam,
        digest=exam.digest,
        state=state,
        first_seen=before.first_seen if before else now,
        changed=now,
        readers=exam.readers,
        clips=clips,
    )


def _unreadable(codes: ExamCodes, rejected: Sequence[Rejection]) -> bool:
    """Whether an exam lies in a folder that discovery could not read."""
    folder = "/".join(codes) + "/"
    return any(folder.startswith(r.file) for r in rejected if r.file.endswith("/") or not r.file)
