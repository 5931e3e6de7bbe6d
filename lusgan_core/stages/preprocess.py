"""Stage 2: an exam's clips, streamed to shards of square images."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lusgan_core.domain import ClipRecord, ExamRecord, Rejection, ShardRecord
from lusgan_core.errors import ClipError, ConfigError, StoreError
from lusgan_core.exams.clip import open_clip
from lusgan_core.exams.masks import read_mask
from lusgan_core.exams.source import ExamSource, is_outage, outage
from lusgan_core.frames.preprocess import Canvas, PreprocessOptions, preprocess_clip
from lusgan_core.frames.shard import write_shard
from lusgan_core.provenance import ArtifactRef, Manifest, digest_file
from lusgan_core.stages.base import Product, StageCall, StageContext, data_of, exam_folder, new_call
from lusgan_core.stages.records import ExamShards
from lusgan_core.store import Store
from lusgan_core.store.base import key_part

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.ENOENT)
"""The last: there is no such folder as TMPDIR. A clip that is gone is told by its reader."""


def whole_canvas(exams: Sequence[ExamRecord]) -> Canvas | None:
    """The largest frame of the whole dataset, all scores; None without any clip."""
    clips = [clip for exam in exams for clip in exam.clips]
    if not clips:
        return None
    return Canvas(height=max(c.height for c in clips), width=max(c.width for c in clips))


def call(
    ingested: Manifest, options: PreprocessOptions, canvas: Canvas | None, number: int
) -> StageCall:
    """The call for one ingested exam. The canvas matters to geometry ``paper`` alone."""
    exam = data_of(ingested, ExamRecord)
    kept = canvas if options.geometry == "paper" else None
    inputs = {"exam": exam.digest, "ingested": ingested.cache_key}
    if kept:
        inputs["canvas"] = f"{kept.height}x{kept.width}"
    return new_call(
        "preprocess",
        label=f"preprocess exam {number}",
        inputs=inputs,
        options=options,
        arguments={
            "exam": exam.model_dump(mode="json"),
            "canvas": kept.model_dump() if kept else None,
        },
        manifest=lambda key: f"shards/{exam_folder(exam)}/{key[:8]}.json",
    )


def run(call: StageCall, context: StageContext) -> Product:
    """Write a shard a clip; a clip that cannot be decoded is rejected, with why."""
    if context.source is None:
        raise ConfigError("preprocessing needs an exam source: name one with --exams")
    exam = ExamRecord.model_validate(call.arguments["exam"])
    canvas = call.arguments["canvas"]
    job = _Job(
        context.source,
        context.store,
        PreprocessOptions.model_validate(call.options),
        Canvas.model_validate(canvas) if canvas else None,
        call.short_key,
    )
    shards: list[ShardRecord] = []
    rejected: list[Rejection] = []
    artifacts: dict[str, ArtifactRef] = {}
    for clip in exam.clips:
        try:
            shard, artifacts[clip.files.name] = job.write(clip)
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
                raise outage(error) from None
            rejected.append(
                Rejection(
                    file=clip.files.clip.key,
                    reason=str(error),
                    patient=clip.files.patient,
                    exam=clip.files.exam,
                )
            )
    data = ExamShards(
        patient=exam.patient, exam=exam.exam, shards=tuple(shards), rejected=tuple(rejected)
    )
    return Product(data, artifacts, counts={"shards": len(shards), "rejected": len(rejected)})


class _Job:
    """Turns clips of one exam into shards."""

    def __init__(
        self,
        source: ExamSource,
        store: Store,
        options: PreprocessOptions,
        canvas: Canvas | None,
        short_key: str,
    ) -> None:
        self.source, self.store, self.options = source, store, options
        self.canvas, self.short_key = canvas, short_key

    def write(self, clip: ClipRecord) -> tuple[ShardRecord, ArtifactRef]:
        files = clip.files
        mask = None
        if files.mask is not None:
            mask = read_mask(self.source, files.mask.key, clip.height, clip.width)
        key = f"shards/{exam_folder(files)}/{key_part(files.name)}-{self.short_key}.h5"
        with (
            open_clip(self.source, files.clip.key) as reader,
            tempfile.TemporaryDirectory(prefix="lusgan-") as folder,
        ):
            clip_out = preprocess_clip(
                reader.frames, (clip.height, clip.width), mask, self.options, self.canvas
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
