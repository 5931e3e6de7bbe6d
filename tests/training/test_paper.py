"""The `paper` preset through the real loop: Figure 1's networks at 256 x 256."""

from __future__ import annotations

import csv

import pytest
import torch
from safetensors.torch import load

import tiny
from lusgan_core.config import resolve
from lusgan_core.networks.value_range import value_map
from lusgan_core.training.recipe import recipe
from lusgan_core.training.state import fresh_state


def test_paper_builds_the_networks_of_figure_1(plugins):
    """With RGB frames the discriminator takes 6 x 256 x 256 to 2 x 2 logits with 0.34 M weights,
    packed by two, and the generator starts from 1,024 channels."""
    config = resolve("paper", plugins, settings=["preprocessing.channels=3"])
    assert (config.preprocessing.image_size, config.training.pack) == (256, 2)
    values = value_map(config.training, torch.zeros(1, 4, 4, dtype=torch.uint8))
    made = recipe(config.training, 256, 3, values, plugins)
    state = fresh_state(config.training, made, torch.device("cpu"), plugins)
    weights = sum(p.numel() for p in state.discriminator.parameters() if p.ndim > 1)
    assert weights == pytest.approx(0.34e6, rel=0.02)
    shapes = [tuple(p.shape[:2]) for p in state.discriminator.parameters() if p.ndim == 4]
    channels = [6, 32, 64, 128, 64, 32, 16, 1]
    assert shapes == list(zip(channels[1:], channels, strict=False))
    assert state.discriminator(torch.zeros(2, 6, 256, 256)).shape == (2, 4)
    first = next(p for p in state.generator.parameters() if p.ndim == 4)
    assert tuple(first.shape[:2]) == (128, 1024)


def test_paper_trains_at_256_grey(plugins, tmp_path):
    """One iteration of a batch of 4 through the real loop: 3 G steps and 1 D step of its rates,
    a generator of 256 x 256 grey images in 0..1, and no warning but what four frames deserve."""
    config = resolve(
        "paper", plugins,
        settings=["training.iterations=1", "training.batch_size=4", "training.preview_frames=2"],
    )  # fmt: skip
    made = tiny.run(tmp_path, config.training, plugins, frames=tiny.some_frames(4, size=256))
    record = made.record
    assert (record.image_size, record.channels, record.pack) == (256, 1, 2)
    assert (record.values.scale, record.values.offset) == (1 / 255, 0.0)
    checkpoint = load((tmp_path / made.artifacts["checkpoint"]).read_bytes())
    assert checkpoint["adam_G.0.step"].item() == 3
    assert checkpoint["adam_D.0.step"].item() == 1
    assert checkpoint["discriminator.0.weight"].shape == (32, 2, 4, 4)
    with (tmp_path / made.artifacts["history"]).open() as stream:
        (row,) = csv.DictReader(stream)
    assert float(row["lr_generator"]) == pytest.approx(4e-4)
    assert float(row["lr_discriminator"]) == pytest.approx(2e-4)
    assert 0.5 < float(row["loss_discriminator"]) < 1.5
