"""Finds the exams in a source, and the digest of every file, without decoding anything.

The layout::

    PATIENT/EXAM/convex_PATIENT_EXAM_AREA.mat          a clip; AREA is 1..14
    PATIENT/EXAM/convex_PATIENT_EXAM_AREA_score.mat    its scores
    Binary-Masks/convex_PATIENT_EXAM_AREA_mask.png     its mask, if it has one

Folders give the codes of patient and exam. A file that looks like a clip but cannot be used is
rejected with a reason; other files (videos, notes, hidden files, .mat files outside of exams) are
ignored. Upper and lower case are alike in file names.

Digests are sha256 of the content. They are remembered by key, size and stamp, so that each content
is hashed once: pass ``Discovery.digests`` as ``known`` the next time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass, field

from lusgan_core.domain import AREAS, ClipFiles, ExamFiles, Rejection, SourceObject
from lusgan_core.errors import ClipError, ExamError
from lusgan_core.ingestion.clip_errors import clip_errors
from lusgan_core.store.source import ExamSource, SourceStat

LAYOUT = "PATIENT/EXAM/convex_PATIENT_EXAM_AREA.mat"
MASKS = "Binary-Masks"
PREFIX, SUFFIX, SCORE_SUFFIX, MASK_SUFFIX = "convex_", ".mat", "_score.mat", "_mask.png"

Progress = Callable[[int, int], None]
"""Called with the number of files whose digest is known, and the number of all files."""


@dataclass(frozen=True)
class Discovery:
    """The exams of a source, and what cannot be used."""

    exams: tuple[ExamFiles, ...]
    """Sorted by patient and exam; an exam's unusable clips are in its ``rejected``."""
    rejected: tuple[Rejection, ...]
    """Files that look like a clip but are in no exam, and folders that cannot be read."""
    digests: dict[str, str]
    """``"key|size|stamp"`` of every file of the exams -> sha256 of its content, in hex."""


@dataclass(frozen=True)
class _Parts:
    """A clip and the files that belong to it, as listed."""

    area: int
    clip: SourceStat
    scores: SourceStat
    mask: SourceStat | None

    @property
    def files(self) -> tuple[SourceStat, ...]:
        return tuple(stat for stat in (self.clip, self.scores, self.mask) if stat)


@dataclass
class _Exam:
    """An exam, as listed."""

    patient: str
    exam: str
    mats: list[SourceStat] = field(default_factory=list)
    clips: list[_Parts] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)

    def reject(self, stat: SourceStat, why: str) -> None:
        self.rejected.append(
            Rejection(file=stat.key, reason=why, patient=self.patient, exam=self.exam)
        )


@dataclass
class _Listing:
    """The files of a source, sorted by their place in the layout."""

    exams: dict[tuple[str, str], _Exam] = field(default_factory=dict)
    masks: dict[str, SourceStat] = field(default_factory=dict)
    """Keyed by the clip's name in lower case."""
    rejected: list[Rejection] = field(default_factory=list)


def discover(
    source: ExamSource,
    known: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    *,
    empty_ok: bool = False,
) -> Discovery:
    """List a source and sort its files into exams.

    Args:
        source: Where to look; every file of an exam whose digest is not known is read once.
        known: Digests of an earlier discovery, as ``Discovery.digests``; None to hash all files.
        progress: Called after each file with (files done, files in all).
        empty_ok: Whether a source without any exam is a result rather than an error.

    Returns:
        The exams, what was rejected, and all digests.

    Raises:
        ExamError: The source is missing, unreadable or fails meanwhile; or it holds no exam, unless
            ``empty_ok``.
    """
    listing = _list(source)
    if not listing.exams and not empty_ok:
        raise no_exam(source.uri, listing.rejected)
    drafts = [draft for _, draft in sorted(listing.exams.items())]
    for draft in drafts:
        _sort(draft, listing.masks)
    total = sum(len(parts.files) for draft in drafts for parts in draft.clips)
    digester = _Digester(source, known or {}, progress, total)
    return Discovery(
        exams=tuple(_finish(draft, digester) for draft in drafts),
        rejected=tuple(sorted(listing.rejected, key=lambda r: r.file)),
        digests=digester.digests,
    )


def no_exam(source: str, rejected: Sized) -> ExamError:
    """Make the error for a source without any exam.

    Args:
        source: Address of the source.
        rejected: What was rejected in it; its number goes into the text.

    Returns:
        The error, to raise.
    """
    misplaced = f" ({len(rejected)} misplaced or unreadable)" if len(rejected) else ""
    return ExamError(
        f"no exam in {source}{misplaced}: expected clips at {LAYOUT}, each with its "
        f"..._AREA{SCORE_SUFFIX} beside it; name the folder that holds the patients' folders"
    )


def _list(source: ExamSource) -> _Listing:
    """Keep what belongs to exams, and what looks as if it should. Raises ExamError."""
    listing = _Listing()
    for stat in source.objects():
        key, parts = stat.key, stat.key.split("/")
        name = parts[-1].lower()
        if any(part.startswith(".") for part in parts):
            continue
        in_exam = len(parts) == 3 and parts[0] != MASKS and name.endswith(SUFFIX)
        like_clip = name.startswith(PREFIX) and name.endswith(SUFFIX)
        if not _is_unicode(key):
            if in_exam or like_clip or key.endswith("/"):
                readable = key.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
                why = "its name is not valid UTF-8: rename it"
                listing.rejected.append(Rejection(file=readable, reason=why))
        elif stat.error and key.rstrip("/") == MASKS:
            raise ExamError(
                f"{MASKS} in {source.uri}: {stat.error}; exams would be taken without their masks: "
                "repair it, or remove it, and run the same command again"
            )
        elif stat.error and (key.endswith("/") or _may_be_folder(parts)):
            # what is listed with a slash counts as there, and with it all exams below
            listing.rejected.append(Rejection(file=key.rstrip("/") + "/", reason=stat.error))
        elif in_exam:
            codes = (parts[0], parts[1])
            listing.exams.setdefault(codes, _Exam(*codes)).mats.append(stat)
        elif len(parts) == 2 and parts[0] == MASKS and name.endswith(MASK_SUFFIX):
            clip = name.removesuffix(MASK_SUFFIX)
            listing.masks[clip] = min(stat, listing.masks.get(clip, stat), key=lambda s: s.key)
        elif like_clip and not name.endswith(SCORE_SUFFIX):
            why = f"in no exam: expected {LAYOUT}"
            listing.rejected.append(Rejection(file=key, reason=why))
    listing.exams = {
        codes: exam
        for codes, exam in listing.exams.items()
        if any(_name(stat).lower().startswith(PREFIX) for stat in exam.mats)
    }
    return listing


