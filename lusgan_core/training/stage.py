"""Stage 4: trains a generator on the frames of one score."""

from __future__ import annotations

from lusgan_core.calls.call import Product, StageCall, StageContext, data_of, new_call
from lusgan_core.calls.provenance import Manifest, Sealed
from lusgan_core.calls.section import Measured, Section
from lusgan_core.domain import Record
from lusgan_core.errors import TooFewFramesError
from lusgan_core.networks.generator import GeneratorRecord
from lusgan_core.registry import Registry
from lusgan_core.selection.stage import ScoreDataset
from lusgan_core.store import Store
from lusgan_core.training.looks import MonitorEvent
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
    "weights",
]

VERSION = 2
"""Raised whenever the same call would give another result."""

SEEN = "clips.json"
"""Name, in a model's folder, of the list of clips it is trained on; written before training."""


class SeenClips(Sealed):
    """The clips that a model is trained on."""

    shards: tuple[str, ...]
    """Keys of their shards."""
    folder: str = ""
    """Of the model; empty in lists of earlier versions."""


class ModelRecord(Record):
    """The result of one training of one score."""

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
    validation_frames: int = 0
    """Frames that the training looked at and did not train on."""
    validation_patients: int = 0
    best_iteration: int = 0
    """The iteration whose weights it has, by those frames; 0: the last."""
    events: tuple[MonitorEvent, ...] = ()
    """What the monitor did and found."""
    images_per_s: float = 0.0
    """Real images the discriminator saw a second, since the training was started or resumed."""
    peak_memory_mb: float = 0.0
    """Of the GPU where one trained, else of the process; 10^6 bytes."""


def model_name(options: TrainingOptions, image_size: int, channels: int, short_key: str) -> str:
    """Name a model by its hyper-parameters and eight digits of its cache key.

    Args:
        options: Options of the training.
        image_size: Side of the square frames, pixels.
        channels: 1 for grey, 3 for RGB.
        short_key: First eight digits of the training's cache key.

    Returns:
        A name fit for a key of the store, e.g. ``RaSGAN-pacgan2-128px-c1-...-1a2b3c4d``.
    """
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
    """Make the call that trains one score.

    Its cache key depends on the score's training frames alone: exams that add no frame of this
    score change nothing.

    Args:
        selected: Manifest of the selection of the score's frames.
        options: Options of the training.
        image_size: Side of the square frames, pixels.
        channels: 1 for grey, 3 for RGB.
        registry: Registry that identifies the plugins for the cache key.

    Returns:
        The call, for ``run``.
    """
    dataset = data_of(selected, ScoreDataset)
    monitor = options.monitor
    looked_at = {"validation": dataset.validation_digest} if dataset.validation else {}

    def name(key: str) -> str:
        return model_name(options, image_size, channels, key[:8])

    return new_call(
        "train",
        VERSION,
        label=f"train score {dataset.score}",
        inputs={
            "frames": dataset.frames_digest,
            "score": str(dataset.score),
            **(looked_at if monitor.every else {}),
        },
        options=options,
        arguments={"selected": selected.manifest_key},
        manifest=lambda key: f"models/score-{dataset.score}/{name(key)}/manifest.json",
        plugins=(
            ("backbone", options.backbone),
            ("loss", options.loss),
            *(("penalty", penalty) for penalty in options.penalties),
            *(("augmentation", augmentation) for augmentation in options.augmentations),
            *((("feature", monitor.features), ("metric", "kid")) if monitor.every else ()),
        ),
        registry=registry,
    )


def folder_of(call: StageCall) -> str:
    """Key prefix of the model's folder."""
    return call.manifest.rpartition("/")[0]


def check_enough(dataset: ScoreDataset, options: TrainingOptions) -> None:
    """Check that a score's training frames fill at least one batch.

    Args:
        dataset: The score's frames, as selected.
        options: Options with the batch size.

    Raises:
        TooFewFramesError: There are fewer training frames than a batch takes.
    """
    if dataset.training_frames < options.batch_size:
        validate = dataset.validation_frames
        also = f", {validate} validate: see selection.validation" if validate else ""
        raise TooFewFramesError(
            f"score {dataset.score} has {dataset.training_frames} training frames, fewer than a "
            f"batch of {options.batch_size} ({dataset.held_out_frames} more are held out{also}): "
            "add exams, or lower training.batch_size"
        )


def run(call: StageCall, context: StageContext) -> Product:
    """Train, or resume from the last checkpoint.

    Args:
        call: A call that ``call`` made.
        context: Store, registry, runtime and stop flag.

    Returns:
        A ``ModelRecord`` with the artifacts that it names; see ``train_score`` for errors.
    """
    from lusgan_core.training.score import train_score

    return train_score(call, context)


def weights(trained: Manifest, store: Store) -> bytes:
    """Read a model's weights, checked, and rebuilt from the last checkpoint where they are damaged.

    Args:
        trained: Manifest of the training.
        store: Store with the model.

    Returns:
        The safetensors file of the generator; see ``rebuild.weights`` for errors.
    """
    from lusgan_core.training import rebuild

    return rebuild.weights(store, trained)


def section(manifest: Manifest, store: Store) -> Section:
    """Make the report's section on a score's training; reads its history from the store.

    Args:
        manifest: Manifest of the training stage.
        store: Store with the history and the previews.

    Returns:
        The section, see ``training_section``.
    """
    from lusgan_core.training.section import training_section

    return training_section(manifest, store)
