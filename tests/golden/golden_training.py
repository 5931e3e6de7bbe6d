"""Rows of training and of the built-in plugins, in double precision.

In single precision Adam's first steps make much of what is rounding in a small gradient; in double
precision they repeat on any machine.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from golden_inputs import frames
from golden_table import Rows
from torch import Tensor, nn

import tiny
from files_of_weights import inception_tensors, lite0_tensors, written
from lusgan_core.api import (
    Augmentation,
    Backbone,
    FeatureExtractor,
    Loss,
    NetworkSpec,
    PairMetric,
    Penalty,
    SetMetric,
    Targets,
)
from lusgan_core.measures.bound import bound
from lusgan_core.measures.features import build_extractor
from lusgan_core.registry import installed
from lusgan_core.training.looks import Look
from lusgan_core.training.measuring import Measuring
from lusgan_core.training.monitor import end_values
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.previews import preview_iterations
from lusgan_core.training.shared.process_group import ALONE
from lusgan_core.training.snapshots import Monitor
from lusgan_core.training.state import TrainingState
from lusgan_core.training.step import Trainer

ITERATIONS = 3
BASE: dict[str, Any] = tiny.PLAIN | {
    "backbone_options": {"width": 4, "dropout": 0.2},
    "loss": "RaSGAN",
    "iterations": ITERATIONS,
    "decay_generator": 1e-3,
    "decay_discriminator": 5e-4,
    "smooth_real": (0.7, 1.2),
    "smooth_fake": (0.0, 0.3),
}
AUGMENTED: dict[str, Any] = {
    "augmentations": {"gain": {}, "mirror": {}, "rotation": {"apex": 0.2}, "shift": {}},
    "augmentation_strength": 0.5,
    "augmentation_images": 16,
}
TRAINING: dict[str, dict[str, Any]] = {
    "base": {},
    "backbone": {"backbone": "selu_sn", "backbone_options": {"width": 4, "max_width": 8}},
    "backbone_options": {"backbone_options": {"width": 4, "noise": 0.3}},
    "pack": {"pack": 2},
    "loss": {"loss": "SGAN"},
    "loss_options": {"loss": "Hinge", "loss_options": {}, "smooth_real": None, "smooth_fake": None},
    "penalties": {"penalties": {"gp": {"weight": 0.5, "every": 2}, "r1": {"weight": 2.0}}},
    "augmentations": AUGMENTED,
    "augmentation_strength": AUGMENTED | {"augmentation_strength": 0.8},
    "augmentation_images": AUGMENTED | {"augmentation_images": 8},
    "augmentation_target": AUGMENTED | {"augmentation_target": -1.0},
    "latent_size": {"latent_size": 9},
    "iterations": {"iterations": 2},
    "batch_size": {"batch_size": 6},
    "generator_steps": {"generator_steps": 2},
    "discriminator_steps": {"discriminator_steps": 2},
    "lr_generator": {"lr_generator": 1e-3},
    "lr_discriminator": {"lr_discriminator": 1e-3},
    "betas": {"betas": (0.0, 0.9)},
    "decay_generator": {"decay_generator": 0.1},
    "decay_discriminator": {"decay_discriminator": 0.1},
    "cool_down": {"cool_down": {"shape": "cosine", "start": 0.2, "end": 0.1}},
    "smooth_real": {"smooth_real": None},
    "smooth_fake": {"smooth_fake": (0.2, 0.5)},
    "flip_labels": {"flip_labels": 0.5},
    "flip_batch": {"flip_batch": 0.7},
    "input_noise": {"input_noise": 0.3},
    "value_range": {"value_range": "0..1"},
    "standardise": {"standardise": True},
    "ema_half_life": {"ema_half_life": 8},
    "monitor": {"monitor": {"every": 1, "max_loss": 2.0}},
    "seed": {"seed": 1000},
    "previews": {"previews": 40},
    "preview_frames": {"preview_frames": 2},
}
BACKBONES: dict[str, dict[str, Any]] = {
    "dcgan": {
        "base": {},
        "width": {"width": 6},
        "dropout": {"dropout": 0.5},
        "noise": {"noise": 0.3},
        "generator_norm": {"generator_norm": "none"},
        "discriminator_norm": {"discriminator_norm": "none"},
    },
    "pacgan2": {"base": {}, "dropout": {"dropout": 0.1}, "noise": {"noise": 0.3}},
    "selu_sn": {
        "base": {},
        "width": {"width": 8},
        "max_width": {"max_width": 16},
        "dropout": {"dropout": 0.5},
        "noise": {"noise": 0.3},
    },
}
SMALL = {"dcgan": {"width": 4}, "selu_sn": {"width": 4, "max_width": 8}}
"""Options that make a backbone small enough; those of pacgan2 do not."""


@contextmanager
def double_precision() -> Iterator[None]:
    """Make float64 the type of what is made without one."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def train_rows() -> Rows:
    """Losses of three iterations and sums over the weights after them, a row an option."""
    with double_precision():
        return {name: _trained(changes) for name, changes in TRAINING.items()}


