"""Finds out which exams have arrived completely, and which were announced before.

An upload takes its time: clips come one after the other. An exam counts as complete once nothing in
it changed for a *settle time*, or once ``lusgan notify`` has declared it complete. What was
announced is kept in the store, as ``exams/announced-<source8>.json``, so that an exam is not
announced again at every poll while a run is under way.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from lusgan_core.calls.ledger import ExamLedger
from lusgan_core.calls.provenance import Sealed, short_digest
from lusgan_core.domain import ClipFiles, ExamCodes, ExamFiles, Record
from lusgan_core.errors import LusganError, MissingArtifactError
from lusgan_core.ingestion.discover import Discovery
from lusgan_core.pipeline.exam_digests import find_exams
from lusgan_core.store import Store, open_store
from lusgan_core.store.source import ExamSource, open_source

AGAIN_S = 120.0
"""Seconds until an exam that no run has tried is announced again; doubled each time."""
LONGEST_AGAIN_S = 6 * 3600.0
PATIENCE = 10
"""Longest wait for the end of a change or of an upload, in settle times."""


class StillChangingError(LusganError, RuntimeError):
    """A known exam keeps changing: neither its old nor its new content can be read whole."""


class Announced(Record):
    """An exam that was announced."""

    patient: str
    exam: str
    digest: str
    """Digest of its content at that time; empty if it was withdrawn."""
    at: datetime
    times: int = 1
    complete: bool = False
    """Whether its upload was declared complete."""

    @property
    def codes(self) -> ExamCodes:
        """Codes of patient and exam."""
        return self.patient, self.exam


class Announcements(Sealed):
    """The exams of a source that were announced and that no run has tried since."""

    exams: tuple[Announced, ...] = ()

    @classmethod
    def load(cls, store: Store, source: str) -> Announcements:
        """Read what was announced of a source.

        Args:
            store: Store with the record.
            source: Address of the exam source.

        Returns:
            The record; empty if it is missing or damaged.
        """
        try:
            return cls.model_validate_json(store.get(announced_key(source)))
        except (MissingArtifactError, ValueError):
            return cls()

    def save(self, store: Store, source: str) -> None:
        """Write the record in one put.

        Args:
            store: Store to write to.
            source: Address of the exam source.
        """
        store.put(announced_key(source), self.sealed())

    def of(self, codes: ExamCodes, digest: str) -> Announced | None:
        """Look up the announcement of an exam with exactly this content.

        Args:
            codes: Codes of patient and exam.
            digest: Digest of the exam's content; empty for a withdrawal.

        Returns:
            The announcement; None if there was none.
        """
        return next((a for a in self.exams if a.codes == codes and a.digest == digest), None)

    def due(
        self, codes: ExamCodes, digest: str, run_active: bool, cancelled: datetime | None = None
    ) -> bool:
        """Whether an exam is to be announced, for the first time or again.

        It is announced again if no run is active and the last announcement is old enough (see
        ``AGAIN_S``): an active run takes up what was announced before. What was announced before a
        person cancelled a run is not announced again, for that would start the same run anew.

        Args:
            codes: Codes of patient and exam.
            digest: Digest of the exam's content; empty for a withdrawal.
            run_active: Whether a run over the source is under way.
            cancelled: When a person cancelled the last run; None if nobody did.

        Returns:
            True if an announcement is due.
        """
        before = self.of(codes, digest)
        if before is None:
            return True
        if cancelled is not None and before.at < cancelled:
            return False
        doubled = min(before.times - 1, 16)  # beyond any limit, and still a number of seconds
        pause = min(AGAIN_S * 2**doubled, LONGEST_AGAIN_S)
        return not run_active and datetime.now(UTC) - before.at > timedelta(seconds=pause)

    def told(self, codes: ExamCodes, digest: str, complete: bool = False) -> Announcements:
        """The record after an exam was announced.

        Args:
            codes: Codes of patient and exam.
            digest: Digest of the exam's content; empty for a withdrawal.
            complete: Whether its upload was declared complete; once declared, this content stays
                so.

        Returns:
            A new record, in which the exam's entry replaces an earlier one.
        """
        before = self.of(codes, digest)
        entry = Announced(
            patient=codes[0],
            exam=codes[1],
            digest=digest,
            at=datetime.now(UTC),
            times=before.times + 1 if before else 1,
            complete=complete or bool(before and before.complete),
        )
        return Announcements(exams=(*self._others([codes]), entry))

    def keeping(self, waiting: Iterable[ExamCodes]) -> Announcements:
        """The record without the exams that wait for nothing any more."""
        kept = set(waiting)
        return Announcements(exams=tuple(a for a in self.exams if a.codes in kept))

    def _others(self, codes: Iterable[ExamCodes]) -> tuple[Announced, ...]:
        gone = set(codes)
        return tuple(a for a in self.exams if a.codes not in gone)


def announced_key(source: str) -> str:
    """Key of the announcements of the exam source at that address."""
    return f"exams/announced-{short_digest(source)}.json"


def last_changes(source: ExamSource, found: Discovery) -> dict[ExamCodes, float]:
    """Find when anything in each exam changed last.

    An exam's files are those that were found, whatever else lies in the same folders (an upload may
    begin under a hidden name), and what is named after its clips, such as a mask in another folder.

    Args:
        source: The source, which is listed.
        found: The exams in it.

    Returns:
        Seconds since 1970, by codes of patient and exam.

    Raises:
        ExamError: The source is missing or unreadable.
    """
    folders: dict[str, set[ExamCodes]] = {}
    keys: dict[str, set[ExamCodes]] = {}
    names: dict[str, set[ExamCodes]] = {}
    for exam in found.exams:
        for key in [*(c.clip.key for c in exam.clips), *(r.file for r in exam.rejected)]:
            folders.setdefault(key.rpartition("/")[0], set()).add(exam.codes)
        for clip in exam.clips:
            names.setdefault(_beginning(clip), set()).add(exam.codes)
            for item in clip.objects.values():
                keys.setdefault(item.key, set()).add(exam.codes)
    newest = {exam.codes: 0.0 for exam in found.exams}
    for stat in source.objects():
        name = stat.name.lower()
        of = folders.get(stat.key.rpartition("/")[0], set()) | keys.get(stat.key, set())
        if not of:
            starts = (name[:end] for end in range(1, len(name) + 1))
            of = set().union(*(names[start] for start in starts if start in names))
        for codes in of:
            newest[codes] = max(newest[codes], stat.changed)
    return newest


def _beginning(clip: ClipFiles) -> str:
    """How the names of files begin that are named after a clip: without the number of its area
    where the rest still tells the exam."""
    name = clip.name.lower()
    rest = name.rstrip("0123456789")
    tells = clip.patient.lower() in rest and clip.exam.lower() in rest
    return rest if tells else f"{name}_"


def arriving(
    found: Discovery,
    changes: Mapping[ExamCodes, float],
    announced: Announcements,
    settle_s: float,
) -> dict[ExamCodes, ExamFiles]:
    """Find exams that may be incomplete: changed lately, and not declared complete.

    Args:
        found: The exams of a source.
        changes: Time of the last change in each exam, seconds since 1970, see ``last_changes``.
        announced: What was announced of the source.
        settle_s: Seconds without a change after which an exam counts as complete.

    Returns:
        These exams, by codes of patient and exam.
    """
    since = time.time() - settle_s
    unsettled = {}
    for exam in found.exams:
        told = announced.of(exam.codes, exam.digest)
        if changes.get(exam.codes, 0.0) > since and not (told and told.complete):
            unsettled[exam.codes] = exam
    return unsettled


def to_wait_for(
    found: Discovery,
    changes: Mapping[ExamCodes, float],
    announced: Announcements,
    settle_s: float,
) -> dict[ExamCodes, ExamFiles]:
    """Find exams that it is too early to announce.

    These are the exams that may be incomplete and, while there are any, those that arrived shortly
    before: an upload of many exams settles one after the other and should be announced at once. An
    upload that never ends delays an exam by ``PATIENCE`` settle times at most.

    Args:
        found: The exams of a source.
        changes: Time of the last change in each exam, seconds since 1970, see ``last_changes``.
        announced: What was announced of the source.
        settle_s: Seconds without a change after which an exam counts as complete.

    Returns:
        These exams, by codes of patient and exam.
    """
    late = arriving(found, changes, announced, settle_s)
    return arriving(found, changes, announced, PATIENCE * settle_s) if late else late


def find_settled(
    exams: str, store: str, settle_s: float, readers: Mapping[str, Any] | None = None
) -> tuple[Discovery, Discovery]:
    """Discover exams, and tell those that are complete.

    New exams that are still arriving are left out of the second result. A known exam that is being
    changed is waited for, since neither its old nor its new content is whole.

    Args:
        exams: Address of the exam source.
        store: Address of the store, which keeps digests, ledger and announcements.
        settle_s: Seconds without a change after which an exam counts as complete; 0 takes every
            exam for complete.
        readers: Options of readers by name; empty for all that are installed.

    Returns:
        All exams, and those that are complete.

    Raises:
        StillChangingError: A known exam changes for longer than ``PATIENCE`` settle times.
        ExamError: The source is missing or unreadable.
    """
    source, kept = open_source(exams), open_store(store)
    until = time.monotonic() + PATIENCE * settle_s
    while True:
        found = find_exams(exams, store, readers)
        if not settle_s:
            return found, found
        # listed after discovery: whatever came in between shows as a change
        changes = last_changes(source, found)
        unsettled = arriving(found, changes, Announcements.load(kept, source.uri), settle_s)
        known = ExamLedger.load(kept, source.uri).tried_before()
        changing = [
            codes
            for codes, exam in unsettled.items()
            if codes in known and known[codes].digest != exam.digest
        ]
        if not changing:
            new = {codes for codes in unsettled if codes not in known}
            whole = tuple(e for e in found.exams if e.codes not in new)
            return found, replace(found, exams=whole)
        if time.monotonic() > until:
            raise StillChangingError(
                f"{len(changing)} known exams are still being changed after "
                f"{PATIENCE * settle_s:g} s: they are looked at again when they are complete"
            )
        time.sleep(min(settle_s / 4, 10.0))
