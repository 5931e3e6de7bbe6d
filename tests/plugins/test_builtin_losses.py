"""The built-in losses against their contract and against their formulas written out in numpy."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lusgan_core.api import Loss, Targets
from lusgan_core.registry import installed
from lusgan_core.testing import LossContract

Array = NDArray[np.float64]
NAMES = ("SGAN", "RSGAN", "RaSGAN", "LSGAN", "RaLSGAN", "Hinge", "RaHinge")


class TestContract(LossContract):
    """Every built-in loss keeps the contract."""

    @pytest.fixture(autouse=True, params=NAMES)
    def choose(self, request: pytest.FixtureRequest) -> None:
        self.record = installed().loss(request.param)


def bce(x: Array, y: Array | float) -> float:
    """Cross-entropy by its definition, from probabilities."""
    p = 1 / (1 + np.exp(-x))
    return float(np.mean(-(y * np.log(p) + (1 - y) * np.log(1 - p))))


def sq(x: Array) -> float:
    return float(np.mean(x**2))


def hinge(x: Array) -> float:
    return float(np.mean(np.where(x > 0, x, 0)))


Formula = Callable[[Array, Array, Array, Array], float]

# a, b: real and fake logits; y, w: their targets.
DISCRIMINATOR: dict[str, Formula] = {
    "SGAN": lambda a, b, y, w: bce(a, y) + bce(b, w),
    "RSGAN": lambda a, b, y, w: bce(a - b, y),
    "RaSGAN": lambda a, b, y, w: (bce(a - b.mean(), y) + bce(b - a.mean(), w)) / 2,
    "LSGAN": lambda a, b, y, w: sq(a - y) + sq(b - w),
    "RaLSGAN": lambda a, b, y, w: (sq(a - b.mean() - y) + sq(b - a.mean() + y)) / 2,
    "Hinge": lambda a, b, y, w: hinge(1 - a) + hinge(1 + b),
    "RaHinge": lambda a, b, y, w: (hinge(1 - a + b.mean()) + hinge(1 + b - a.mean())) / 2,
}
GENERATOR: dict[str, Formula] = {
    "SGAN": lambda a, b, y, w: bce(b, 1.0),
    "RSGAN": lambda a, b, y, w: bce(b - a, 1.0),
    "RaSGAN": lambda a, b, y, w: (bce(a - b.mean(), 0.0) + bce(b - a.mean(), 1.0)) / 2,
    "LSGAN": lambda a, b, y, w: sq(b - 1),
    "RaLSGAN": lambda a, b, y, w: (sq(a - b.mean() + 1) + sq(b - a.mean() - 1)) / 2,
    "Hinge": lambda a, b, y, w: float(-b.mean()),
    "RaHinge": lambda a, b, y, w: (hinge(1 + a - b.mean()) + hinge(1 - b + a.mean())) / 2,
}


def call(side: Callable[..., torch.Tensor], loss: Loss, *arrays: Array) -> float:
    """One side of a loss on numpy logits and targets."""
    real, fake, up, down = (torch.from_numpy(x) for x in arrays)
    return side(real, fake, Targets(up, down), loss.options()).item()


def arrays(logits_each: int) -> list[Array]:
    """Logits (24, L) and smoothed targets, as a batch of 48 packed by two has them."""
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 2, (2, 24, logits_each))
    up, down = rng.uniform(0.7, 1.2, logits[0].shape), rng.uniform(0, 0.3, logits[0].shape)
    up[:2], down[:2] = down[:2].copy(), up[:2].copy()  # flipped labels
    return [*logits, up, down]


@pytest.mark.parametrize("logits_each", [1, 4])
@pytest.mark.parametrize("name", NAMES)
def test_values_are_the_formulas(name: str, logits_each: int) -> None:
    """Both sides equal the formulas in float64 to 1e-12, with smoothed and flipped targets."""
    loss, inputs = installed().loss(name), arrays(logits_each)
    expected = DISCRIMINATOR[name](*inputs), GENERATOR[name](*inputs)
    assert call(loss.discriminator, loss, *inputs) == pytest.approx(expected[0], rel=1e-12)
    assert call(loss.generator, loss, *inputs) == pytest.approx(expected[1], rel=1e-12)


@pytest.mark.parametrize(
    ("name", "discriminator", "generator"),
    [
        ("SGAN", 2 * math.log(2), math.log(2)),
        ("RSGAN", math.log(2), math.log(2)),
        ("RaSGAN", math.log(2), math.log(2)),
        ("LSGAN", 1.0, 1.0),
        ("RaLSGAN", 1.0, 1.0),
        ("Hinge", 2.0, 0.0),
        ("RaHinge", 1.0, 1.0),
    ],
)
def test_values_of_a_discriminator_that_knows_nothing(
    name: str, discriminator: float, generator: float
) -> None:
    """With all logits zero both sides have the values worked out by hand."""
    loss = installed().loss(name)
    zeros, ones = np.zeros((4, 1)), np.ones((4, 1))
    inputs = (zeros, zeros, ones, zeros)
    assert call(loss.discriminator, loss, *inputs) == pytest.approx(discriminator, abs=1e-12)
    assert call(loss.generator, loss, *inputs) == pytest.approx(generator, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_an_input_of_many_logits_is_many_inputs(name: str) -> None:
    """Values are means over all logits given: (N, L) has the value of (N L, 1)."""
    loss, inputs = installed().loss(name), arrays(4)
    flat = [x.reshape(-1, 1) for x in inputs]
    for side in (loss.discriminator, loss.generator):
        assert call(side, loss, *inputs) == pytest.approx(call(side, loss, *flat), rel=1e-12)


def test_names_and_targets_are_the_reports() -> None:
    """The seven losses are there by their published names, each naming the targets it reads."""
    losses = {name: installed().loss(name) for name in NAMES}
    assert {n: set(loss.targets) for n, loss in losses.items()} == {
        "SGAN": {"real", "fake"},
        "RSGAN": {"real"},
        "RaSGAN": {"real", "fake"},
        "LSGAN": {"real", "fake"},
        "RaLSGAN": {"real"},
        "Hinge": set(),
        "RaHinge": set(),
    }
