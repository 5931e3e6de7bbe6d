"""Warnings: each one on a made-up history that deserves it, none on a healthy one."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
from torch import nn

from lusgan_core.networks.value_range import ValueMap
from lusgan_core.training.monitor import find_nonfinite, find_nonfinite_weights, spread, warnings
from lusgan_core.training.recipe import recipe
from lusgan_core.training.state import HISTORY

RNG = np.random.default_rng(8)
REAL = RNG.integers(0, 256, (16, 8, 8), dtype=np.uint8)
ALIKE = (REAL[:1] // 2 + RNG.integers(0, 40, (16, 8, 8))).astype(np.uint8)


def made_up(iterations: int = 1000, **columns) -> np.ndarray:
    """Return the history of a training in balance, but for the columns given."""
    healthy = {"loss_discriminator": 0.6, "loss_generator": 1.1, "sign": 0.3}
    history = np.zeros((iterations, len(HISTORY)), np.float32)
    for name, value in (healthy | columns).items():
        wobble = 1 + 0.1 * np.sin(np.arange(iterations))
        history[:, HISTORY.index(name)] = value * wobble
    return history


def said(plugins, history=None, synthetic=REAL, real=REAL, **changes) -> list[str]:
    chosen = tiny.options(**changes)
    made = recipe(chosen, tiny.SIZE, 1, ValueMap(scale=1, offset=0), plugins)
    return warnings(chosen, made, made_up() if history is None else history, synthetic, real)


def test_a_healthy_training_gets_no_warning(plugins):
    """Losses in balance, and synthetic frames as varied as real ones: nothing is said."""
    assert said(plugins) == []
    assert said(plugins, made_up(iterations=30)) == []


def test_collapse_is_said(plugins):
    """Frames that differ a tenth as much as real ones are a mode collapse; half as much is not."""
    (warning,) = said(plugins, synthetic=ALIKE)
    assert warning.startswith("mode collapse")
    assert f"{spread(ALIKE) / spread(REAL):.0%} as much" in warning
    assert said(plugins, synthetic=REAL // 2) == []


def test_one_preview_is_no_collapse(plugins):
    """A single frame differs from nothing, which says nothing."""
    assert said(plugins, synthetic=REAL[:1], real=REAL[:1]) == []


@pytest.mark.parametrize("size", [1.0, -1.0])
def test_a_discriminator_that_has_won_is_said(plugins, size):
    """Its loss fell under a twentieth of what it was in the beginning, whatever its sign."""
    falling = size * 1.4 * np.geomspace(1, 0.01, 1000)
    (warning,) = said(plugins, made_up(loss_discriminator=falling))
    assert "the discriminator has won" in warning
    assert said(plugins, made_up(loss_discriminator=1.4 * np.geomspace(1, 0.2, 1000))) == []


def test_overfitting_is_said(plugins):
    """A discriminator that tells nearly all pairs apart at the end may know frames by heart."""
    (warning,) = said(plugins, made_up(sign=0.95))
    assert "by heart" in warning
    assert said(plugins, made_up(sign=np.linspace(0.95, 0.5, 1000))) == []


def test_divergence_is_said(plugins):
    """A generator's loss in the hundreds has run away; a start that was bad does not matter."""
    (warning,) = said(plugins, made_up(loss_generator=np.geomspace(1, 900, 1000)))
    assert "diverged" in warning
    assert said(plugins, made_up(loss_generator=np.geomspace(900, 1, 1000))) == []


def test_labels_that_the_loss_ignores_are_said(plugins):
    """RSGAN reads no synthetic labels, so smoothing those is named as having no effect."""
    (warning,) = said(plugins, loss="RSGAN", smooth_real=(0.7, 1.2), smooth_fake=(0.0, 0.3))
    assert "RSGAN does not read the labels of fake images" in warning
    assert said(plugins, loss="RSGAN", smooth_real=(0.7, 1.2)) == []


def test_several_things_wrong_are_all_said(plugins):
    """Warnings do not hide each other."""
    history = made_up(sign=1.0, loss_generator=200.0)
    assert len(said(plugins, history, synthetic=ALIKE)) == 3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_column_that_is_not_finite_is_named(bad):
    """Of rows with a NaN or an infinity the column of the first is given, of others none."""
    rows = made_up(5)
    assert find_nonfinite(rows) is None
    rows[3, HISTORY.index("penalty")] = bad
    assert find_nonfinite(rows) == "penalty"


def test_the_network_with_bad_weights_is_named():
    """A single NaN among weights or batch statistics gives the network away."""
    networks = {"generator": nn.Linear(2, 2), "discriminator": nn.BatchNorm1d(3)}
    assert find_nonfinite_weights(networks) is None
    networks["discriminator"].running_var[1] = torch.nan
    assert find_nonfinite_weights(networks) == "discriminator"


def test_spread_is_the_mean_deviation_over_frames():
    """It equals numpy's standard deviation over frames, averaged, and is 0 for equal frames."""
    assert spread(REAL) == pytest.approx(REAL.astype(float).std(axis=0).mean(), rel=1e-5)
    assert spread(np.repeat(REAL[:1], 4, axis=0)) == 0
