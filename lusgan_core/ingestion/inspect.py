"""Describes the content of an exam as a record: headers, scores and masks, but no pixels of clips.

A clip that cannot be used is rejected with the reason; the others are kept.
"""

from __future__ import annotations

from lusgan_core.domain import ClipFiles, ClipRecord, ExamFiles, ExamRecord
from lusgan_core.errors import ClipError
from lusgan_core.ingestion.masks import read_mask
from lusgan_core.ingestion.readers.clip import open_clip
from lusgan_core.ingestion.scores import read_scores
from lusgan_core.store.source import ExamSource


def inspect_exam(source: ExamSource, exam: ExamFiles) -> ExamRecord:
    """Read the headers, score matrices and masks of an exam's clips.

    Damage that shows in the pixels alone (an incomplete frame, channels that differ) is found when
    the clip is read; ``verify_clip`` looks for it.

    Args:
        source: Where the exam is.
        exam: Its files, as ``discover`` found them.

    Returns:
        The usable clips and those rejected, with the reasons.

    Raises:
        ExamError: Disk, network or store failed.
    """
    clips: list[ClipRecord] = []
    rejected = list(exam.rejected)
    for files in exam.clips:
        try:
            clips.append(inspect_clip(source, files))
        except ClipError as error:
            rejected.append(files.rejected(str(error)))
    return ExamRecord(
        patient=exam.patient,
        exam=exam.exam,
        digest=exam.digest,
        clips=tuple(clips),
        rejected=tuple(rejected),
    )


def inspect_clip(source: ExamSource, files: ClipFiles) -> ClipRecord:
    """Read the header of one clip, its score matrix and its mask.

    Args:
        source: Where the clip is.
        files: Its files, as ``discover`` found them.

    Returns:
        The clip's size, type, number of frames and scores.

    Raises:
        ClipError: The clip, its scores or its mask cannot be used.
        ExamError: Disk, network or store failed.
    """
    if files.scores is None:
        raise ClipError("no score file beside it")
    with open_clip(source, files.clip.key) as clip:
        try:
            scores = read_scores(source, files.scores.key, clip.count)
        except ClipError as error:
            raise ClipError(f"score file: {error}") from error
        if files.mask is not None:
            read_mask(source, files.mask.key, clip.height, clip.width)
        return ClipRecord(
            files=files,
            mat_version=clip.mat_version,
            variable=clip.variable,
            dtype=clip.dtype,
            height=clip.height,
            width=clip.width,
            channels=clip.channels,
            frames=clip.count,
            scores=scores,
        )
