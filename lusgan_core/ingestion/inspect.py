"""Describes the content of an exam as a record: headers, scores and masks, but no pixels of clips.

A clip that cannot be used is rejected with the reason; the others are kept.
"""

from __future__ import annotations

from lusgan_core.domain import ClipFiles, ClipRecord, ExamFiles, ExamRecord
from lusgan_core.errors import ClipError
from lusgan_core.ingestion.clip import open_clip
from lusgan_core.ingestion.masks import read_mask
from lusgan_core.ingestion.readers import Readers, choose_readers
from lusgan_core.ingestion.synthetic_mark import refuse_synthetic
from lusgan_core.store.source import ExamSource, named


def inspect_exam(source: ExamSource, exam: ExamFiles, readers: Readers | None = None) -> ExamRecord:
    """Read the headers, scores and masks of an exam's clips.

    Damage that shows in the pixels alone (an incomplete frame, channels that differ) is found when
    the clip is read; ``verify_clip`` looks for it.

    Args:
        source: Where the exam is.
        exam: Its files, as ``discover`` found them.
        readers: Readers by name; None for all that are installed.

    Returns:
        The usable clips and those rejected, with the reasons.

    Raises:
        ExamError: Disk, network or store failed.
    """
    known = choose_readers() if readers is None else readers
    clips: list[ClipRecord] = []
    rejected = list(exam.rejected)
    for files in exam.clips:
        try:
            with named(*(item.key for item in files.objects.values())):
                clips.append(inspect_clip(source, files, known))
        except ClipError as error:
            rejected.append(files.rejected(str(error)))
    return ExamRecord(
        patient=exam.patient,
        exam=exam.exam,
        digest=exam.digest,
        clips=tuple(clips),
        rejected=tuple(rejected),
    )


def inspect_clip(source: ExamSource, files: ClipFiles, readers: Readers) -> ClipRecord:
    """Read the header of one clip, its scores and its mask.

    Args:
        source: Where the clip is.
        files: Its files, as ``discover`` found them.
        readers: Readers by name.

    Returns:
        The clip's size, type, number of frames and scores.

    Raises:
        ClipError: The clip, its scores or its mask cannot be used, or it says that its frames are
            synthetic.
        ExamError: Disk, network or store failed.
    """
    with open_clip(source, files, readers) as clip:
        refuse_synthetic(source, files, clip.origin)
        scores = clip.scores()
        if files.mask is not None:
            read_mask(source, files.mask.key, clip.height, clip.width)
        return ClipRecord(
            files=files,
            details=clip.details,
            dtype=clip.dtype,
            height=clip.height,
            width=clip.width,
            channels=clip.channels,
            frames=clip.count,
            scores=scores,
        )
