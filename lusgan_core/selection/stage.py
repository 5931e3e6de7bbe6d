"""Stage 3: which frames train a score, and which patients are held out."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from lusgan_core.api import Options
from lusgan_core.calls.call import Product, StageCall, StageContext, data_of, earlier, new_call
from lusgan_core.calls.provenance import Manifest, digest_json
from lusgan_core.calls.section import FrameAt, Section
from lusgan_core.domain import Record, ShardRecord
from lusgan_core.preprocessing.stage import ExamShards
from lusgan_core.selection.splits import held_out_patients

VERSION = 1
"""Goes up when the same call would leave something else."""


class SelectionOptions(Options):
    """How patients are split."""

    held_out: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="Share of patients that no model trains on; 0 holds nobody out",
    )
    seed: int = Field(999, ge=0, lt=2**63, description="Seed of the split")


class ClipFrames(Record):
    """The frames of one score in one clip's shard."""

    patient: str
    clip: str
    key: str
    """Key of the shard in the store."""
    frames: int
    digest: str
    """Over these very frames, so that other frames of the clip may change."""


class ScoreDataset(Record):
    """All frames of one score: those of patients to train on, and of patients held out."""

    score: int
    training: tuple[ClipFrames, ...]
    held_out: tuple[ClipFrames, ...]

    @property
    def training_frames(self) -> int:
        """Number of frames to train on."""
        return sum(clip.frames for clip in self.training)

    @property
    def held_out_frames(self) -> int:
        """Number of frames held out."""
        return sum(clip.frames for clip in self.held_out)

    @property
    def frames_digest(self) -> str:
        """Over the frames to train on: what a training depends on."""
        return digest_json([[clip.clip, clip.digest] for clip in self.training])

    @property
    def real_digest(self) -> str:
        """Over the frames of both sides and where they are: what an evaluation depends on."""
        sides = (self.training, self.held_out)
        return digest_json([[[clip.key, clip.digest] for clip in side] for side in sides])


def call(preprocessed: Sequence[Manifest], score: int, options: SelectionOptions) -> StageCall:
    """The call for one score, over the shards of all exams."""
    return new_call(
        "select",
        VERSION,
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


def score_dataset(
    shards: Sequence[ShardRecord], score: int, held_out: frozenset[str]
) -> ScoreDataset:
    """Pick a score's frames, clips in the order of patient, exam and name."""
    sides: dict[bool, list[ClipFrames]] = {False: [], True: []}
    for shard in sorted(shards, key=lambda s: (s.patient, s.exam, s.clip)):
        count = shard.by_score.get(score)
        if count is not None:
            sides[shard.patient in held_out].append(
                ClipFrames(
                    patient=shard.patient,
                    clip=shard.clip,
                    key=shard.key,
                    frames=count.frames,
                    digest=count.digest,
                )
            )
    return ScoreDataset(score=score, training=tuple(sides[False]), held_out=tuple(sides[True]))


def frames_at(clips: Sequence[ClipFrames], score: int, most: int) -> tuple[FrameAt, ...]:
    """Where some frames of clips are: at most so many, at equal distances over all of them."""
    every = [(clip.key, row) for clip in clips for row in range(clip.frames)]
    if len(every) > most:
        step = (len(every) - 1) / max(most - 1, 1)
        every = [every[round(step * number)] for number in range(most)]
    return tuple(FrameAt(key=key, row=row, score=score) for key, row in every)


def section(exams: Sequence[ExamShards], held_out: frozenset[str], rejected: int) -> Section:
    """What a report shows of the data: which patients have how many frames of each score.

    Args:
        exams: All exams, preprocessed.
        held_out: Codes of the patients that no model trains on.
        rejected: Clips that could not be used.

    Returns:
        The section.
    """
    from lusgan_core.selection.section import data_section

    return data_section(exams, held_out, rejected)
