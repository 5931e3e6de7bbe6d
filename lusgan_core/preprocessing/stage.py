"""Stage 2: an exam's clips, converted to shards of square images."""

from __future__ import annotations

from collections.abc import Sequence

from lusgan_core.calls.call import (
    Product,
    StageCall,
    StageContext,
    data_of,
    exam_folder,
    new_call,
)
from lusgan_core.calls.provenance import Manifest
from lusgan_core.domain import ExamRecord, Record, Rejection, ShardRecord
from lusgan_core.errors import ConfigError
from lusgan_core.preprocessing.options import Canvas, PreprocessingOptions
from lusgan_core.registry import Registry, installed

__all__ = [
    "VERSION",
    "Canvas",
    "ExamShards",
    "PreprocessingOptions",
    "call",
    "run",
    "whole_canvas",
]

VERSION = 2
"""Goes up when the same call would give another result."""


class ExamShards(Record):
    """An exam's shards, and the clips that proved unusable when they were decoded."""

    patient: str
    exam: str
    shards: tuple[ShardRecord, ...]
    rejected: tuple[Rejection, ...] = ()


def whole_canvas(exams: Sequence[ExamRecord]) -> Canvas | None:
    """The largest height and width of a frame in the whole dataset; None without any clip."""
    clips = [clip for exam in exams for clip in exam.clips]
    if not clips:
        return None
    return Canvas(height=max(c.height for c in clips), width=max(c.width for c in clips))


def call(
    ingested: Manifest,
    options: PreprocessingOptions,
    canvas: Canvas | None,
    number: int,
    registry: Registry | None = None,
) -> StageCall:
    """Make the call for one ingested exam.

    Args:
        ingested: Manifest of the exam's ingestion.
        options: How frames become square images.
        canvas: Largest frame of the dataset, an input of geometry ``paper`` alone; None without it.
        number: Number of the exam in the run, for its label, which must not name a patient.
        registry: Installed plugins; None for those of this process.

    Returns:
        The call; its result is an ``ExamShards`` record.
    """
    exam = data_of(ingested, ExamRecord)
    kept = canvas if options.geometry == "paper" else None
    inputs = {"exam": exam.digest, "ingested": ingested.cache_key}
    if kept:
        inputs["canvas"] = f"{kept.height}x{kept.width}"
    return new_call(
        "preprocess",
        VERSION,
        label=f"preprocess exam {number}",
        inputs=inputs,
        options=options,
        arguments={
            "exam": exam.model_dump(mode="json"),
            "canvas": kept.model_dump() if kept else None,
            "readers": ingested.options.get("readers", {}),
        },
        manifest=lambda key: f"shards/{exam_folder(exam)}/{key[:8]}.json",
        plugins=tuple(("reader", name) for name in sorted({c.files.reader for c in exam.clips})),
        registry=installed() if registry is None else registry,
    )


def run(call: StageCall, context: StageContext) -> Product:
    """Write a shard for each clip; a clip that cannot be decoded is rejected with a reason.

    Args:
        call: A call that ``call`` made.
        context: Names the exam source and the store.

    Returns:
        An ``ExamShards`` record, with the shards as artifacts.

    Raises:
        ConfigError: There is no exam source.
        StoreError: The store, or the folder of temporary files, cannot be written.
        ExamError: The exam source failed.
    """
    from lusgan_core.ingestion.readers import choose_readers
    from lusgan_core.preprocessing.exam import ExamPreprocessor

    if context.source is None:
        raise ConfigError("preprocessing needs an exam source: name one with --exams")
    canvas = call.arguments["canvas"]
    preprocessor = ExamPreprocessor(
        context.source,
        choose_readers(call.arguments["readers"], context.registry),
        context.store,
        PreprocessingOptions.model_validate(call.options),
        Canvas.model_validate(canvas) if canvas else None,
        call.short_key,
    )
    data, artifacts = preprocessor.preprocess(ExamRecord.model_validate(call.arguments["exam"]))
    counts = {"shards": len(data.shards), "rejected": len(data.rejected)}
    return Product(data, artifacts, counts)
