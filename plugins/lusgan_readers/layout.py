"""Finds clips in the hospital's layout, by the names of files alone.

The layout::

    PATIENT/EXAM/convex_PATIENT_EXAM_AREA.mat          a clip; AREA is 1..14
    PATIENT/EXAM/convex_PATIENT_EXAM_AREA_score.mat    its scores
    Binary-Masks/convex_PATIENT_EXAM_AREA_mask.png     its mask, if it has one

Folders give the codes of patient and exam. A file that looks like a clip or a mask but cannot be
used is refused with a reason, and so are the clips and videos of an exam without any such clip, so
that no exam vanishes; other files (notes, .mat files outside of exams) are left alone. Upper and
lower case are alike in file names, and so are the two ways in which Unicode spells accents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from lusgan_core.api import AREAS, ExamError, FoundClip, Listing, Refused, SourceStat
from lusgan_readers.stray_masks import StrayMasks, plain

LAYOUT = "PATIENT/EXAM/convex_PATIENT_EXAM_AREA.mat"
MASKS = "Binary-Masks"
PREFIX, SUFFIX, SCORE_SUFFIX, MASK_SUFFIX = "convex_", ".mat", "_score.mat", "_mask.png"
OTHER_PROBES = ("linear_", "sector_", "phased_", "micro_", "curved_", "curvilinear_")
"""How names of clips of other probes begin."""
VIDEOS = (".avi", ".mp4", ".mov", ".mkv", ".wmv", ".mpg", ".m4v", ".dcm")
NOTES = (".txt", ".csv", ".tsv", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".json", ".xml", ".md")
"""Files that are nobody's clips, whichever readers there are."""
EXPECTED = f"clips at {LAYOUT}, each with its ..._AREA{SCORE_SUFFIX} beside it"


NO_CONVEX = "a .mat file that is no convex clip by its name"


@dataclass
class _Exam:
    """The .mat files of one folder of an exam."""

    patient: str
    exam: str
    mats: list[SourceStat] = field(default_factory=list)
    videos: list[SourceStat] = field(default_factory=list)
    other: bool = False
    """Whether there are files that may be clips of another reader."""

    @property
    def has_clips(self) -> bool:
        """Whether a file is a clip of the layout by the beginning of its name."""
        return any(plain(stat.name).startswith(PREFIX) for stat in self.mats)

    def refuse(self, stat: SourceStat, why: str) -> Refused:
        is_clip = not plain(stat.name).endswith(SCORE_SUFFIX)
        return Refused(stat, why, self.patient, self.exam, is_clip)


@dataclass
class _Places:
    """The files of a source, by their place in the layout."""

    exams: dict[tuple[str, str], _Exam] = field(default_factory=dict)
    masks: dict[str, SourceStat] = field(default_factory=dict)
    """Keyed by the clip's plain name."""
    strays: StrayMasks = field(default_factory=StrayMasks)


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
    findings: list[FoundClip | Refused] = []
    for exam in places.exams.values():
        findings += _sort(exam, places.masks) if exam.has_clips else _without_clips(exam)
    clips = {_stem(one.clip): one for one in findings if isinstance(one, FoundClip)}
    stems = {_stem(stat) for exam in places.exams.values() for stat in exam.mats}
    places.strays.found += [(s, stem) for stem, s in places.masks.items() if stem not in stems]
    held = places.strays.owners(clips)
    for one in findings:
        if isinstance(one, FoundClip) and _stem(one.clip) in held:
            why = (
                "a mask of its name is not where its mask would be, and may hide something: put "
                f"it at {MASKS}/..._AREA{MASK_SUFFIX}, or remove it"
            )
            yield Refused(one.clip, why, one.patient, one.exam)
        else:
            yield one
    yield from places.strays.refused(clips)


def _stem(stat: SourceStat) -> str:
    """A .mat file's plain name without the suffix."""
    return plain(stat.name).removesuffix(SUFFIX)


def _place(stat: SourceStat, places: _Places, uri: str) -> Refused | None:
    """Keep what belongs to exams, and refuse what looks as if it should. Raises ExamError."""
    key, parts = stat.key, stat.key.split("/")
    name = plain(parts[-1])
    in_exam = len(parts) == 3 and parts[0] != MASKS and name.endswith(SUFFIX)
    like_clip = name.startswith((PREFIX, *OTHER_PROBES)) and name.endswith(SUFFIX)
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
    elif len(parts) == 3 and parts[0] != MASKS and name.endswith(VIDEOS):
        codes = (parts[0], parts[1])
        places.exams.setdefault(codes, _Exam(*codes)).videos.append(stat)
    elif len(parts) == 2 and parts[0] == MASKS and name.endswith(MASK_SUFFIX):
        if places.masks.setdefault(name.removesuffix(MASK_SUFFIX), stat) is not stat:
            return Refused(stat, "a second mask of the same clip", is_clip=False)
    elif like_clip and not name.endswith(SCORE_SUFFIX):
        return Refused(stat, f"in no exam: expected {LAYOUT}")
    else:
        places.strays.look(stat, PREFIX)
        if len(parts) == 3 and parts[0] != MASKS and not name.endswith(NOTES):
            places.exams.setdefault((parts[0], parts[1]), _Exam(parts[0], parts[1])).other = True
    return None


def _without_clips(exam: _Exam) -> Iterator[Refused]:
    """Refuse what seems to be the clips of an exam in which no name begins as it should."""
    scores = {plain(stat.name) for stat in exam.mats}
    codes = plain(f"{exam.patient}_{exam.exam}")
    for stat in exam.mats:
        stem = _stem(stat)
        like_area = re.fullmatch(r"[lr][_ -]?\d{1,2}|\d{1,2}", stem)
        if (
            stem.startswith(OTHER_PROBES)
            or like_area
            or codes in stem
            or f"{stem}{SCORE_SUFFIX}" in scores
        ):
            yield exam.refuse(stat, f"{NO_CONVEX}: expected {LAYOUT}")
    for stat in () if exam.other else exam.videos:
        yield exam.refuse(stat, f"a video in an exam without any clip: expected {LAYOUT}")


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
        stem = _stem(stat)
        if plain(name).endswith(SCORE_SUFFIX):
            if scores.setdefault(plain(name).removesuffix(SCORE_SUFFIX), stat) is not stat:
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
    """The area in a clip's name (plain, without ``.mat``), or what is wrong with the name."""
    if not stem.startswith(PREFIX):
        return f"{NO_CONVEX}: expected {LAYOUT}"
    expected = plain(f"{PREFIX}{exam.patient}_{exam.exam}_")
    if not stem.startswith(expected):
        return f"its name disagrees with the folders it is in: expected {LAYOUT}"
    digits = stem.removeprefix(expected)
    if not (digits.isascii() and digits.isdigit() and len(digits) < 5 and int(digits) in AREAS):
        return f"no area {AREAS[0]} to {AREAS[-1]} at the end of its name: expected {LAYOUT}"
    return int(digits)