def _trained(changes: dict[str, Any]) -> Any:
    chosen = tiny.options(BASE | changes)
    trainer, state = tiny.begin_double(chosen, installed(), frames(18, 3, tiny.SIZE))
    monitor, watch = Monitor(MadeUp(trainer, chosen), ALONE), state.watch
    monitor.begin(state)
    history = []
    for number in range(chosen.iterations):
        history.append(trainer.iterate(state).tolist())
        if monitor.due(number + 1):
            monitor.look(state)
    state.history[:] = history
    looks = {"looks": watch.looks, "best": watch.best_iteration} if watch.looks else {}
    return {
        "history": history,
        **looks,
        "weights": {name: _sums(network) for name, network in state.networks().items()},
        "end": [value.model_dump() for value in end_values(state.history)],
        "previews": sorted(preview_iterations(chosen.iterations, chosen.previews)),
        "preview_frames": chosen.preview_frames,
    }


class MadeUp(Measuring):
    """Looks with made-up numbers: the second one diverges, the third overfits."""

    def __init__(self, trainer: Trainer, options: TrainingOptions) -> None:
        device = trainer.frames.device
        super().__init__(options, trainer.recipe, installed(), device, trainer.frames, None)

    def look(self, state: TrainingState, since: int) -> Look:
        """The numbers of an iteration."""
        number = state.iteration
        return Look(number, (1.0, 3.0, 1.0)[number - 1], 0.5, 0.9 / number, 0.3 * number)


def _sums(network: nn.Module) -> list[float]:
    values = [value.double() for value in network.state_dict().values()]
    return [sum(float(v.abs().sum()) for v in values), sum(float(v.sum()) for v in values)]


AUGMENTATIONS: dict[str, dict[str, Any]] = {
    "mirror": {"defaults": {}},
    "shift": {"defaults": {}, "most": {"most": 0.3}},
    "rotation": {"defaults": {}, "most_degrees": {"most_degrees": 3.0}, "apex": {"apex": 0.0}},
    "gain": {"defaults": {}, "spread": {"spread": 0.5}},
    "depth_gain": {"defaults": {}, "spread": {"spread": 1.0}},
    "cutout": {"defaults": {}, "side": {"side": 0.6}},
}
"""Augmentation -> options of each of its rows."""


def augmentation_rows(record: Augmentation) -> Rows:
    """Sums over changed images and their gradients, for fixed draws, a row an option."""
    rows: dict[str, Any] = {}
    with double_precision():
        numbers = torch.Generator().manual_seed(25)
        images = 2 * torch.rand((6, 1, 16, 16), generator=numbers) - 1
        draws = torch.rand((6, record.draws), generator=numbers)
        places = torch.arange(256.0).reshape(16, 16)
        for name, options in AUGMENTATIONS[record.name].items():
            given = images.clone().requires_grad_(True)
            changed = record.apply(given, draws, record.options.model_validate(options))
            torch.autograd.backward((places * changed).sum())
            rows[name] = {
                "images": (places * changed).sum((1, 2, 3)).tolist(),
                "gradients": None if given.grad is None else given.grad.sum((1, 2, 3)).tolist(),
            }
    return rows


NEIGHBOURS = ("precision", "recall", "density", "coverage")
FEATURES: dict[str, dict[str, Any]] = {
    "random": {"defaults": {}, "seed": {"seed": 1}},
    "lite0": {"defaults": {}},
    "lite2": {"defaults": {}},
}
"""Feature extractor -> options of each of its rows."""
FEATURE_FILES = {"efficientnet_lite": lite0_tensors, "inception_v3": inception_tensors}
"""Feature extractor whose weights are a file of the user's -> tensors of such a file."""
SET_METRICS: dict[str, dict[str, Any]] = {
    "kid": {"defaults": {}, "degree": {"degree": 1}},
    "kid_textbook": {"defaults": {}, "degree": {"degree": 1}},
    "fid": {"defaults": {}},
    "fid_infinity": {"defaults": {}},
    **{name: {"defaults": {}, "k": {"k": 1}} for name in NEIGHBOURS},
}
"""Metric on sets -> options of each of its rows."""


def backbone_rows(record: Backbone) -> Rows:
    """Outputs of both networks in training, from fixed seeds, a row an option."""
    with double_precision():
        return {name: _built(record, o) for name, o in BACKBONES[record.name].items()}


