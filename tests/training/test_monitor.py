"""Warnings: each one on a made-up history that deserves it, none on a healthy one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import tiny
from lusgan_core.calls.section import find
from lusgan_core.networks.value_range import ValueMap
from lusgan_core.training.monitor import (
    end_values,
    find_nonfinite,
    find_nonfinite_weights,
    warnings,
)
from lusgan_core.training.recipe import recipe
from lusgan_core.training.state import HISTORY


def made_up(iterations: int = 1000, **columns) -> np.ndarray:
    """Return the history of a training in balance, but for the columns given."""
    healthy = {"loss_discriminator": 0.6, "loss_generator": 1.1, "sign": 0.3}
    history = np.zeros((iterations, len(HISTORY)), np.float32)
    for name, value in (healthy | columns).items():
        wobble = 1 + 0.1 * np.sin(np.arange(iterations))
        history[:, HISTORY.index(name)] = value * wobble
    return history


def said(plugins, history=None, **changes) -> list[str]:
    chosen = tiny.options(**changes)
    made = recipe(chosen, tiny.SIZE, 1, ValueMap(scale=1, offset=0), plugins)
    return list(warnings(chosen, made, end_values(made_up() if history is None else history)))


def test_a_healthy_training_gets_no_warning(plugins):
    """Losses in balance: nothing is said."""
    assert said(plugins) == []
    assert said(plugins, made_up(iterations=30)) == []


def test_overfitting_is_said(plugins):
    """A discriminator that tells nearly all pairs apart at the end may know frames by heart."""
    (warning,) = said(plugins, made_up(sign=0.95))
    assert "by heart" in warning
    assert said(plugins, made_up(sign=np.linspace(0.95, 0.5, 1000))) == []


def test_the_end_of_a_training_is_measured():
    """Means are over the last and the first hundred iterations, of absolute values."""
    ramp = np.linspace(0, 1, 100)  # its mean is 1/2, no other window's is
    between = np.full(100, 50.0)
    history = np.zeros((300, len(HISTORY)), np.float32)
    for name, first, last in (
        ("loss_discriminator", 1 + 2 * ramp, -ramp),
        ("loss_generator", 8 + 2 * ramp, -2 - 2 * ramp),
        ("sign", ramp, ramp / 2),
    ):
        history[:, HISTORY.index(name)] = np.concatenate([first, between, last])
    short = history[:40]
    half = float(ramp[:40].mean())
    names = ("generator_loss", "discriminator_loss", "sign")
    for rows, expected in ((history, (3.0, 0.25, 0.25)), (short, (8 + 2 * half, 1.0, half))):
        found = {name: find(end_values(rows), name, statistic="end") for name in names}
        assert [found[name].value for name in names] == pytest.approx(expected)
        assert {value.number for value in found.values()} == {min(100, len(rows))}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_losses_that_are_no_numbers_have_no_value(bad):
    """One NaN or infinity anywhere leaves every value undefined."""
    history = made_up(300)
    history[10, HISTORY.index("loss_generator")] = bad
    assert [value.value for value in end_values(history)] == [None, None, None]


def test_labels_that_the_loss_ignores_are_said(plugins):
    """RSGAN reads no synthetic labels, so smoothing those is named as having no effect."""
    (warning,) = said(plugins, loss="RSGAN", smooth_real=(0.7, 1.2), smooth_fake=(0.0, 0.3))
    assert "RSGAN does not read the labels of fake images" in warning
    assert said(plugins, loss="RSGAN", smooth_real=(0.7, 1.2)) == []


def test_several_things_wrong_are_all_said(plugins):
    """Warnings do not hide each other."""
    changes = {"loss": "RSGAN", "smooth_real": (0.7, 1.2), "smooth_fake": (0.0, 0.3)}
    assert len(said(plugins, made_up(sign=1.0), **changes)) == 2


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
