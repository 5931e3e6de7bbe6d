"""The contract of a gradient penalty.

Shapes: N inputs of the discriminator (packs), C x P channels, H height, W width, L logits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lusgan_core.api import Penalty, PenaltyOptions
from lusgan_core.testing.records import RecordContract


class PenaltyContract(RecordContract):
    """The tests of a gradient penalty. Set ``record``."""

    record: Penalty

    def functions(self) -> dict[str, Callable[..., Any]]:
        """The penalty's value."""
        return {"value": self.record.value}

    def value(
        self, network: nn.Module, real: Tensor, fake: Tensor, seed: int = 0, **options: Any
    ) -> Tensor:
        """Compute the penalty.

        Args:
            network: The discriminator.
            real: Packs of real images, (N, C x P, H, W).
            fake: Packs of synthetic images, (N, C x P, H, W).
            seed: Seed of the random generator that the penalty is given.
            **options: Options of the penalty; those not given have their defaults.

        Returns:
            A scalar, not yet weighted.
        """
        rng = torch.Generator().manual_seed(seed)
        return self.record.value(network, real, fake, rng, self.record.options(**options))

    def test_options_have_weight_and_interval(self) -> None:
        """Every penalty can be weighted, and applied in some steps only."""
        assert issubclass(self.record.options, PenaltyOptions), (
            f"{self.record.name}: its options do not derive from api.PenaltyOptions"
        )

    def test_value_is_a_finite_scalar(self) -> None:
        """One number, with batch norm and without, for packed images, one logit or several."""
        for network in discriminators():
            value = self.value(network, *images())
            assert value.shape == (), f"shape {tuple(value.shape)}, expected a scalar"
            assert torch.isfinite(value), f"value {value}"

    def test_gradients_reach_the_discriminator(self) -> None:
        """The value keeps its graph, so that ``backward`` trains the weights."""
        for network in discriminators():
            value = self.value(network, *images())
            assert value.requires_grad, f"{self.record.name}: value without a graph"
            torch.autograd.backward(value)
            gradients = [w.grad for w in network.parameters() if w.grad is not None]
            assert any(g.any() for g in gradients), f"{self.record.name} trains no weight"
            assert all(torch.isfinite(g).all() for g in gradients), "a gradient is not finite"

    def test_leaves_no_trace(self) -> None:
        """Computing it changes neither its inputs nor the gradients of weights."""
        for network in discriminators():
            real, fake = images()
            before = real.clone(), fake.clone()
            self.value(network, real, fake)
            assert torch.equal(real, before[0]), "the real images were changed"
            assert torch.equal(fake, before[1]), "the fake images were changed"
            for title, tensor in (("real", real), ("fake", fake)):
                assert not tensor.requires_grad, f"the {title} images now require gradients"
            assert all(w.grad is None for w in network.parameters()), (
                f"{self.record.name} left gradients in the weights: do not call backward"
            )

    def test_does_not_train_the_generator(self) -> None:
        """No gradient flows into the fake images: the penalty is the discriminator's."""
        real, fake = images()
        source = fake.requires_grad_()
        torch.autograd.backward(self.value(discriminators()[0], real, source * 1))
        assert source.grad is None, f"{self.record.name}: its gradient reaches the fake images"

    def test_chance_comes_from_the_given_generator_alone(self) -> None:
        """The same ``rng`` gives the same value, and torch's own random state stays put."""
        network = discriminators()[0]
        state = torch.get_rng_state()
        one, two = (self.value(network, *images(), seed=5) for _ in range(2))
        assert torch.equal(one, two), f"{self.record.name}: the same rng gave two values"
        assert torch.equal(state, torch.get_rng_state()), (
            f"{self.record.name} draws from torch's global random state: use rng"
        )

    def test_value_is_unweighted(self) -> None:
        """The training loop applies ``weight`` and ``every``; the value must not."""
        network = discriminators()[0]
        one = self.value(network, *images(), weight=1.0, every=1)
        two = self.value(network, *images(), weight=7.0, every=4)
        torch.testing.assert_close(one, two, msg=f"{self.record.name} applies weight or every")

    def test_every_option_counts(self) -> None:
        """Each switch, choice and number among the options changes the value; ``weight`` and
        ``every`` are the training loop's."""

        def values(options: PenaltyOptions) -> list[float]:
            own = {name: getattr(options, name) for name in type(options).model_fields}
            return [self.value(d, *images(), **own).item() for d in discriminators()]

        self.check_options(values, "value", idle=PenaltyOptions.model_fields)


def images() -> tuple[Tensor, Tensor]:
    """Real and fake packs of two grey images (4, 2, 16, 16), in -1..1."""
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.rand((2, 4, 2, 16, 16), generator=rng) * 2 - 1
    return real, fake


def discriminators() -> list[nn.Module]:
    """Two small networks: plain with one logit, and with batch norm and four logits."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        plain = nn.Sequential(
            nn.Conv2d(2, 8, 4, 4), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(8 * 4 * 4, 1)
        )
        normed = nn.Sequential(
            nn.Conv2d(2, 8, 4, 4),
            nn.BatchNorm2d(8),
            nn.LeakyReLU(0.2),
            nn.Conv2d(8, 1, 2, 2),
            nn.Flatten(),
        )
    return [plain, normed]