def _built(record: Backbone, changes: dict[str, Any]) -> Any:
    options = record.options.model_validate(SMALL.get(record.name, {}) | changes)
    spec = NetworkSpec(image_size=32, channels=1, latent_size=6, pack=record.pack)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        generator, discriminator = (
            record.generator(spec, options),
            record.discriminator(spec, options),
        )
        images = generator(torch.randn(4, spec.latent_size)).detach()
        logits = discriminator(images.reshape(4 // spec.pack, -1, 32, 32))
    return {
        "weights": {"generator": _sums(generator), "discriminator": _sums(discriminator)},
        "images": [float(images.sum()), float(images.abs().sum()), float(images[0, 0, 3, 7])],
        "logits": logits.flatten().tolist(),
    }


def loss_rows(record: Loss) -> Rows:
    """Both losses and their gradients on fixed logits, with plain and with smooth targets."""
    rows: dict[str, Any] = {}
    with double_precision():
        numbers = torch.Generator().manual_seed(8)
        real, fake, towards, away = torch.randn(4, 6, 2, generator=numbers)
        smooth = Targets(real=1 + 0.2 * towards, fake=0.2 * away)
        plain = Targets(real=torch.ones(6, 2), fake=torch.zeros(6, 2))
        options = record.options()
        for name, targets in (("plain", plain), ("smooth", smooth)):
            for side in ("discriminator", "generator"):
                a, b = (logits.clone().requires_grad_(True) for logits in (real, fake))
                value: Tensor = getattr(record, side)(a, b, targets, options)
                gradients = torch.autograd.grad(value, (a, b), allow_unused=True)
                rows[f"{side}, {name}"] = [
                    value.item(), *(None if g is None else g.flatten().tolist() for g in gradients)
                ]  # fmt: skip
    return rows


def penalty_rows(record: Penalty) -> Rows:
    """The value for a fixed discriminator, and how it moves the discriminator's weights."""
    with double_precision(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(9)
        network = nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.Softplus(), nn.Flatten(), nn.Linear(4 * 36, 2)
        )
        real, fake = torch.randn(2, 5, 2, 8, 8)
        options = record.options()
        value = record.value(network, real, fake, torch.Generator().manual_seed(2), options)
        gradients = torch.autograd.grad(value, list(network.parameters()), allow_unused=True)
        sums = [None if g is None else float(g.abs().sum()) for g in gradients]
        return {"defaults": {"value": value.item(), "gradients": sums, "weight": options.weight}}


def feature_rows(record: FeatureExtractor) -> Rows:
    """Means of blocks of features: of grey and colour frames, small and large, a row an option."""
    if record.name in FEATURE_FILES:
        with tempfile.TemporaryDirectory() as folder:
            tensors = FEATURE_FILES[record.name]()
            options = written(tensors, Path(folder) / "weights.safetensors")
            return _feature_rows(record, {"a file": options})
    return _feature_rows(record, FEATURES[record.name])


def _feature_rows(record: FeatureExtractor, every: Mapping[str, dict[str, Any]]) -> Rows:
    rows: dict[str, Any] = {}
    for name, options in every.items():
        extract = build_extractor(record, options)
        for side in (32, 96):
            grey = frames(3, 23, side)
            for kind, stack in (("grey", grey), ("colour", grey[..., None] // [1, 2, 3])):
                found = extract(stack.astype(np.uint8)).reshape(3, 16, -1)
                rows[f"{name}, {side}, {kind}"] = found.mean(2, dtype=np.float64)
    return rows


def metric_rows(record: PairMetric | SetMetric) -> Rows:
    """Values of pairs of frames: alike, unlike, one and the same; grey and colour."""
    if isinstance(record, SetMetric):
        return _set_metric_rows(record)
    one, other = frames(2, 21, 192)
    near = np.clip(one.astype(int) + np.arange(192) % 7 - 3, 0, 255).astype(np.uint8)
    pairs = {"unlike": (one, other), "alike": (one, near), "same": (one, one)}
    rows: dict[str, Any] = {}
    for name, (a, b) in pairs.items():
        rows[name] = float(record.value(a, b))
        if 3 in record.channels:
            colour = [np.stack([x, x // 2, 255 - x], axis=2) for x in (a, b)]
            rows[f"{name}, colour"] = float(record.value(*colour))
    return rows


def _set_metric_rows(record: SetMetric) -> Rows:
    """Values of two sets of features at three distances, a row an option."""
    rng = np.random.default_rng(24)
    one, other = rng.standard_normal((30, 5)), rng.standard_normal((20, 5))
    groups = (np.arange(30) // 3, np.arange(20)) if record.grouped_by else ()
    return {
        name: [
            bound(record, options).value(one, other + shift, *groups) for shift in (0.0, 0.5, 4.0)
        ]
        for name, options in SET_METRICS[record.name].items()
    }
