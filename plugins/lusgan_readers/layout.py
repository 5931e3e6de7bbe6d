"""Finds clips in the hospital's layout, by the names of files alone.

The layout::

    PATIENT/EXAM/convex_PATIENT_EXAM_AREA.mat          a clip; AREA is 1..14
    PATIENT/EXAM/convex_PATIENT_EXAM_AREA_score.mat    its scores
    Binary-Masks/convex_PATIENT_EXAM_AREA_mask.png     its mask, if it has one

Folders give the codes of patient and exam. A file that looks like a clip but cannot be used is
refused with a reason; other files (videos, notes, .mat files outside of exams) are left alone.
Upper and lower case are alike in file names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from lusgan_core.api import AREAS, ExamError, FoundClip, Listing, Refused, SourceStat

LAYOUT = "PATIENT/EXAM/convex_PATIENT_EXAM_AREA.mat"
MASKS = "Binary-Masks"
PREFIX, SUFFIX, SCORE_SUFFIX, MASK_SUFFIX = "convex_", ".mat", "_score.mat", "_mask.png"
EXPECTED = f"clips at {LAYOUT}, each with its ..._AREA{SCORE_SUFFIX} beside it"


@dataclass
class _Exam:
    """The .mat files of one folder of an exam."""

    patient: str
    exam: str
    mats: list[SourceStat] = field(default_factory=list)

    def refuse(self, stat: SourceStat, why: str) -> Refused:
        is_clip = not stat.name.lower().endswith(SCORE_SUFFIX)
        return Refused(stat, why, self.patient, self.exam, is_clip)


@dataclass
class _Places:
    """The files of a source, by their place in the layout."""

    exams: dict[tuple[str, str], _Exam] = field(default_factory=dict)
    masks: dict[str, SourceStat] = field(default_factory=dict)
    """Keyed by the clip's name in lower case."""


def find(listing: Listing) -> Iterator[FoundClip | Refused]:
    """Find the clips of all exams.

    Args:
        listing: All objects of the source; none is opened.

    Returns:
        Clips, and files that look like a clip and cannot be used.

    Raises:
        ExamError: The folder of masks is there and cannot be read.
    """
    places = _Places()
    for stat in listing.objects:
        refused = _place(stat, places, listing.uri)
        if refused is not None:
            yield refused
    for exam in places.exams.values():
        if any(stat.name.lower().startswith(PREFIX) for stat in exam.mats):
            yield from _sort(exam, places.masks)


def _place(stat: SourceStat, places: _Places, uri: str) -> Refused | None:
    """Keep what belongs to exams, and refuse what looks as if it should. Raises ExamError."""
    key, parts = stat.key, stat.key.split("/")
    name = parts[-1].lower()
    in_exam = len(parts) == 3 and parts[0] != MASKS and name.endswith(SUFFIX)
    like_clip = name.startswith(PREFIX) and name.endswith(SUFFIX)
    if not stat.is_unicode:
        why = "its name is not valid UTF-8: rename it"
        return Refused(stat, why, is_clip=like_clip) if in_exam or like_clip else None
    if stat.error and key.rstrip("/") == MASKS:
        raise ExamError(
            f"{MASKS} in {uri}: {stat.error}; exams would be taken without their masks: "
            "repair it, or remove it, and run the same command again"
        )
    if stat.error and not key.endswith("/") and _may_be_folder(parts):
        # what is listed with a slash counts as there, and with it all exams below
        return Refused(replace(stat, key=f"{key}/"), stat.error, is_clip=False)
    if in_exam:
        codes = (parts[0], parts[1])
        places.exams.setdefault(codes, _Exam(*codes)).mats.append(stat)
    elif len(parts) == 2 and parts[0] == MASKS and name.endswith(MASK_SUFFIX):
        places.masks.setdefault(name.removesuffix(MASK_SUFFIX), stat)
    elif like_clip and not name.endswith(SCORE_SUFFIX):
        return Refused(stat, f"in no exam: expected {LAYOUT}")
    return None


def _may_be_folder(parts: list[str]) -> bool:
    """Whether an unreadable entry is where the folder of a patient or an exam would be.

    It may be a link to a disk that is not mounted.
    """
    of_exams = len(parts) == 1 or (len(parts) == 2 and parts[0] != MASKS)
    return of_exams and not parts[-1].lower().endswith(SUFFIX)


def _sort(exam: _Exam, masks: Mapping[str, SourceStat]) -> Iterator[FoundClip | Refused]:
    """Put an exam's .mat files together as clips, or refuse them."""
    scores: dict[str, SourceStat] = {}
    candidates: list[tuple[int, bool, str, SourceStat]] = []
    for stat in sorted(exam.mats, key=lambda s: s.key):
        name = stat.name
        stem = name.lower().removesuffix(SUFFIX)
        if name.lower().endswith(SCORE_SUFFIX):
            if scores.setdefault(name.lower().removesuffix(SCORE_SUFFIX), stat) is not stat:
                yield exam.refuse(stat, "a second score file of the same clip")
            continue
        area = _area(stem, exam)
        if isinstance(area, str):
            yield exam.refuse(stat, area)
        else:
            # of two spellings of one area, the usual one is taken
            usual = name == f"{PREFIX}{exam.patient}_{exam.exam}_{area}{SUFFIX}"
            candidates.append((area, not usual, stem, stat))
    taken: set[int] = set()
    for area, _, stem, stat in sorted(candidates, key=lambda c: (*c[:3], c[3].key)):
        if area in taken:
            yield exam.refuse(
                stat, f"a second clip of area {area} in this exam: which counts is unclear"
            )
        elif stem not in scores:
            yield exam.refuse(
                stat, f"no score file: expected it beside the clip, ..._AREA{SCORE_SUFFIX}"
            )
        else:
            yield FoundClip(
                exam.patient, exam.exam, stat, area, scores[stem], masks.get(stem),
                name=stat.name.removesuffix(SUFFIX),
            )  # fmt: skip
        taken.add(area)
    stems = {stem for _, _, stem, _ in candidates}
    for stem, stat in scores.items():
        if stem not in stems:
            yield exam.refuse(stat, "a score file without its clip")


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
