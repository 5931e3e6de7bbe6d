"""Which exams of a source are known, and what differs from them now.

An exam is *known* when a run has tried it, whatever became of it; it is tried again when its
content changes, or by hand. What is known of a source is one object in the store,
``exams/known-<source8>.json``, where ``source8`` are eight digits of the digest of the source's
address. It is what a watch compares a source with, and how a run notices that an exam was
withdrawn: it is known, and no longer there.

That something is *gone* is never concluded from what could not be looked at: discovery raises
where a source is missing, and an exam in a folder that could not be read counts as there.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from lusgan_core.domain import ExamFiles, Record, Rejection
from lusgan_core.errors import MissingArtifactError, StoreError
from lusgan_core.exams.discover import Discovery
from lusgan_core.provenance import digest_bytes
from lusgan_core.store import Store

Codes = tuple[str, str]
"""Codes of a patient and an exam: what an exam is called in its source."""
State = Literal["tried", "failed"]


class KnownExam(Record):
    """One exam that a run has seen."""

    patient: str
    exam: str
    digest: str
    """Of its content when it was tried last, as ``ExamFiles.digest``."""
    state: State
    """``failed``: the run that tried it last ended with an error."""
    first_seen: datetime
    changed: datetime
    """Since when it has this digest and this state."""

    @property
    def codes(self) -> Codes:
        """Codes of patient and exam."""
        return self.patient, self.exam

    @property
    def short_digest(self) -> str:
        """Eight digits that name the exam where its patient must not be named."""
        return self.digest[:8]


@dataclass(frozen=True)
class Changes:
    """How a source differs from what is known of it; false where it does not."""

    new: tuple[ExamFiles, ...] = ()
    """Never tried, or there again after it was withdrawn."""
    changed: tuple[ExamFiles, ...] = ()
    """Tried with other content."""
    withdrawn: tuple[KnownExam, ...] = ()
    """Known, and gone."""

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.withdrawn)


class KnownExams(Record):
    """The exams of one source that runs have seen, sorted by patient and exam.

    One that was withdrawn is forgotten: nothing goes on naming its patient.
    """

    source: str
    """Address of the source."""
    exams: tuple[KnownExam, ...] = ()

    @classmethod
    def load(cls, store: Store, source: str) -> KnownExams:
        """What the store knows of the source of that address; nothing, where it was never run.

        Raises StoreError where the record cannot be understood: taken for empty, it would hide
        that an exam was withdrawn.
        """
        key = known_key(source)
        try:
            return cls.model_validate_json(store.get(key))
        except MissingArtifactError:
            return cls(source=source)
        except ValueError as error:
            raise StoreError(
                f"{key} in {store.uri} is damaged: restore it, or delete it to start afresh (exams "
                "withdrawn since the last run then go unnoticed)"
            ) from error

    def save(self, store: Store) -> None:
        """Write the record in one put."""
        store.put(known_key(self.source), self.model_dump_json(indent=1).encode())

    def compare(self, found: Discovery) -> Changes:
        """What is new, changed or withdrawn in a *whole* discovery of the source.

        An exam left out of ``found`` for any other reason than that it is gone would be taken for
        withdrawn.
        """
        known = {exam.codes: exam for exam in self.exams}
        there = {(exam.patient, exam.exam) for exam in found.exams}
        return Changes(
            new=tuple(e for e in found.exams if (e.patient, e.exam) not in known),
            changed=tuple(
                e
                for e in found.exams
                if (e.patient, e.exam) in known and known[e.patient, e.exam].digest != e.digest
            ),
            withdrawn=tuple(
                exam
                for codes, exam in known.items()
                if codes not in there and not _unreadable(codes, found.rejected)
            ),
        )

    def tried(self, found: Discovery, failed: Set[Codes] = frozenset()) -> KnownExams:
        """The record after a run over ``found``; ``failed`` names exams that it ended with."""
        now, known = datetime.now(UTC), {exam.codes: exam for exam in self.exams}
        for exam in found.exams:
            codes = (exam.patient, exam.exam)
            state: State = "failed" if codes in failed else "tried"
            known[codes] = _now(known.get(codes), codes, exam.digest, state, now)
        exams = tuple(exam for _, exam in sorted(known.items()))
        return self.model_copy(update={"exams": exams})

    def without(self, withdrawn: Set[Codes]) -> KnownExams:
        """The record after exams were withdrawn."""
        kept = tuple(exam for exam in self.exams if exam.codes not in withdrawn)
        return self.model_copy(update={"exams": kept})


def remember(store: Store, source: str, found: Discovery, failed: Set[Codes] = frozenset()) -> None:
    """Note that a run has tried the exams, see ``KnownExams.tried``; writes only what is new.

    What other runs have noted meanwhile stays: the record is read here, not when a run begins.
    """
    known = KnownExams.load(store, source)
    tried = known.tried(found, failed)
    if tried != known:
        tried.save(store)


def known_key(source: str) -> str:
    """Where the store keeps what is known of the source of that address."""
    return f"exams/known-{digest_bytes(source.encode())[:8]}.json"


def _now(
    before: KnownExam | None, codes: Codes, digest: str, state: State, now: datetime
) -> KnownExam:
    """An exam's entry; the very same one where nothing changed, so that nothing is written."""
    if before and (before.digest, before.state) == (digest, state):
        return before
    return KnownExam(
        patient=codes[0],
        exam=codes[1],
        digest=digest,
        state=state,
        first_seen=before.first_seen if before else now,
        changed=now,
    )


def _unreadable(codes: Codes, rejected: tuple[Rejection, ...]) -> bool:
    """Whether an exam lies in a folder that discovery could not read."""
    folder = "/".join(codes) + "/"
    return any(folder.startswith(r.file) for r in rejected if r.file.endswith("/") or not r.file)
