"""A training small enough for tests: 32 x 32, four channels next to the image, a batch of four."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lusgan_core.api import Augmentation, Backbone, Loss, Penalty, hookimpl
from lusgan_core.calls.interrupts import StopFlag
from lusgan_core.calls.runtime import Runtime
from lusgan_core.networks.value_range import ValueMap, value_map
from lusgan_core.registry import Provider, Registry, discover
from lusgan_core.store import LocalStore
from lusgan_core.training.job import Job, Trained
from lusgan_core.training.loop import train
from lusgan_core.training.measuring import Validation
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.recipe import recipe
from lusgan_core.training.shared.process_group import ALONE, Group
from lusgan_core.training.state import TrainingState, fresh_state
from lusgan_core.training.step import Trainer

SIZE = 32
PLAIN: dict[str, Any] = {
    "backbone": "dcgan",
    "backbone_options": {"width": 4, "dropout": 0.0},
    "loss": "SGAN",
    "latent_size": 6,
    "iterations": 5,
    "batch_size": 4,
    "generator_steps": 1,
    "decay_discriminator": 0.0,
    "smooth_real": None,
    "smooth_fake": None,
    "flip_labels": 0.0,
    "value_range": "-1..1",
    "previews": 3,
    "preview_frames": 4,
}
"""Every trick of the report is off."""

EVERYTHING = PLAIN | {
    "backbone_options": {"width": 4, "dropout": 0.3, "noise": 0.1},
    "loss": "RaSGAN",
    "penalties": {"gp": {"weight": 0.5, "every": 2}, "r1": {"weight": 0.1, "every": 3}},
    "generator_steps": 2,
    "decay_generator": 1e-3,
    "decay_discriminator": 5e-4,
    "smooth_real": (0.7, 1.2),
    "smooth_fake": (0.0, 0.3),
    "flip_labels": 0.2,
    "flip_batch": 0.1,
    "input_noise": 0.1,
    "ema_half_life": 40,
    "pack": 2,
    "augmentations": {"gain": {}, "mirror": {}, "rotation": {}, "shift": {}},
    "augmentation_strength": 0.4,
    "augmentation_images": 100,
}
"""Every trick is on: dropout, noise layers, batch norm, average, lazy penalties, packing,
augmentation."""


def options(base: dict[str, Any] = PLAIN, **changes: Any) -> TrainingOptions:
    return TrainingOptions.model_validate(base | changes)


def some_frames(count: int = 18, *, colour: bool = False, size: int = SIZE) -> NDArray[np.uint8]:
    """Noise around a grey level that differs from frame to frame."""
    rng = np.random.default_rng(3)
    shape = (count, size, size, 3) if colour else (count, size, size)
    middle = rng.integers(60, 200, count).reshape(-1, *[1] * (len(shape) - 1))
    return (middle + rng.integers(-50, 50, shape)).astype(np.uint8)


def begin(
    chosen: TrainingOptions,
    registry: Registry,
    frames: NDArray[np.uint8] | None = None,
    group: Group = ALONE,
    scores: NDArray[np.int64] | None = None,
) -> tuple[Trainer, TrainingState]:
    """Return the trainer and the fresh state of a training, to be iterated by hand."""
    given = torch.from_numpy(some_frames() if frames is None else frames)
    channels = 3 if given.ndim == 4 else 1
    several = 0 if scores is None else int(scores.max()) + 1
    made = recipe(chosen, SIZE, channels, value_map(chosen, given), registry, several)
    device = torch.device("cpu")
    state = fresh_state(chosen, made, device, registry, group)
    labels = None if scores is None else torch.from_numpy(scores)
    return Trainer(chosen, made, given, group, labels), state


class DoubleMap(ValueMap):
    """Images in double precision."""

    def to_model(self, frames: Tensor) -> Tensor:
        return super().to_model(frames).double()


def begin_double(
    chosen: TrainingOptions,
    registry: Registry,
    frames: NDArray[np.uint8] | None = None,
    group: Group = ALONE,
) -> tuple[Trainer, TrainingState]:
    """The same with images in double precision, where that is torch's default type."""
    trainer, state = begin(chosen, registry, frames, group)
    record = trainer.recipe.record
    values = DoubleMap(**record.values.model_dump())
    object.__setattr__(trainer.recipe, "record", record.model_copy(update={"values": values}))
    return trainer, state


def job(folder: Path, identity: str = "this training") -> Job:
    return Job(LocalStore(folder), "model", identity)


def run(
    folder: Path,
    chosen: TrainingOptions,
    registry: Registry,
    *,
    frames: NDArray[np.uint8] | None = None,
    stop: StopFlag | None = None,
    checkpoint_s: float = 1000.0,
    scores: NDArray[np.int64] | None = None,
    validation: Validation | None = None,
) -> Trained:
    """Train into a folder; what is there is gone on with."""
    given = some_frames() if frames is None else frames
    runtime = Runtime(device="cpu", checkpoint_s=checkpoint_s)
    flag = stop or StopFlag()
    return train(
        given, chosen, job(folder), registry, runtime, flag, scores=scores, validation=validation
    )


def left(folder: Path) -> dict[str, bytes]:
    """All that a training left, by name, but for what depends on when it was stopped: TensorBoard's
    files, half-written ones, and checkpoints before the last."""
    found = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "tensorboard" not in path.parts and ".partial-" not in path.name
    }
    *early, _ = [name for name in found if "/checkpoints/" in name]
    return {name: data for name, data in found.items() if name not in early}


def validation() -> Validation:
    """Frames of three patients, two clips each, of another kind than those of the training."""
    frames = np.roll(some_frames(12) // 2, 5, axis=2)
    return Validation(frames, tuple("111122223333"), tuple("aabbccddeeff"))


def stopped() -> StopFlag:
    """Return a flag that lets a training do one iteration."""
    flag = StopFlag()
    flag.request()
    return flag


def with_loss(loss: Loss) -> Registry:
    """Return the installed plugins and one more loss."""
    return with_records(loss)


def with_records(*records: Augmentation | Backbone | Loss | Penalty) -> Registry:
    """Return the installed plugins and some more."""

    class Plugin:
        @hookimpl
        def register_backbones(self) -> list[Backbone]:
            return [record for record in records if isinstance(record, Backbone)]

        @hookimpl
        def register_losses(self) -> list[Loss]:
            return [record for record in records if isinstance(record, Loss)]

        @hookimpl
        def register_penalties(self) -> list[Penalty]:
            return [record for record in records if isinstance(record, Penalty)]

        @hookimpl
        def register_augmentations(self) -> list[Augmentation]:
            return [record for record in records if isinstance(record, Augmentation)]

    registry = discover()
    registry.add(Plugin(), Provider("tests"))
    return registry
