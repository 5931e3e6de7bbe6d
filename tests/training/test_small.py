"""The preset ``small`` builds and trains at the sizes that it is for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import tiny
from lusgan_core.config import resolve
from lusgan_core.registry import Registry
from lusgan_core.training.state import HISTORY


@pytest.mark.parametrize(
    ("size", "widths"), [(64, [16, 32, 64, 128]), (128, [16, 32, 64, 128, 256])]
)
def test_small_trains(
    plugins: Registry, monkeypatch: pytest.MonkeyPatch, size: int, widths: list[int]
) -> None:
    """Two iterations through the real step: widths from 16 on, no norm in the discriminator, a
    penalty in the first alone, strength that rises from 0, and finite losses."""
    monkeypatch.setattr(tiny, "SIZE", size)
    chosen = resolve(
        "small", plugins, settings=[f"preprocessing.image_size={size}", "training.batch_size=8"]
    ).training
    trainer, state = tiny.begin(chosen, plugins, tiny.some_frames(16, size=size))
    layers = list(state.discriminator)
    found = [layer.out_channels for layer in layers if isinstance(layer, nn.Conv2d)]
    assert found == [*widths, 1]
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in layers)
    first, second = (dict(zip(HISTORY, trainer.iterate(state).tolist(), strict=True)) for _ in "ab")
    assert first["penalty"] > 0
    assert second["penalty"] == 0
    moves = {0.0, 8 / 20_000}
    assert min(abs(first["augmentation"] - move) for move in moves) < 1e-8
    assert all(torch.isfinite(torch.tensor(list(row.values()))).all() for row in (first, second))


def test_its_rates_end_at_a_twentieth(plugins: Registry) -> None:
    """They are constant for 70% of the training."""
    chosen: Any = resolve("small", plugins).training
    last = chosen.iterations - 1
    shares = [chosen.cool_down.share(i, last + 1) for i in (0, int(0.69 * last), last)]
    assert shares == pytest.approx([1, 1, 0.05])
