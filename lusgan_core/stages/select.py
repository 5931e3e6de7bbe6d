"""Stage 3: which frames train a score, and which patients are held out."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from lusgan_core.api import Options
from lusgan_core.frames.dataset import ScoreDataset, score_dataset
from lusgan_core.frames.splits import held_out_patients
from lusgan_core.provenance import Manifest, digest_json
from lusgan_core.stages.base import Product, StageCall, StageContext, data_of, earlier, new_call
from lusgan_core.stages.records import ExamShards


class SelectionOptions(Options):
    """How patients are split."""

    held_out: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="Share of patients that no model trains on; 0 holds nobody out",
    )
    seed: int = Field(999, ge=0, lt=2**63, description="Seed of the split")


def call(preprocessed: Sequence[Manifest], score: int, options: SelectionOptions) -> StageCall:
    """The call for one score, over the shards of all exams."""
    return new_call(
        "select",
        label=f"select frames of score {score}",
        inputs={
            "shards": digest_json(sorted(m.cache_key for m in preprocessed)),
            "score": str(score),
        },
        options=options,
        arguments={"score": score, "preprocessed": [m.manifest_key for m in preprocessed]},
        manifest=lambda key: f"datasets/score-{score}/{key[:8]}.json",
    )


def run(call: StageCall, context: StageContext) -> Product:
    """Pick the score's frames; patients are split alike for every score."""
    options = SelectionOptions.model_validate(call.options)
    keys = call.arguments["preprocessed"]
    exams = [data_of(earlier(context, key), ExamShards) for key in keys]
    shards = [shard for exam in exams for shard in exam.shards]
    held_out = held_out_patients(
        (shard.patient for shard in shards), options.held_out, options.seed
    )
    dataset = score_dataset(shards, call.arguments["score"], held_out)
    counts = {"training": dataset.training_frames, "held_out": dataset.held_out_frames}
    return Product(dataset, counts=counts, seed=options.seed)


__all__ = ["ScoreDataset", "SelectionOptions", "call", "run"]
