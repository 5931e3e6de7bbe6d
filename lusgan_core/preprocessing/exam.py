"""Turns the clips of one exam into shards."""

from __future__ import annotations

import errno
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lusgan_core.calls.call import exam_folder
from lusgan_core.calls.provenance import ArtifactRef, digest_file
from lusgan_core.domain import ClipRecord, ExamRecord, Rejection, ShardRecord
from lusgan_core.errors import ClipError, StoreError
from lusgan_core.ingestion.clip import open_clip
from lusgan_core.ingestion.listing import named
from lusgan_core.ingestion.masks import read_mask
from lusgan_core.ingestion.readers import Readers
from lusgan_core.preprocessing.clip import preprocess_clip
from lusgan_core.preprocessing.options import Canvas, PreprocessingOptions
from lusgan_core.preprocessing.shard import write_shard
from lusgan_core.preprocessing.stage import ExamShards
from lusgan_core.store import Store
from lusgan_core.store.base import key_part
from lusgan_core.store.source import ExamSource, is_outage, outage

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.ENOENT)
"""ENOENT: TMPDIR does not exist. Where a clip is missing, its reader raises another error."""


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
        mask = None
        if files.mask is not None:
            mask = read_mask(self.source, files.mask.key, clip.height, clip.width)
        key = f"shards/{exam_folder(files)}/{key_part(files.name)}-{self.short_key}.h5"
        with (
            open_clip(self.source, files, self.readers) as reader,
            tempfile.TemporaryDirectory(prefix="lusgan-") as folder,
        ):
            clip_out = preprocess_clip(
                reader.frames,
                (clip.height, clip.width),
                reader.region if mask is None else mask,
                self.options,
                self.canvas,
            )
            path = Path(folder) / "shard.h5"
            summary = write_shard(
                path,
                clip_out.images(),
                clip.scores,
                fan=clip_out.fan,
                affine=clip_out.affine,
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
