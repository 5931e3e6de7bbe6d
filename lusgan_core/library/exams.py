"""Exams of a source, and clips as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.domain import (
    SCORES,
    UNLABELLED,
    ClipFiles,
    ClipRecord,
    Rejection,
    SourceObject,
)
from lusgan_core.errors import InputError
from lusgan_core.library.progress import shown
from lusgan_core.progress import track
from lusgan_core.store.source import ExamSource, FolderSource, open_source


@dataclass(frozen=True)
class FoundClip:
    """A clip that can be used, as ``find_exams`` found it; ``read_clip`` reads it."""

    source: str
    """Address of the exam source."""
    record: ClipRecord
    readers: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """The readers that ``find_exams`` was given, with their options."""

    @property
    def name(self) -> str:
        """The clip's name, e.g. ``convex_1_2_3``."""
        return self.record.files.name

    @property
    def patient(self) -> str:
        """Code of the patient."""
        return self.record.files.patient

    @property
    def labelled(self) -> dict[int, int]:
        """Number of labelled frames of each score that occurs."""
        return self.record.labelled


@dataclass(frozen=True)
class Exams:
    """The exams of a source: clips that can be used, and what cannot be, with reasons."""

    source: str
    """Address of the exam source."""
    clips: tuple[FoundClip, ...]
    """In the order of patient, exam and area."""
    rejected: tuple[Rejection, ...]
    """Files that cannot be used: ``file`` and ``reason`` of each."""

    @property
    def patients(self) -> tuple[str, ...]:
        """Codes of the patients with a clip that can be used."""
        return tuple(sorted({clip.patient for clip in self.clips}))

    @property
    def labelled(self) -> dict[int, int]:
        """Number of labelled frames of each score, over all clips."""
        return {score: sum(c.labelled.get(score, 0) for c in self.clips) for score in SCORES}

    def __iter__(self) -> Iterator[FoundClip]:
        """The clips that can be used."""
        return iter(self.clips)

    def __len__(self) -> int:
        """Number of clips that can be used."""
        return len(self.clips)

    def __repr__(self) -> str:
        """Counts alone: no code of a patient."""
        return (
            f"Exams({len(self.patients)} patients, {len(self.clips)} clips, "
            f"{len(self.rejected)} rejected, frames by score {self.labelled})"
        )


@dataclass(frozen=True, repr=False)
class Clip:
    """One clip in memory. Its arrays are its own: they stay valid whatever becomes of the file."""

    name: str
    """Name of its file without the suffix, e.g. ``convex_1_2_3``."""
    frames: NDArray[np.uint8]
    """(N, H, W) uint8, grey levels 0..255: rows downwards, columns to the right."""
    scores: NDArray[np.int64]
    """(N,) severity score of each frame, 0..3; -1 where nobody scored it."""
    mask: NDArray[np.bool_] | None
    """(H, W), true where a pixel is kept: its mask, or else the region that its reader knows; None
    where there is neither."""

    def of_score(self, score: int) -> NDArray[np.uint8]:
        """The frames of one severity score, (n, H, W) uint8; n may be 0."""
        chosen: NDArray[np.uint8] = self.frames[self.scores == score]
        return chosen

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.frames)

    def __repr__(self) -> str:
        """Sizes alone: the name holds a patient's code."""
        count, height, width = self.frames.shape
        scores = {s: int((self.scores == s).sum()) for s in (*SCORES, UNLABELLED)}
        return f"Clip({count} frames of {height} x {width}, frames by score {scores})"


