"""What is in an exam, as a record: headers, scores and masks, but no pixels of clips.

A clip that cannot be used is rejected with the reason, and the others go on.
"""

from __future__ import annotations

from lusgan_core.domain import ClipFiles, ClipRecord, ExamFiles, ExamRecord
from lusgan_core.errors import ClipError
from lusgan_core.ingestion.masks import read_mask
from lusgan_core.ingestion.readers.clip import open_clip
from lusgan_core.ingestion.scores import read_scores
from lusgan_core.store.source import ExamSource


def inspect_exam(source: ExamSource, exam: ExamFiles) -> ExamRecord:
    """Look into the clips of an exam.

    What shows only in the pixels (a damaged frame, channels that differ) is found when the clip
    is read; ``verify_clip`` looks for it on purpose.
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
    """Look into one clip; raises ClipError where it, its scores or its mask cannot be used."""
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
