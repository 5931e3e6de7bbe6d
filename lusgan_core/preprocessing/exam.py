"""Turns the clips of one exam into shards."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lusgan_core.calls.call import exam_folder
from lusgan_core.calls.provenance import ArtifactRef, digest_file
from lusgan_core.domain import ClipRecord, ExamRecord, Rejection, ShardRecord
from lusgan_core.errors import ClipError, StoreError
from lusgan_core.ingestion.clip import ClipReader, open_clip
from lusgan_core.ingestion.masks import read_mask
from lusgan_core.ingestion.readers import Readers
from lusgan_core.preprocessing.clip import (
    PreprocessedClip,
    brightest_of,
    keep_frames,
    preprocess_clip,
)
from lusgan_core.preprocessing.options import Canvas, PreprocessingOptions
from lusgan_core.preprocessing.shard import write_shard
from lusgan_core.preprocessing.stage import ExamShards
from lusgan_core.store import Store
from lusgan_core.store.base import key_part
from lusgan_core.store.source import ExamSource, is_outage, named, outage

BRIGHT = 48
"""Grey level, 0..255, from which on something outside of the fan can be read or be told apart."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.ENOENT)
"""ENOENT: TMPDIR does not exist. Where a clip is missing, its reader raises another error."""


@contextmanager
def prepared_clip(
    source: ExamSource,
    clip: ClipRecord,
    readers: Readers,
    options: PreprocessingOptions,
    canvas: Canvas | None,
) -> Iterator[tuple[ClipReader, PreprocessedClip]]:
    """Open a clip with its mask, and find all that its images need.

    Args:
        source: Where the clip is.
        clip: The clip as ingestion described it.
        readers: Readers by name.
        options: How frames become square images.
        canvas: Largest frame of the dataset.

    Returns:
        A context with the open clip, and the way to its images.

    Raises:
        ClipError: The clip cannot be used.
        ExamError: Disk, network or store failed.
    """
    files, mask = clip.files, None
    if files.mask is not None:
        mask = read_mask(source, files.mask.key, clip.height, clip.width)
    with open_clip(source, files, readers) as reader:
        size = (clip.height, clip.width)
        region = reader.region if mask is None else mask
        frames = keep_frames(reader.frames, size, clip.frames)
        yield reader, preprocess_clip(frames, size, region, options, canvas)


@dataclass(frozen=True)
class CheckedClip:
    """What is worth telling of a clip that can be used."""

    colour_gap: int
    """Largest difference of its colour channels, grey levels."""
    bright_outside: int
    """Pixels that are bright somewhere in the clip and outside of what is kept."""
    bright_beside_fan: int = 0
    """Pixels that are bright somewhere in the clip, kept and outside of the fan: images show them.
    """


def check_clip(
    source: ExamSource,
    clip: ClipRecord,
    readers: Readers,
    options: PreprocessingOptions,
    canvas: Canvas | None,
) -> CheckedClip:
    """Do with a clip all that a run does, except for writing its shard.

    Args:
        source: Where the clip is.
        clip: The clip as ingestion described it.
        readers: Readers by name.
        options: How frames become square images.
        canvas: Largest frame of the dataset.

    Returns:
        What is worth telling.

    Raises:
        ClipError: The clip cannot be used.
        ExamError: Disk, network or store failed.
    """
    with prepared_clip(source, clip, readers, options, canvas) as (reader, ready):
        brightest = ready.brightest
        if brightest is None:  # no pass over all frames was needed
            brightest = brightest_of(reader.frames, (clip.height, clip.width))
        # speckle at the very edge of a fan that was found is no writing beside it
        side = 2 * max(3, max(brightest.shape) // 40) + 1
        square = np.ones((side, side), np.uint8)
        kept, fan = (cv2.dilate(m.astype(np.uint8), square) for m in (ready.kept, ready.found))
        bright = brightest > BRIGHT
        outside, beside = bright & (kept == 0), bright & ready.kept & (fan == 0)
        return CheckedClip(reader.colour_gap, int(outside.sum()), int(beside.sum()))


@dataclass(frozen=True)
class ExamPreprocessor:
    """Reads clips from ``source`` and writes their shards to ``store``."""

    source: ExamSource
    readers: Readers
    store: Store
    options: PreprocessingOptions
    canvas: Canvas | None
    short_key: str
    """Eight digits of the call's cache key, which the names of its shards carry."""

    def preprocess(self, exam: ExamRecord) -> tuple[ExamShards, dict[str, ArtifactRef]]:
        """Write a shard for each clip; a clip that cannot be decoded is rejected with a reason.

        Args:
            exam: The exam as ingestion described it.

        Returns:
            The exam's shards and rejections, and the shards' references by clip name.

        Raises:
            StoreError: The store, or the folder of temporary files, cannot be written.
            ExamError: The exam source failed.
        """
        shards: list[ShardRecord] = []
        rejected: list[Rejection] = []
        artifacts: dict[str, ArtifactRef] = {}
        for clip in exam.clips:
            try:
                with named(*(item.key for item in clip.files.objects.values())):
                    shard, artifacts[clip.files.name] = self._write(clip)
                shards.append(shard)
            except StoreError:
                raise
            except (ClipError, OSError) as error:
                if isinstance(error, OSError) and error.errno in NO_ROOM:
                    raise StoreError(
                        f"no room for temporary files ({error.strerror}): free some space or set "
                        "TMPDIR, and run the same command again: what is finished is kept"
                    ) from error
                if isinstance(error, OSError) and is_outage(error):
                    with named(*(item.key for item in clip.files.objects.values())):
                        raise outage(error) from None
                rejected.append(clip.files.rejected(str(error)))
        data = ExamShards(
            patient=exam.patient, exam=exam.exam, shards=tuple(shards), rejected=tuple(rejected)
        )
        return data, artifacts

    def _write(self, clip: ClipRecord) -> tuple[ShardRecord, ArtifactRef]:
        files = clip.files
        key = f"shards/{exam_folder(files)}/{key_part(files.name)}-{self.short_key}.h5"
        with (
            prepared_clip(self.source, clip, self.readers, self.options, self.canvas) as (_, ready),
            tempfile.TemporaryDirectory(prefix="lusgan-") as folder,
        ):
            path = Path(folder) / "shard.h5"
            summary = write_shard(
                path,
                ready.images(),
                clip.scores,
                fan=ready.fan,
                affine=ready.affine,
                attributes={"clip_sha256": files.clip.digest, "area": files.area},
            )
            artifact = ArtifactRef(key=key, digest=digest_file(path), size=path.stat().st_size)
            self.store.put(key, path)
        shard = ShardRecord(
            patient=files.patient,
            exam=files.exam,
            clip=files.name,
            area=files.area,
            key=key,
            digest=artifact.digest,
            frames=summary.frames,
            by_score=summary.by_score,
        )
        return shard, artifact
