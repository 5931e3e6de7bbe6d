"""Run by tests alone and by torchrun: shared_script.py FILE writes losses in double precision.

In single precision Adam's first steps make much of what is rounding in a small gradient; in double
precision two processes and one can be held against each other to nine digits.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

import tiny
from lusgan_core.api import Loss, Step, Targets
from lusgan_core.training.shared.process_group import ALONE, Group, joined

PLAIN: dict[str, Any] = {
    "backbone_options": {
        "width": 4, "dropout": 0.0, "generator_norm": "none", "discriminator_norm": "none",
    },
    "loss": "RaSGAN",
    "batch_size": 8,
    "generator_steps": 2,
    "discriminator_steps": 2,
    "smooth_real": (0.7, 1.2),
    "flip_labels": 0.2,
    "input_noise": 0.1,
    "ema_half_life": 40,
}  # fmt: skip
R1 = {"penalties": {"r1": {"weight": 2.0, "every": 3}}}
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "packed": {"pack": 2},
    "r1": R1,
    "r1, packed": R1 | {"pack": 2},
    "loss without real logits": {"loss": "SGAN", "pack": 2},
    "spectral norm": {
        "backbone": "selu_sn", "backbone_options": {"width": 4, "max_width": 8, "dropout": 0.0},
    },
    "augmented": {
        "augmentations": {"cutout": {}, "gain": {}, "mirror": {}, "rotation": {}},
        "augmentation_strength": 0.5, "augmentation_images": 40, "pack": 2,
    },
    "loss that reads images and noise": {"loss": "reader", "pack": 2},
}  # fmt: skip
ITERATIONS = 8


def judge(real: Tensor, fake: Tensor, targets: Targets, step: Step, options: Any) -> Tensor:
    """SGAN's loss, larger where real images are bright."""
    assert step.real is not None
    return (softplus(-real).mean() + softplus(fake).mean()) * (1 + step.real.square().mean())


def forge(real: Tensor, fake: Tensor, targets: Targets, step: Step, options: Any) -> Tensor:
    """SGAN's loss, and images of the two halves of the whole batch apart, as their noise is."""
    assert step.fake is not None
    assert step.noise is not None
    half = len(step.fake) // 2
    apart = (step.fake[:half] - step.fake[half:]).square().mean()
    noises = len(step.noise) // 2
    return (
        softplus(-fake).mean() - apart / (step.noise[:noises] - step.noise[noises:]).square().mean()
    )


READER = Loss(
    "reader", "Reads images and noise", judge, forge, reads=frozenset({"images", "noise"})
)


def history(changes: dict[str, Any], group: Group) -> list[list[float]]:
    """Return the history of a training, a row an iteration, and at last sums over its weights."""
    chosen = tiny.options(tiny.PLAIN | PLAIN | changes)
    trainer, state = tiny.begin_double(chosen, tiny.with_loss(READER), group=group)
    rows = [trainer.iterate(state).tolist() for _ in range(ITERATIONS)]
    weights = [
        sum(float(value.double().abs().sum()) for value in network.state_dict().values())
        for network in state.networks().values()
    ]
    return [*rows, weights]


def main(path: str) -> None:
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    if "RANK" not in os.environ:
        Path(path).write_text(json.dumps({n: history(c, ALONE) for n, c in CASES.items()}))
        return
    with joined(torch.device("cpu")) as group:
        found = {name: history(changes, group) for name, changes in CASES.items()}
        Path(f"{path}.{group.rank}").write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
