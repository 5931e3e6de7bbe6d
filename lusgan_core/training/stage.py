"""Stage 4: a score's frames, turned into a generator."""

from __future__ import annotations

from lusgan_core.calls.call import Product, StageCall, StageContext, data_of, new_call
from lusgan_core.calls.provenance import Manifest
from lusgan_core.calls.section import Measured, Section
from lusgan_core.domain import Record
from lusgan_core.errors import TooFewFramesError
from lusgan_core.networks.generator import GeneratorRecord
from lusgan_core.registry import Registry
from lusgan_core.selection.stage import ScoreDataset
from lusgan_core.store import Store
from lusgan_core.training.options import TrainingOptions

__all__ = [
    "SEEN",
    "VERSION",
    "ModelRecord",
    "SeenClips",
    "TrainingOptions",
    "call",
    "check_enough",
    "folder_of",
    "model_name",
    "run",
    "section",
]

VERSION = 1
"""Goes up when the same call would leave something else."""

SEEN = "clips.json"
"""Name, in a model's folder, of what its training sees; it is written before training begins."""


class SeenClips(Record):
    """The clips that a model is trained on."""

    shards: tuple[str, ...]
    """Keys of their shards."""


class ModelRecord(Record):
    """What one training of one score leaves."""

    score: int
    name: str
    folder: str
    generator: GeneratorRecord
    iterations: int
    images_seen: int
    training_frames: int
    training_clips: int
    training_patients: int
    values: tuple[Measured, ...] = ()
    """How the training ended."""
    warnings: tuple[str, ...] = ()
    resumed_from: int = 0


def model_name(options: TrainingOptions, image_size: int, channels: int, short_key: str) -> str:
    """A model's name: its hyper-parameters, and eight digits of its cache key."""
    return "-".join(
        (
            options.loss,
            options.backbone,
            f"{image_size}px",
            f"c{channels}",
            f"z{options.latent_size}",
            f"b{options.batch_size}",
            f"i{options.iterations}",
            f"lrG{options.lr_generator:g}",
            f"lrD{options.lr_discriminator:g}",
            f"seed{options.seed}",
            short_key,
        )
    )


def call(
    selected: Manifest,
    options: TrainingOptions,
    image_size: int,
    channels: int,
    registry: Registry,
) -> StageCall:
    """The call for one score. Only its own training frames count, not what else there is."""
    dataset = data_of(selected, ScoreDataset)

    def name(key: str) -> str:
        return model_name(options, image_size, channels, key[:8])

    return new_call(
        "train",
        VERSION,
        label=f"train score {dataset.score}",
        inputs={
            "frames": dataset.frames_digest,
            "score": str(dataset.score),
        },
        options=options,
        arguments={"selected": selected.manifest_key},
        manifest=lambda key: f"models/score-{dataset.score}/{name(key)}/manifest.json",
        plugins=(
            ("backbone", options.backbone),
            ("loss", options.loss),
            *(("penalty", penalty) for penalty in options.penalties),
        ),
        registry=registry,
    )


def folder_of(call: StageCall) -> str:
    """Key prefix of the model's folder."""
    return call.manifest.rpartition("/")[0]


def check_enough(dataset: ScoreDataset, options: TrainingOptions) -> None:
    """Raise TooFewFramesError where a score's training frames do not fill one batch."""
    if dataset.training_frames < options.batch_size:
        raise TooFewFramesError(
            f"score {dataset.score} has {dataset.training_frames} training frames, fewer than a "
            f"batch of {options.batch_size} ({dataset.held_out_frames} more are held out): add "
            "exams, or lower training.batch_size"
        )


def run(call: StageCall, context: StageContext) -> Product:
    """Train, or go on training from the last checkpoint."""
    from lusgan_core.training.score import train_score

    return train_score(call, context)


def section(manifest: Manifest, store: Store) -> Section:
    """What a report shows of a score's training; reads its history from the store."""
    from lusgan_core.training.section import training_section

    return training_section(manifest, store)
