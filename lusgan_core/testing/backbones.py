"""The contract of a backbone: shapes, range, gradients, determinism.

Shapes: B images, P pack, C channels, H height, W width, D latent size, L logits an input.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lusgan_core.api import Backbone, NetworkSpec, Options
from lusgan_core.testing.records import RecordContract

SPECS = (
    NetworkSpec(image_size=32, channels=1, latent_size=8, pack=1),
    NetworkSpec(image_size=32, channels=3, latent_size=16, pack=3),
    NetworkSpec(image_size=64, channels=1, latent_size=100, pack=2),
    NetworkSpec(image_size=128, channels=3, latent_size=32, pack=1),
    NetworkSpec(image_size=256, channels=1, latent_size=128, pack=1),
)
"""Specs that between them have several sizes, channels, latent sizes and packs."""


class BackboneContract(RecordContract):
    """The tests of a backbone. Set ``record``; set the others for an unusual backbone."""

    record: Backbone
    specs: tuple[NetworkSpec, ...] = SPECS
    """What the networks must fit; the first one is used where size does not matter."""
    image_range: tuple[float, float] | None = (-1.0, 1.0)
    """Range of generated values; None for an output without limits."""
    record_options: Options | None = None
    """Options to build with; None for the defaults."""

    def functions(self) -> dict[str, Callable[..., Any]]:
        """Both factories."""
        return {"generator": self.record.generator, "discriminator": self.record.discriminator}

    def networks(self, spec: NetworkSpec, seed: int = 0) -> tuple[nn.Module, nn.Module]:
        """Build both networks after seeding torch.

        Args:
            spec: Sizes that the networks must fit.
            seed: Seed of torch's global random state, from which the weights are drawn.

        Returns:
            The generator and the discriminator, in training mode.
        """
        options = self.record_options or self.record.options()
        torch.manual_seed(seed)
        return self.record.generator(spec, options), self.record.discriminator(spec, options)

    def test_default_pack_is_a_number_of_images(self) -> None:
        """The default of training.pack is at least 1."""
        assert self.record.pack >= 1, f"pack is {self.record.pack}, expected at least 1"

    def test_images_and_logits_have_the_promised_shapes(self) -> None:
        """Noise (B, D) gives images (B, C, H, W); packs of them give logits (B / P, L)."""
        for spec in self.specs:
            generator, discriminator = self.networks(spec)
            with torch.no_grad():
                images = generator(noise(spec, 2 * spec.pack))
            side = spec.image_size
            expected = (2 * spec.pack, spec.channels, side, side)
            assert images.shape == expected, f"{spec}: images {tuple(images.shape)} != {expected}"
            assert images.dtype == torch.float32, f"{spec}: images are {images.dtype}"
            with torch.no_grad():
                logits = discriminator(packed(images, spec))
            assert logits.ndim == 2, f"{spec}: logits {tuple(logits.shape)}, expected (N, L)"
            assert len(logits) == 2, f"{spec}: {len(logits)} rows of logits for 2 packs"

    def test_images_stay_in_range(self) -> None:
        """Even for noise far from usual no value leaves the range."""
        if self.image_range is None:
            return
        generator, _ = self.networks(self.specs[0])
        images = generator(10 * noise(self.specs[0], 16))
        low, high = self.image_range
        assert torch.isfinite(images).all(), "generated images are not finite"
        assert images.min() >= low, f"image value {images.min():.3f} below {low}"
        assert images.max() <= high, f"image value {images.max():.3f} above {high}"

    def test_noise_decides_the_image(self) -> None:
        """Other noise gives another image."""
        generator, _ = self.networks(self.specs[0])
        images = generator.eval()(noise(self.specs[0], 2))
        assert not torch.equal(images[0], images[1]), "two noise vectors give the same image"

    def test_every_image_of_a_pack_counts(self) -> None:
        """Changing any one image of a pack changes the logits."""
        for spec in self.specs[:3]:
            _, discriminator = self.networks(spec)
            discriminator.eval()
            torch.manual_seed(1)
            images = torch.rand(spec.pack, spec.channels, spec.image_size, spec.image_size)
            before = discriminator(packed(images, spec))
            for i in range(spec.pack):
                changed = images.clone()
                changed[i] = -changed[i]
                after = discriminator(packed(changed, spec))
                assert not torch.equal(before, after), f"{spec}: image {i} of a pack is ignored"

    def test_gradients_reach_every_weight(self) -> None:
        """A generator step trains all of the generator, a discriminator step all of the other."""
        for spec in self.specs[:2]:
            generator, discriminator = self.networks(spec)
            logits = discriminator(packed(generator(noise(spec, 8 * spec.pack)), spec))
            torch.autograd.backward(logits.sin().sum())
            for title, network in (("generator", generator), ("discriminator", discriminator)):
                check_gradients(title, network)

    def test_gradient_penalties_work(self) -> None:
        """The discriminator can be differentiated twice, as r1, r2 and gp need."""
        spec = self.specs[0]
        _, discriminator = self.networks(spec)
        side = spec.image_size
        images = torch.rand(4, spec.channels * spec.pack, side, side, requires_grad=True)
        (gradient,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
        assert gradient.requires_grad, "a gradient penalty reaches no weight: no second derivative"
        torch.autograd.backward(gradient.square().sum())
        weights = [w.grad for w in discriminator.parameters() if w.grad is not None]
        assert all(torch.isfinite(g).all() for g in weights), "a penalty's gradient is not finite"

    def test_same_seed_gives_same_weights(self) -> None:
        """First weights come from torch's random state and from nothing else."""
        first, again, other = (self.networks(self.specs[0], seed) for seed in (7, 7, 8))
        for title, one, two, three in zip(
            ("generator", "discriminator"), first, again, other, strict=True
        ):
            assert same_state(one, two), f"{title}: the same seed gave other weights"
            assert not same_state(one, three), f"{title}: another seed gave the same weights"

    def test_generator_is_deterministic_in_eval_mode(self) -> None:
        """In eval mode an image depends on its noise alone: not on chance, not on its batch."""
        spec = self.specs[0]
        generator, _ = self.networks(spec)
        generator(noise(spec, 8))  # lets running statistics move
        generator.eval()
        z = noise(spec, 4, seed=3)
        images = generator(z)
        assert torch.equal(images, generator(z)), "two calls in eval mode differ"
        torch.testing.assert_close(generator(z[:1]), images[:1], rtol=1e-4, atol=1e-4)

    def test_weights_can_be_saved_and_copied(self) -> None:
        """Checkpoints hold all that matters, and the moving average can copy the generator."""
        spec = self.specs[0]
        first, other = self.networks(spec, seed=1), self.networks(spec, seed=2)
        for one, two in zip(first, other, strict=True):
            two.load_state_dict(one.state_dict())
        images = noise(spec, 2 * spec.pack)
        for one, two in ((first[0], other[0]), (first[0], copy.deepcopy(first[0]))):
            assert torch.equal(one.eval()(images), two.eval()(images)), (
                "a generator with the same state_dict, or a copy, gives other images"
            )
        batch = packed(first[0](images), spec)
        assert torch.equal(first[1].eval()(batch), other[1].eval()(batch)), (
            "a discriminator with the same state_dict gives other logits"
        )