def _may_be_folder(parts: list[str]) -> bool:
    """Whether an unreadable entry is where the folder of a patient or an exam would be.

    It may be a link to a disk that is not mounted.
    """
    of_exams = len(parts) == 1 or (len(parts) == 2 and parts[0] != MASKS)
    return of_exams and not parts[-1].lower().endswith(SUFFIX)


def _sort(exam: _Exam, masks: Mapping[str, SourceStat]) -> None:
    """Put an exam's .mat files together as clips, or reject them."""
    scores: dict[str, SourceStat] = {}
    candidates: list[tuple[int, bool, str, SourceStat]] = []
    for stat in sorted(exam.mats, key=lambda s: s.key):
        name = _name(stat)
        stem = name.lower().removesuffix(SUFFIX)
        if name.lower().endswith(SCORE_SUFFIX):
            if scores.setdefault(name.lower().removesuffix(SCORE_SUFFIX), stat) is not stat:
                exam.reject(stat, "a second score file of the same clip")
            continue
        area = _area(stem, exam)
        if isinstance(area, str):
            exam.reject(stat, area)
        else:
            # of two spellings of one area, the usual one is taken
            usual = name == f"{PREFIX}{exam.patient}_{exam.exam}_{area}{SUFFIX}"
            candidates.append((area, not usual, stem, stat))
    taken: set[int] = set()
    for area, _, stem, stat in sorted(candidates, key=lambda c: (*c[:3], c[3].key)):
        if area in taken:
            exam.reject(stat, f"a second clip of area {area} in this exam: which counts is unclear")
        elif stem not in scores:
            exam.reject(stat, f"no score file: expected it beside the clip, ..._AREA{SCORE_SUFFIX}")
        else:
            exam.clips.append(_Parts(area, stat, scores[stem], masks.get(stem)))
        taken.add(area)
    stems = {stem for _, _, stem, _ in candidates}
    for stem, stat in scores.items():
        if stem not in stems:
            exam.reject(stat, "a score file without its clip")


def _area(stem: str, exam: _Exam) -> int | str:
    """The area in a clip's name (lower case, without ``.mat``), or what is wrong with the name."""
    if not stem.startswith(PREFIX):
        return f"a .mat file that is no convex clip by its name: expected {LAYOUT}"
    expected = f"{PREFIX}{exam.patient}_{exam.exam}_".lower()
    if not stem.startswith(expected):
        return f"its name disagrees with the folders it is in: expected {LAYOUT}"
    digits = stem.removeprefix(expected)
    if not (digits.isascii() and digits.isdigit() and len(digits) < 5 and int(digits) in AREAS):
        return f"no area {AREAS[0]} to {AREAS[-1]} at the end of its name: expected {LAYOUT}"
    return int(digits)


def _finish(draft: _Exam, digester: _Digester) -> ExamFiles:
    """Add the digests; files that cannot be read reject their clip."""
    clips: list[ClipFiles] = []
    for parts in draft.clips:
        try:
            clips.append(
                ClipFiles(
                    patient=draft.patient,
                    exam=draft.exam,
                    area=parts.area,
                    clip=digester.object(parts.clip, ""),
                    scores=digester.object(parts.scores, "score file: "),
                    mask=digester.object(parts.mask, "mask: ") if parts.mask else None,
                )
            )
        except ClipError as error:
            draft.reject(parts.clip, str(error))
    rejected = tuple(sorted(draft.rejected, key=lambda r: r.file))
    # rejections count: they are in the exam record, which has to be made again when they change
    names: list[tuple[str, str]] = [(r.file, r.reason) for r in rejected]
    names += [(o.key, o.digest) for c in clips for o in (c.clip, c.scores, c.mask) if o]
    return ExamFiles(
        patient=draft.patient,
        exam=draft.exam,
        clips=tuple(clips),
        rejected=rejected,
        digest=hashlib.sha256(json.dumps(names).encode()).hexdigest(),
    )


class _Digester:
    """Computes digests, except known ones, and reports the progress."""

    def __init__(
        self, source: ExamSource, known: Mapping[str, str], progress: Progress | None, total: int
    ) -> None:
        self._source, self._known, self._progress = source, known, progress
        self._done, self._total = 0, total
        self.digests: dict[str, str] = {}

    def object(self, stat: SourceStat, what: str) -> SourceObject:
        """A file with its digest; raises ClipError, beginning with ``what``, if unreadable."""
        try:
            name = f"{stat.key}|{stat.size}|{stat.stamp}"
            digest = self._known.get(name) or self._read(stat)
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
        with clip_errors(), self._source.open(stat.key) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _name(stat: SourceStat) -> str:
    return stat.key.rsplit("/", 1)[-1]


def _is_unicode(text: str) -> bool:
    """Whether a name is valid UTF-8, without surrogates for bytes that could not be decoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
