"""The words of the field as types: patient, exam, clip, frame, score, fan.

A *patient* has *exams* (one visit); an exam has *clips* (one file, a cine of one *area* of the
chest, 1..14); a clip has *frames*, and each labelled frame has a severity *score*,
0..3. The *fan* is the region of a frame that a convex probe paints.

Everything here is plain, frozen and JSON-serialisable: these are what stages hand to each other.
"""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

SCORES: tuple[int, ...] = (0, 1, 2, 3)
"""Severity scores, from A-lines on healthy lung (0) to white lung (3)."""

UNLABELLED = -1
"""In place of a score: nobody scored this frame."""

AREAS = range(1, 15)
"""Chest areas of the standardised protocol."""


ExamCodes = tuple[str, str]
"""Codes of a patient and of an exam: what an exam is called in its source."""


class Record(BaseModel):
    """Base of all records: frozen, and closed to fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Fan(Record):
    """A convex region: the part of an annulus between two radii and within a half-angle.

    Lengths are pixels of the frame it belongs to, (0, 0) being the centre of the top left pixel;
    x grows to the right, y downwards. The apex may lie above the frame (negative y). Angles are
    radians from the downward vertical, positive to the right.
    """

    apex_x: float
    apex_y: float
    radius_near: float = Field(ge=0)
    radius_far: float = Field(gt=0)
    angle_left: float = Field(ge=-math.pi / 2, le=math.pi / 2)
    angle_right: float = Field(ge=-math.pi / 2, le=math.pi / 2)


class SourceObject(Record):
    """One file of an exam source: where it is, how large, and the digest of its content."""

    key: str
    """Path below the source, with forward slashes."""
    size: int
    digest: str
    """sha256 of the content, in hex."""


class ClipFiles(Record):
    """The files of one clip, before anything in them was read."""

    patient: str
    exam: str
    area: int
    """1..14; 0 where it is unknown."""
    reader: str
    """Name of the reader that recognised it, and that opens it."""
    name: str
    """The clip's name, unique in its exam, e.g. ``convex_1_2_3``."""
    clip: SourceObject
    scores: SourceObject | None = None
    mask: SourceObject | None = None
    others: dict[str, SourceObject] = Field(default_factory=dict)
    """Further objects, by the part that they play."""
    facts: dict[str, Any] = Field(default_factory=dict)
    """What the reader noted when it found the clip."""

    @property
    def objects(self) -> dict[str, SourceObject]:
        """All objects by the part that they play: ``clip``, ``scores``, ``mask`` and others."""
        named = {"clip": self.clip, "scores": self.scores, "mask": self.mask}
        return {part: o for part, o in named.items() if o is not None} | self.others

    def rejected(self, reason: str) -> Rejection:
        """The rejection of this clip, for that reason."""
        return Rejection(
            file=self.clip.key,
            reason=reason,
            patient=self.patient,
            exam=self.exam,
            is_clip=True,
        )


class ExamFiles(Record):
    """One exam as discovery finds it: files and digests, nothing decoded."""

    patient: str
    exam: str
    clips: tuple[ClipFiles, ...]
    rejected: tuple[Rejection, ...] = ()
    digest: str
    """sha256, in hex, over the names and digests of all its files, and readers' notes of them."""
    readers: tuple[str, ...] = ()
    """Names of the readers that found anything in it."""

    @property
    def codes(self) -> ExamCodes:
        """Codes of patient and exam."""
        return self.patient, self.exam


class Rejection(Record):
    """A clip that cannot be used, and why. ``file`` is relative to the exam source."""

    file: str
    reason: str
    patient: str = ""
    exam: str = ""
    is_clip: bool = False
    """Whether the file is, or would be, a clip."""

    @property
    def codes(self) -> ExamCodes:
        """Codes of patient and exam; empty where the file is in no exam."""
        return self.patient, self.exam


class ClipRecord(Record):
    """The content of one clip, without its pixels."""

    files: ClipFiles
    details: dict[str, str | int | float] = Field(default_factory=dict)
    """What its reader records besides, e.g. ``mat_version``."""
    dtype: str
    """Type of the stored numbers, as numpy spells it; frames are handed out as uint8 anyway."""
    height: int
    width: int
    channels: int
    frames: int
    scores: tuple[int, ...]
    """One severity score a frame; ``UNLABELLED`` where nobody scored it."""

    @property
    def labelled(self) -> dict[int, int]:
        """Number of labelled frames of each score that occurs."""
        return {s: self.scores.count(s) for s in SCORES if s in self.scores}


class ExamRecord(Record):
    """The content of one exam: its usable clips, and those rejected with the reason."""

    patient: str
    exam: str
    digest: str
    clips: tuple[ClipRecord, ...]
    rejected: tuple[Rejection, ...] = ()


class ScoreCount(Record):
    """Frames of one score in one shard, and the digest of exactly those frames."""

    frames: int
    digest: str


class ShardRecord(Record):
    """One clip, preprocessed: where its shard is and what is in it."""

    patient: str
    exam: str
    clip: str
    area: int
    key: str
    """Key of the shard in the store."""
    digest: str
    frames: int
    by_score: dict[int, ScoreCount]
    """Keyed by score; frames nobody scored are under ``UNLABELLED``."""


ClipFiles.model_rebuild()
ExamFiles.model_rebuild()