def noise(spec: NetworkSpec, images: int, seed: int = 0) -> Tensor:
    """Draw standard normal noise.

    Args:
        spec: Spec with the latent size D.
        images: Number of noise vectors, B.
        seed: Seed of the noise; torch's global random state is left alone.

    Returns:
        Noise (B, D) float32 on the CPU.
    """
    return torch.randn(images, spec.latent_size, generator=torch.Generator().manual_seed(seed))


def packed(images: Tensor, spec: NetworkSpec) -> Tensor:
    """Stack every P images as channels.

    Args:
        images: Images (B, C, H, W), P of which make a pack; P divides B.
        spec: Spec with P, C and the image size.

    Returns:
        Packs (B / P, C x P, H, W).
    """
    return images.reshape(-1, spec.channels * spec.pack, spec.image_size, spec.image_size)


def check_gradients(title: str, network: nn.Module) -> None:
    """Check that every weight has a finite gradient, and that not all of them are zero.

    Args:
        title: Name of the network in messages.
        network: Network after a backward pass.

    Raises:
        AssertionError: A gradient is missing or not finite, or all are zero.
    """
    moved = False
    for name, weight in network.named_parameters():
        assert weight.grad is not None, f"{title}: no gradient reaches {name}"
        assert torch.isfinite(weight.grad).all(), f"{title}: the gradient of {name} is not finite"
        moved = moved or bool(weight.grad.any())
    assert moved, f"{title}: every gradient is zero"


def same_state(one: nn.Module, two: nn.Module) -> bool:
    """Whether two networks have equal weights and buffers.

    Args:
        one: A network.
        two: Another network.

    Returns:
        True if names and values of all weights and buffers are equal.
    """
    a, b = one.state_dict(), two.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
