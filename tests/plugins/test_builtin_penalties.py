"""The built-in gradient penalties against their contract and against gradients known by hand."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from lusgan_backbones import dcgan, pacgan2, selu_sn
from lusgan_core.api import Backbone, NetworkSpec
from lusgan_core.registry import installed
from lusgan_core.testing import PenaltyContract

NAMES = ("gp", "r1", "r2")


class TestContract(PenaltyContract):
    """Every built-in penalty keeps the contract."""

    @pytest.fixture(autouse=True, params=NAMES)
    def choose(self, request: pytest.FixtureRequest) -> None:
        self.record = installed().penalty(request.param)


class Quadratic(nn.Module):
    """D(x) = s |x|^2 / 2, whose gradient is s x; several equal logits on request."""

    def __init__(self, logits: int = 1) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.5, dtype=torch.float64))
        self.logits = logits

    def forward(self, x: Tensor) -> Tensor:
        return (self.scale * x.flatten(1).square().sum(1, keepdim=True) / 2).repeat(1, self.logits)


def images() -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn((2, 5, 2, 4, 4), generator=rng, dtype=torch.float64)
    return real, fake


def value(name: str, network: nn.Module, real: Tensor, fake: Tensor, seed: int = 0) -> Tensor:
    penalty = installed().penalty(name)
    return penalty.value(
        network, real, fake, torch.Generator().manual_seed(seed), penalty.options()
    )


@pytest.mark.parametrize("logits", [1, 4])
def test_values_on_a_quadratic_discriminator(logits: int) -> None:
    """Where grad D(x) = s x all three values follow by hand, however many logits there are."""
    real, fake = images()
    network = Quadratic(logits)
    square = 1.5**2
    r1 = square * real.flatten(1).square().sum(1).mean().item() / 2
    r2 = square * fake.flatten(1).square().sum(1).mean().item() / 2
    share = torch.rand(5, 1, 1, 1, generator=torch.Generator().manual_seed(0)).double()
    norms = 1.5 * (share * real + (1 - share) * fake).flatten(1).norm(dim=1)
    assert value("r1", network, real, fake).item() == pytest.approx(r1, rel=1e-12)
    assert value("r2", network, real, fake).item() == pytest.approx(r2, rel=1e-12)
    assert value("gp", network, real, fake).item() == pytest.approx(
        (norms - 1).square().mean().item(), rel=1e-12
    )


@pytest.mark.parametrize("name", NAMES)
def test_weights_get_the_derivative_of_the_value(name: str) -> None:
    """The gradient that reaches a weight equals a central difference of the value to 1e-7."""
    real, fake = images()
    network = Quadratic()
    torch.autograd.backward(value(name, network, real, fake))
    step = 1e-5
    ends = []
    for scale in (1.5 + step, 1.5 - step):
        network.scale.data.fill_(scale)
        ends.append(value(name, network, real, fake).item())
    assert network.scale.grad is not None
    expected = (ends[0] - ends[1]) / (2 * step)
    assert network.scale.grad.item() == pytest.approx(expected, rel=1e-7)


def test_gp_draws_a_point_for_each_input() -> None:
    """Another rng gives other mixtures: gp changes, r1 and r2 use no chance."""
    real, fake = images()
    network = Quadratic()
    for name, changes in (("gp", True), ("r1", False), ("r2", False)):
        one, two = (value(name, network, real, fake, seed).item() for seed in (0, 1))
        assert (one != two) == changes


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "backbone", [pacgan2.BACKBONE, dcgan.BACKBONE, selu_sn.BACKBONE], ids=lambda b: b.name
)
def test_every_discriminator_takes_every_penalty(backbone: Backbone, name: str) -> None:
    """Each built-in discriminator, packed by two, gets finite gradients from each penalty."""
    torch.manual_seed(0)
    network = backbone.discriminator(NetworkSpec(32, 1, 8, 2), backbone.options())
    real, fake = torch.rand(2, 6, 2, 32, 32) * 2 - 1
    torch.autograd.backward(value(name, network, real, fake))
    gradients = [w.grad for w in network.parameters() if w.grad is not None]
    assert any(g.any() for g in gradients)
    assert all(torch.isfinite(g).all() for g in gradients)


def test_default_weights() -> None:
    """gp starts at its paper's 10, r1 and r2 at gamma 1; all apply at every step."""
    options = {name: installed().penalty(name).options() for name in NAMES}
    assert {name: o.weight for name, o in options.items()} == {"gp": 10.0, "r1": 1.0, "r2": 1.0}
    assert {o.every for o in options.values()} == {1}


@pytest.mark.parametrize("name", NAMES)
def test_no_penalty_rewards_what_it_is_against(name: str) -> None:
    """A weight of 0 turns a penalty off; a negative one is refused."""
    options = installed().penalty(name).options
    assert options(weight=0).weight == 0
    with pytest.raises(ValidationError, match="weight"):
        options(weight=-0.1)
