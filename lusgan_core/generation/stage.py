"""Stage 5: synthetic frames of a score, in the formats that users of them read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from lusgan_core.api import Options
from lusgan_core.calls.call import Product, StageCall, StageContext, data_of, new_call
from lusgan_core.calls.provenance import Manifest
from lusgan_core.calls.section import FrameAt, Group, Section, Sheet
from lusgan_core.domain import Record
from lusgan_core.registry import Registry
from lusgan_core.training.stage import ModelRecord

VERSION = 1
"""Goes up when the same call would leave something else."""


SHOWN = 16
"""Frames of each kind that a report shows."""


class GenerationOptions(Options):
    """How many frames to make, and as what."""

    count: int = Field(100, ge=1, le=1_000_000, description="Synthetic frames a score")
    seed: int = Field(7, ge=0, lt=2**63, description="Seed of the noise they are made from")
    formats: tuple[Literal["png", "mat"], ...] = Field(
        ("png",),
        description="Formats beside the HDF5 file that is always written: `png`, one file a "
        "frame; `mat`, clips and score matrices in the hospital's layout",
    )
    batch_size: int = Field(
        32, ge=1, le=4096, description="Frames held in memory at once; changes no frame"
    )


class SampleSet(Record):
    """Synthetic frames of one score in the store."""

    score: int
    model: str
    folder: str
    frames_key: str
    """The HDF5 file: laid out as a shard, frame i of the seed in row i."""
    count: int
    seed: int


def call(trained: Manifest, options: GenerationOptions, registry: Registry) -> StageCall:
    """The call for one trained model."""
    model = data_of(trained, ModelRecord)
    return new_call(
        "generate",
        VERSION,
        label=f"generate score {model.score}",
        inputs={"generator": trained.artifacts["generator"].digest, "score": str(model.score)},
        options=options,
        arguments={"trained": trained.manifest_key},
        manifest=lambda key: (
            f"samples/score-{model.score}/{model.name}/seed-{options.seed}-{key[:8]}/manifest.json"
        ),
        plugins=(("backbone", model.generator.backbone),),
        unkeyed={"batch_size"},
        registry=registry,
    )


def run(call: StageCall, context: StageContext) -> Product:
    """Make the frames and write them in each format."""
    from lusgan_core.generation.samples import make_samples

    return make_samples(call, context)


def section(manifest: Manifest, real: Sequence[FrameAt]) -> Section:
    """What a report shows of a score's samples: the first ones, beside real frames to look at."""
    samples = data_of(manifest, SampleSet)
    first = tuple(
        FrameAt(key=samples.frames_key, row=number) for number in range(min(SHOWN, samples.count))
    )
    return Section(
        name="samples",
        title="Samples",
        groups=(
            Group(
                figures=(
                    Sheet(name="real", title="Real", frames=tuple(real[:SHOWN])),
                    Sheet(name="synthetic", title="Synthetic", frames=first),
                ),
                caption="Training frames beside the first of the frames that the model made "
                f"({samples.count:,}, seed {samples.seed}), none of them picked by hand.",
            ),
        ),
    )