def find_exams(
    exams: str | Path, *, readers: Mapping[str, Any] | None = None, progress: bool = True
) -> Exams:
    """Find the clips in a folder or bucket, and what cannot be used, with reasons.

    Every file is read once, for its digest; headers, scores and masks are checked, pixels are not:
    a damaged frame is found by ``read_clip``, as it is by ``lusgan check``.

    Args:
        exams: A folder, or ``s3://bucket/prefix``; how clips must lie in it is up to the readers,
            for ``mat`` PATIENT/EXAM/convex_PATIENT_EXAM_AREA.mat.
        readers: Readers to use by name, with the options of each; None for all that are installed.
        progress: Whether to show the progress on stderr.

    Returns:
        The clips that can be used, and rejections.

    Raises:
        ExamError: The source is missing or unreadable, or holds no exam.
        ConfigError: A reader refuses its options, or two recognise the same files.
        PluginError: A reader that is named is not installed, or fails.
    """
    from lusgan_core.ingestion.discover import discover
    from lusgan_core.ingestion.inspect import inspect_exam
    from lusgan_core.ingestion.readers import choose_readers

    source, chosen = open_source(exams), choose_readers(readers)
    with shown(progress), track("looking at exams", 0, "files") as task:

        def advance(done: int, total: int) -> None:
            task.total = total
            task.update(done)

        found = discover(source, progress=advance, readers=chosen)
        records = [inspect_exam(source, exam, chosen) for exam in found.exams]
    options = dict(readers or {})
    clips = (FoundClip(source.uri, clip, options) for record in records for clip in record.clips)
    rejected = (rejection for record in records for rejection in record.rejected)
    return Exams(source.uri, tuple(clips), (*found.rejected, *rejected))


def read_clip(clip: str | Path | FoundClip) -> Clip:
    """Read a clip with its scores and mask.

    Args:
        clip: Path of a .mat file, or a clip of ``find_exams``, which its own reader reads. Beside
            a .mat file its scores are looked for (``..._score.mat``), and its mask where the
            hospital's layout has it (``../../Binary-Masks/..._mask.png``); both may be missing.

    Returns:
        The clip. Its frames are C-contiguous and take N x H x W bytes of memory.

    Raises:
        InputError: There is no such file.
        ClipError: The clip, its scores or its mask cannot be used; the text says why.
        ExamError: Disk, network or store failed.
        PluginError: The clip's reader is not installed.
    """
    if isinstance(clip, FoundClip):
        files = clip.record.files
        options = clip.readers.get(files.reader, {})
        return _read(open_source(clip.source), files, {files.reader: options})
    path = Path(clip).expanduser().absolute()
    if "://" in str(clip):
        raise InputError(f"{clip} is no file: find_exams lists the clips of a bucket, give one")
    if not path.is_file():
        raise InputError(f"there is no file {clip}: give the path of a clip's .mat file")
    root = path.parents[min(2, len(path.parents) - 1)]
    files = ClipFiles(
        patient="",
        exam="",
        area=0,
        reader=MAT,
        name=path.stem,
        clip=_object(root, path),
        scores=_sibling(root, path.parent, f"{path.stem}_score.mat"),
        mask=_sibling(root, root / "Binary-Masks", f"{path.stem}_mask.png"),
    )
    return _read(FolderSource(root), files, {MAT: {}})


MAT = "mat"
"""The reader of a file that is given by its path."""


def _sibling(root: Path, folder: Path, name: str) -> SourceObject | None:
    """The file of that name in a folder, in upper or lower case; None where there is none."""
    if not folder.is_dir():
        return None
    found = sorted(path for path in folder.iterdir() if path.name.lower() == name.lower())
    return _object(root, found[0]) if found else None


def _object(root: Path, path: Path) -> SourceObject:
    """A file as an object of the source at ``root``; its digest is not needed to read it."""
    key = path.relative_to(root).as_posix()
    return SourceObject(key=key, size=path.stat().st_size, digest="")


def _read(source: ExamSource, files: ClipFiles, options: Mapping[str, Any]) -> Clip:
    from lusgan_core.ingestion.clip import open_clip
    from lusgan_core.ingestion.masks import read_mask
    from lusgan_core.ingestion.readers import choose_readers

    with open_clip(source, files, choose_readers(options)) as clip:
        alone = files.reader == MAT and files.scores is None
        scores = [UNLABELLED] * clip.count if alone else list(clip.scores())
        kept = None if clip.region is None else clip.region.copy()
        if files.mask is not None:
            kept = read_mask(source, files.mask.key, clip.height, clip.width)
        frames = np.empty((clip.count, clip.height, clip.width), np.uint8)
        for number, frame in enumerate(clip.frames()):
            frames[number] = frame
    return Clip(files.name, frames, np.array(scores, np.int64), kept)
