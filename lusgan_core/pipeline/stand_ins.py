"""Records that stages would leave, made from their calls alone, for a plan.

A later call reads names, sizes and places from them; what would come of the work (values, digests,
counts of frames) is empty, or says that it is not made yet.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel

from lusgan_core.calls.call import StageCall
from lusgan_core.classification.stage import Judged
from lusgan_core.domain import ExamRecord, ScoreCount, ShardRecord
from lusgan_core.encoder.stage import EncoderRecord
from lusgan_core.evaluation.stage import EvaluationRecord
from lusgan_core.generation.stage import SampleSet
from lusgan_core.networks.generator import GeneratorRecord
from lusgan_core.networks.value_range import ValueMap
from lusgan_core.preprocessing.stage import ExamShards
from lusgan_core.promotion.stage import PromotionRecord
from lusgan_core.reporting.stage import ReportRecord
from lusgan_core.training.stage import ModelRecord, folder_of
from lusgan_core.usefulness.stage import StudyRecord

UNKNOWN = "not made yet"
"""Stands for the digest of what would be made."""
ARTIFACTS = {
    "encode": ("encoder",),
    "train": ("generator", "progress", "history"),
    "generate": ("frames",),
    "evaluate": ("evaluation",),
    "useful": ("table", "study"),
    "report": ("page",),
}
"""Stage -> artifacts that later calls look up in its manifest."""

Facts = tuple[BaseModel, dict[str, int]]
"""What a manifest holds of a stage's work: its record, and counts."""


def score_of(call: StageCall) -> int | None:
    """The score that a call is about, if it is about one."""
    text = call.manifest.split("/")[1] if "/" in call.manifest else ""
    number = text.removeprefix("score-")
    return int(number) if text.startswith("score-") and number.isdigit() else None


def _shards(call: StageCall) -> Facts:
    exam = ExamRecord.model_validate(call.arguments["exam"])
    shards = tuple(
        ShardRecord(
            patient=exam.patient,
            exam=exam.exam,
            clip=clip.files.name,
            area=clip.files.area,
            key=f"{call.manifest}.{clip.files.name}",
            digest=UNKNOWN,
            frames=clip.frames,
            by_score={
                score: ScoreCount(frames=count, digest=UNKNOWN)
                for score, count in clip.labelled.items()
            },
        )
        for clip in exam.clips
    )
    data = ExamShards(patient=exam.patient, exam=exam.exam, shards=shards)
    return data, {"shards": len(shards)}


def _model(call: StageCall) -> Facts:
    options = call.options
    folder = folder_of(call)
    generator = GeneratorRecord(
        backbone=options["backbone"],
        backbone_options=options["backbone_options"],
        image_size=32,
        channels=1,
        latent_size=options["latent_size"],
        pack=options["pack"] or 1,
        values=ValueMap(scale=1, offset=0),
    )
    data = ModelRecord(
        score=score_of(call) or 0,
        name=folder.rpartition("/")[2],
        folder=folder,
        generator=generator,
        iterations=options["iterations"],
        images_seen=0,
        training_frames=0,  # no later call reads what it was trained on
        training_clips=0,
        training_patients=0,
    )
    return data, {}


def _encoder(call: StageCall) -> Facts:
    data = EncoderRecord(
        network=call.options["network"], size=1, side=1, channels=1, scores=(), clips={}
    )
    return data, {}


def _samples(call: StageCall) -> Facts:
    folder = call.manifest.rpartition("/")[0]
    _, score, model = folder.split("/")[:3]
    data = SampleSet(
        score=int(score.removeprefix("score-")),
        model=model,
        folder=folder,
        frames_key=f"{folder}/frames.h5",
        count=call.options["count"],
        seed=call.options["seed"],
    )
    return data, {}


def _evaluation(call: StageCall) -> Facts:
    data = EvaluationRecord(
        score=score_of(call) or 0, samples=UNKNOWN, training=0, held_out=0, synthetic=0, among=0,
        likeness=None, values=(), distributions=(), absent={}, nearest=(), nearest_training=(),
        nearest_held_out=(), engine="", pairs=0,
    )  # fmt: skip
    return data, {}


def _judged(call: StageCall) -> Facts:
    told = call.arguments
    data = Judged(
        arm=call.inputs["arm"], fold=told["fold"], seed=told["seed"], scores=(), real={},
        synthetic={}, patients=(),
    )  # fmt: skip
    return data, {}


def _study(call: StageCall) -> Facts:
    data = StudyRecord(
        verdict="cannot tell", text=UNKNOWN, scores=(), minority=0, folds=0, seeds=0, patients=0,
        frames=0, arms=(),
    )  # fmt: skip
    return data, {}


def _decision(call: StageCall) -> Facts:
    data = PromotionRecord(
        score=score_of(call) or 0,
        model=call.manifest.split("/")[2],
        evaluated=call.arguments["evaluated"],
        promoted=False,
        before="",
        verdicts=(),
    )
    return data, {}


def _report(call: StageCall) -> Facts:
    return ReportRecord(scores=(), failures={}), {}


STAND_INS: dict[str, Callable[[StageCall], Facts]] = {
    "preprocess": _shards,
    "encode": _encoder,
    "train": _model,
    "generate": _samples,
    "evaluate": _evaluation,
    "classify": _judged,
    "useful": _study,
    "promote": _decision,
    "report": _report,
}
"""Stage -> what makes its record from a call."""
