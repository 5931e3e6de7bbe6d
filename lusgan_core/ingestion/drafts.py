"""Puts what readers found together as exams, and adds the digests of their files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lusgan_core.clips import Belonging, FoundClip, Refused, SourceStat
from lusgan_core.domain import ClipFiles, ExamCodes, ExamFiles, Rejection, SourceObject
from lusgan_core.errors import ClipError, ConfigError
from lusgan_core.ingestion.listing import Digester
from lusgan_core.ingestion.readers import Finding, Readers, objects_of

NOT_UNICODE = "its name is not valid UTF-8: rename it"


@dataclass
class Draft:
    """An exam as readers found it."""

    patient: str
    exam: str
    clips: list[tuple[str, FoundClip]] = field(default_factory=list)
    """Each with the name of its reader."""
    rejected: dict[str, Rejection] = field(default_factory=dict)
    """Keyed by file: the first reason that is given counts."""
    readers: set[str] = field(default_factory=set)

    def reject(self, file: str, reason: str, is_clip: bool) -> None:
        """Reject a file of this exam.

        Args:
            file: Key of the file.
            reason: Why it cannot be used.
            is_clip: Whether it is, or would be, a clip.
        """
        rejection = Rejection(
            file=file, reason=reason, patient=self.patient, exam=self.exam, is_clip=is_clip
        )
        self.rejected.setdefault(file, rejection)


@dataclass
class Drafts:
    """What all readers found together."""

    exams: dict[ExamCodes, Draft] = field(default_factory=dict)
    rejected: dict[str, Rejection] = field(default_factory=dict)
    """What is in no exam, keyed by file."""
    failed: list[Rejection] = field(default_factory=list)
    """Readers that failed."""

    def draft(self, patient: str, exam: str, reader: str) -> Draft:
        """Find or begin the draft of an exam.

        Args:
            patient: Code of the patient.
            exam: Code of the exam.
            reader: Name of the reader that found anything in it, which is noted.

        Returns:
            The draft.
        """
        draft = self.exams.setdefault((patient, exam), Draft(patient, exam))
        draft.readers.add(reader)
        return draft

    def reject(self, key: str, reason: str) -> None:
        """Reject an object that is in no exam; the first reason that is given counts.

        Args:
            key: Its key, which may hold what is no text.
            reason: Why it cannot be used.
        """
        file = key.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        self.rejected.setdefault(file, Rejection(file=file, reason=reason))


def sort_findings(
    findings: Mapping[str, Sequence[Finding]], readers: Readers, found: Drafts
) -> None:
    """Put what readers found into exams.

    An object that one reader recognises and another refuses belongs to the first.

    Args:
        findings: What each reader found, by its name.
        readers: The readers by name.
        found: Where to put it.

    Raises:
        ConfigError: Two readers recognise the same objects.
    """
    owners = _owners(findings, readers)
    refused: list[tuple[str, Refused]] = []
    for name, several in findings.items():
        for one in several:
            if isinstance(one, FoundClip):
                _sort_clip(one, name, found)
            elif isinstance(one, Refused) and name in owners.get(one.stat.key, [name]):
                refused.append((name, one))
    told: dict[str, str] = {}
    for name, one in sorted(refused, key=lambda r: not (r[1].patient and r[1].exam)):
        if told.setdefault(one.stat.key, name) == name:  # who knows its exam tells, and only once
            _sort_refused(one, name, found)


def _sort_clip(clip: FoundClip, reader: str, found: Drafts) -> None:
    if all(stat.is_unicode for stat in objects_of(clip)):
        found.draft(clip.patient, clip.exam, reader).clips.append((reader, clip))
    else:
        found.reject(clip.clip.key, NOT_UNICODE)


def _sort_refused(one: Refused, reader: str, found: Drafts) -> None:
    if one.patient and one.exam and one.stat.is_unicode:
        draft = found.draft(one.patient, one.exam, reader)
        draft.reject(one.stat.key, one.reason, one.is_clip)
    else:
        found.reject(one.stat.key, one.reason)


def _owners(findings: Mapping[str, Sequence[Finding]], readers: Readers) -> dict[str, list[str]]:
    """Key of each object -> the readers that it belongs to. Raises ConfigError where a clip's
    object has two of them; what is no clip, such as a table of labels, may have several."""
    of_clips, of_others = _claims(findings, FoundClip), _claims(findings, Belonging)
    twice: dict[tuple[str, str], list[str]] = {}
    for key, names in of_clips.items():
        several = [*names, *(name for name in of_others.get(key, ()) if name not in names)]
        if len(several) > 1:
            twice.setdefault((several[0], several[1]), []).append(key.rsplit("/", 1)[-1])
    for (one_name, other), files in twice.items():
        endings = ", ".join(sorted({suffix(name) for name in files})[:3])
        raise ConfigError(
            f"two readers recognise the same {len(files)} files ({endings}): {readers[one_name]} "
            f"and {readers[other]}; choose one, e.g. --set ingestion.readers.{one_name}={{}}"
        )
    return of_others | of_clips


def _claims(
    findings: Mapping[str, Sequence[Finding]], kind: type[FoundClip | Belonging]
) -> dict[str, list[str]]:
    """Key of each object in findings of that kind -> the readers that found it."""
    claims: dict[str, list[str]] = {}
    for name, several in findings.items():
        for one in several:
            for stat in objects_of(one) if isinstance(one, kind) else ():
                names = claims.setdefault(stat.key, [])
                if name not in names:
                    names.append(name)
    return claims


PARTS = {"clip": "", "scores": "score file: ", "mask": "mask: "}
"""How the reason of a rejection begins, by the part that the unreadable object plays."""


def exam_files(draft: Draft, digester: Digester) -> ExamFiles:
    """Add the digests to an exam; files that cannot be read reject their clip.

    Args:
        draft: The exam as readers found it.
        digester: Reads what is not known.

    Returns:
        The exam.
    """
    clips: list[ClipFiles] = []
    names: set[str] = set()
    for reader, found in sorted(draft.clips, key=lambda c: (c[1].area, c[1].clip.key)):
        name = _unused(found.name or stem(found.clip.name), names)
        try:
            clips.append(_with_digests(found, reader, name, digester))
        except ClipError as error:
            draft.reject(found.clip.key, str(error), is_clip=True)
    rejected = sorted(draft.rejected.values(), key=lambda r: r.file)
    return ExamFiles(
        patient=draft.patient,
        exam=draft.exam,
        clips=tuple(clips),
        rejected=tuple(rejected),
        digest=_digest(rejected, clips),
        readers=tuple(sorted(draft.readers)),
    )


def _with_digests(found: FoundClip, reader: str, name: str, digester: Digester) -> ClipFiles:
    """Raises ClipError."""

    def read(stat: SourceStat | None, part: str) -> SourceObject | None:
        return digester.object(stat, PARTS.get(part, f"{part}: ")) if stat else None

    return ClipFiles(
        patient=found.patient,
        exam=found.exam,
        area=found.area,
        reader=reader,
        name=name,
        clip=digester.object(found.clip, PARTS["clip"]),
        scores=read(found.scores, "scores"),
        mask=read(found.mask, "mask"),
        others={part: digester.object(s, f"{part}: ") for part, s in found.others.items()},
        facts=dict(found.facts),
    )


def _digest(rejected: Sequence[Rejection], clips: Sequence[ClipFiles]) -> str:
    """Digest of an exam's content.

    Rejections count: they are in the exam record, which has to be made again when they change.
    """
    names: list[tuple[str, str]] = [(r.file, r.reason) for r in rejected]
    names += [(o.key, o.digest) for c in clips for o in c.objects.values()]
    names += [(c.clip.key, json.dumps(c.facts, sort_keys=True)) for c in clips if c.facts]
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()


def _unused(name: str, names: set[str]) -> str:
    """A clip's name, with a number where the exam has another of that name; it is added."""
    number, free = 1, name
    while free in names:
        number += 1
        free = f"{name}_{number}"
    names.add(free)
    return free


def stem(name: str) -> str:
    """A file's name without its suffix."""
    return name.rpartition(".")[0] or name


def suffix(name: str) -> str:
    """A file's suffix as a pattern, such as ``*.mat``."""
    return f"*{name.removeprefix(stem(name)).lower()}"
