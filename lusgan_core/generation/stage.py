"""Stage 5: synthetic frames of a score, in several file formats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from pydantic import Field, model_validator

from lusgan_core.api import Options
from lusgan_core.calls.call import Product, StageCall, StageContext, data_of, new_call
from lusgan_core.calls.options_by_plugin import OptionsByPlugin
from lusgan_core.calls.provenance import Manifest
from lusgan_core.calls.section import FrameAt, Group, Section, Sheet
from lusgan_core.domain import Record
from lusgan_core.registry import Registry
from lusgan_core.training.stage import ModelRecord

VERSION = 4
"""Goes up when the same call would give another result."""


SHOWN = 16
"""Frames that a report shows of the real ones, and of the synthetic ones."""


class GenerationOptions(Options):
    """How many frames to make, and as what."""

    count: int = Field(100, ge=1, le=1_000_000, description="Synthetic frames a score")
    seed: int = Field(7, ge=0, lt=2**63, description="Seed of the noise they are made from")
    formats: tuple[str, ...] = Field(
        ("png",),
        description="Exporters beside the HDF5 file that is always written: `png`, one file a "
        "frame; `mat`, clips and score matrices in the hospital's layout; `lusgan plugins` lists "
        "them",
    )
    format_options: OptionsByPlugin = Field(
        default_factory=dict,
        description='Options of these by name, e.g. {"png": {"say_synthetic": false}}',
    )
    batch_size: int = Field(
        32, ge=1, le=4096, description="Frames held in memory at once; changes no frame"
    )

    @model_validator(mode="after")
    def _formats_fit(self) -> Self:
        twice = next((name for name in self.formats if self.formats.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"formats: {twice} is named twice")
        other = next((name for name in self.format_options if name not in self.formats), None)
        if other is not None:
            raise ValueError(f"format_options: {other} is none of formats; name it there, too")
        return self


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
    """Make the call for one trained model.

    Args:
        trained: Manifest of its training.
        options: How many frames to make, from which seed, in which formats.
        registry: Installed plugins, with the model's backbone and the exporters.

    Returns:
        The call; its result is a ``SampleSet``.
    """
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
        plugins=(
            ("backbone", model.generator.backbone),
            *(("exporter", name) for name in options.formats),
        ),
        unkeyed={"batch_size"},
        registry=registry,
    )


def run(call: StageCall, context: StageContext) -> Product:
    """Generate the frames of a call; see ``samples.make_samples``.

    Args:
        call: A call that ``call`` made.
        context: Store with the model, plugins, and the device to run on.

    Returns:
        A ``SampleSet``, with its files as artifacts.
    """
    from lusgan_core.generation.samples import make_samples

    return make_samples(call, context)


def section(manifest: Manifest, real: Sequence[FrameAt]) -> Section:
    """Make the section on a score's samples: the first ones, beside real frames.

    Args:
        manifest: Manifest of the generation.
        real: Places of training frames; the first ``SHOWN`` are shown.

    Returns:
        The section.
    """
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
