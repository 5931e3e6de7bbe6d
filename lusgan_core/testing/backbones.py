"""The contract of a backbone: shapes, range, gradients, determinism, weights that can be saved.

Shapes: B images, P pack, C channels, H height, W width, D latent size, L logits an input.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from lusgan_core.api import Backbone, NetworkSpec, Options
from lusgan_core.errors import PluginError
from lusgan_core.testing.records import RecordContract
from lusgan_core.training.network_checks import check_network

SPECS = (
    NetworkSpec(image_size=32, channels=1, latent_size=8, pack=1),
    NetworkSpec(image_size=32, channels=3, latent_size=16, pack=3),
    NetworkSpec(image_size=64, channels=1, latent_size=100, pack=2),
    NetworkSpec(image_size=128, channels=3, latent_size=32, pack=1),
    NetworkSpec(image_size=256, channels=1, latent_size=128, pack=1),
)
"""Specs that between them have several sizes, channels, latent sizes and packs."""


SCORES = 4
"""Number of scores that a conditional backbone is built for."""
Networks = tuple[nn.Module, nn.Module]


class BackboneContract(RecordContract):
    """The tests of a backbone. Set ``record``; set the others for an unusual backbone.

    Networks of a conditional backbone are built for ``SCORES`` scores and given some.
    """

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

    def sizes(self) -> list[NetworkSpec]:
        """``specs``, with a number of scores where the backbone is conditional."""
        scores = SCORES if self.record.conditional else 0
        return [replace(spec, scores=spec.scores or scores) for spec in self.specs]

    def images(
        self, generator: nn.Module, z: Tensor, spec: NetworkSpec, score: int | None = None
    ) -> Tensor:
        """Generate images.

        Args:
            generator: A generator.
            z: Noise, (B, D).
            spec: Spec that it was built for.
            score: The score of all of them, for a conditional one; None: one pack after the other
                has the next score.

        Returns:
            Images (B, C, H, W).
        """
        made: Tensor = generator(z, *given_scores(spec, len(z), spec.pack, score))
        return made

    def logits(
        self, discriminator: nn.Module, packs: Tensor, spec: NetworkSpec, score: int | None = None
    ) -> Tensor:
        """Judge packed images.

        Args:
            discriminator: A discriminator.
            packs: Packs, (B / P, C x P, H, W).
            spec: Spec that it was built for.
            score: As in ``images``.

        Returns:
            Logits (B / P, L).
        """
        made: Tensor = discriminator(packs, *given_scores(spec, len(packs), 1, score))
        return made

    def networks(
        self, spec: NetworkSpec, seed: int = 0, options: Options | None = None
    ) -> Networks:
        """Build both networks after seeding torch.

        Args:
            spec: Sizes that the networks must fit.
            seed: Seed of torch's global random state, from which the weights are drawn.
            options: Options to build with; None for ``record_options``, or the defaults.

        Returns:
            The generator and the discriminator, in training mode.
        """
        options = options or self.record_options or self.record.options()
        torch.manual_seed(seed)
        return self.record.generator(spec, options), self.record.discriminator(spec, options)

    def test_default_pack_is_a_number_of_images(self) -> None:
        """The default of training.pack is at least 1."""
        assert self.record.pack >= 1, f"pack is {self.record.pack}, expected at least 1"

    def test_images_and_logits_have_the_promised_shapes(self) -> None:
        """Noise (B, D) gives images (B, C, H, W); packs of them give logits (B / P, L)."""
        for spec in self.sizes():
            generator, discriminator = self.networks(spec)
            with torch.no_grad():
                images = self.images(generator, noise(spec, 2 * spec.pack), spec)
            side = spec.image_size
            expected = (2 * spec.pack, spec.channels, side, side)
            assert images.shape == expected, f"{spec}: images {tuple(images.shape)} != {expected}"
            assert images.dtype == torch.float32, f"{spec}: images are {images.dtype}"
            with torch.no_grad():
                logits = self.logits(discriminator, packed(images, spec), spec)
            assert logits.ndim == 2, f"{spec}: logits {tuple(logits.shape)}, expected (N, L)"
            assert len(logits) == 2, f"{spec}: {len(logits)} rows of logits for 2 packs"

    def test_images_stay_in_range(self) -> None:
        """Even for noise far from usual no value leaves the range."""
        if self.image_range is None:
            return
        spec = self.sizes()[0]
        generator, _ = self.networks(spec)
        images = self.images(generator, 10 * noise(spec, 16), spec)
        low, high = self.image_range
        assert torch.isfinite(images).all(), "generated images are not finite"
        assert images.min() >= low, f"image value {images.min():.3f} below {low}"
        assert images.max() <= high, f"image value {images.max():.3f} above {high}"

    def test_noise_decides_the_image(self) -> None:
        """Other noise gives another image."""
        spec = self.sizes()[0]
        generator, _ = self.networks(spec)
        images = self.images(generator.eval(), noise(spec, 2), spec, score=0)
        assert not torch.equal(images[0], images[1]), "two noise vectors give the same image"

    def test_scores_decide_image_and_logits(self) -> None:
        """Every score up to the last gives another image of the same noise, and other logits."""
        if not self.record.conditional:
            return
        for spec in self.sizes()[:2]:
            generator, discriminator = (network.eval() for network in self.networks(spec))
            z = noise(spec, spec.pack)
            images = [self.images(generator, z, spec, score) for score in range(spec.scores)]
            packs = packed(images[0], spec)
            logits = [
                self.logits(discriminator, packs, spec, score) for score in range(spec.scores)
            ]
            for title, made in (("generator", images), ("discriminator", logits)):
                for score in range(1, spec.scores):
                    assert not torch.equal(made[0], made[score]), (
                        f"{spec}: the {title} makes the same of scores 0 and {score}"
                    )

    def test_every_image_of_a_pack_counts(self) -> None:
        """Changing any one image of a pack changes the logits."""
        for spec in self.sizes()[:3]:
            _, discriminator = self.networks(spec)
            discriminator.eval()
            torch.manual_seed(1)
            images = torch.rand(spec.pack, spec.channels, spec.image_size, spec.image_size)
            before = self.logits(discriminator, packed(images, spec), spec)
            for i in range(spec.pack):
                changed = images.clone()
                changed[i] = -changed[i]
                after = self.logits(discriminator, packed(changed, spec), spec)
                assert not torch.equal(before, after), f"{spec}: image {i} of a pack is ignored"

    def test_gradients_reach_every_weight(self) -> None:
        """A generator step trains all of the generator, a discriminator step all of the other;
        weights that the backbone has frozen are left out."""
        for spec in self.sizes()[:2]:
            generator, discriminator = self.networks(spec)
            images = self.images(generator, noise(spec, 8 * spec.pack), spec)
            logits = self.logits(discriminator, packed(images, spec), spec)
            torch.autograd.backward(logits.sin().sum())
            for title, network in (("generator", generator), ("discriminator", discriminator)):
                check_gradients(title, network)

    def test_gradient_penalties_work(self) -> None:
        """The discriminator can be differentiated twice, as r1, r2 and gp need."""
        spec = self.sizes()[0]
        _, discriminator = self.networks(spec)
        side = spec.image_size
        images = torch.rand(4, spec.channels * spec.pack, side, side, requires_grad=True)
        logits = self.logits(discriminator, images, spec)
        (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
        assert gradient.requires_grad, "a gradient penalty reaches no weight: no second derivative"
        torch.autograd.backward(gradient.square().sum())
        weights = [w.grad for w in discriminator.parameters() if w.grad is not None]
        assert all(torch.isfinite(g).all() for g in weights), "a penalty's gradient is not finite"

    def test_same_seed_gives_same_weights(self) -> None:
        """First weights come from torch's random state and from nothing else."""
        first, again, other = (self.networks(self.sizes()[0], seed) for seed in (7, 7, 8))
        for title, one, two, three in zip(
            ("generator", "discriminator"), first, again, other, strict=True
        ):
            assert same_state(one, two), f"{title}: the same seed gave other weights"
            assert not same_state(one, three), f"{title}: another seed gave the same weights"

    def test_generator_is_deterministic_in_eval_mode(self) -> None:
        """In eval mode an image depends on its noise alone: not on chance, not on its batch."""
        spec = self.sizes()[0]
        generator, _ = self.networks(spec)
        self.images(generator, noise(spec, 8), spec)  # lets running statistics move
        generator.eval()
        z = noise(spec, 4, seed=3)
        images = self.images(generator, z, spec)
        assert torch.equal(images, self.images(generator, z, spec)), "two calls in eval mode differ"
        alone = self.images(generator, z[:1], spec)
        torch.testing.assert_close(alone, images[:1], rtol=1e-4, atol=1e-4)

    def test_weights_can_be_saved_and_copied(self) -> None:
        """Checkpoints hold all that matters, and the moving average can copy the generator."""
        spec = self.sizes()[0]
        first, other = self.networks(spec, seed=1), self.networks(spec, seed=2)
        for title, network in zip(("generator", "discriminator"), first, strict=True):
            try:
                check_network(self.record.name, title, network)
            except PluginError as error:
                raise AssertionError(str(error)) from error
        for one, two in zip(first, other, strict=True):
            two.load_state_dict(one.state_dict())
        z = noise(spec, 2 * spec.pack)
        images = self.images(first[0].eval(), z, spec)
        for copied in (other[0], copy.deepcopy(first[0])):
            assert torch.equal(images, self.images(copied.eval(), z, spec)), (
                "a generator with the same state_dict, or a copy, gives other images"
            )
        judged = [
            self.logits(pair[1].eval(), packed(images, spec), spec) for pair in (first, other)
        ]
        assert torch.equal(*judged), "a discriminator with the same state_dict gives other logits"

    def test_a_training_resumes_exactly(self) -> None:
        """Trained, saved, built anew, loaded and trained on, networks end in the same bits: what
        they carry from step to step is in weights and buffers, and nowhere else."""
        spec = self.sizes()[0]
        straight, resumed = self.networks(spec, seed=1), self.networks(spec, seed=2)
        self.train(straight, spec, range(3))
        for one, two in zip(straight, resumed, strict=True):
            two.load_state_dict(one.state_dict())
        for networks in (straight, resumed):
            self.train(networks, spec, range(3, 6))
        for title, one, two in zip(("generator", "discriminator"), straight, resumed, strict=True):
            assert same_state(one, two), (
                f"the {title} was saved, built anew and trained on, and has other weights than one "
                "that was trained without a break: it keeps something outside of its state_dict "
                "(a plain attribute that counts or remembers); make it a buffer"
            )

    def test_every_option_counts(self) -> None:
        """Each switch, choice and number among the options changes the weights, or what networks
        that are in training make of the same input."""
        spec = self.sizes()[0]

        def made(options: Options) -> list[tuple[tuple[int, ...], bytes]]:
            networks = self.networks(spec, options=options)
            images = self.images(networks[0], noise(spec, 8 * spec.pack), spec)
            logits = self.logits(networks[1], packed(images, spec), spec)
            weights = [w for network in networks for w in network.state_dict().values()]
            return [
                (tuple(t.shape), t.detach().numpy().tobytes()) for t in (*weights, images, logits)
            ]

        self.check_options(made, "network")

    def train(self, networks: Networks, spec: NetworkSpec, steps: Iterable[int]) -> None:
        """Train both networks a little, by steps of plain descent.

        Args:
            networks: Generator and discriminator; changed in place.
            spec: Spec that they were built for.
            steps: Numbers of the steps; each draws its own noise.
        """
        for step in steps:
            torch.manual_seed(step)  # of dropout
            images = self.images(networks[0], noise(spec, 8 * spec.pack, seed=step), spec)
            logits = self.logits(networks[1], packed(images, spec), spec)
            torch.autograd.backward(logits.sin().mean())
            with torch.no_grad():
                for network in networks:
                    for weight in network.parameters():
                        if weight.grad is not None:
                            weight.sub_(0.01 * weight.grad)
                            weight.grad = None


def given_scores(
    spec: NetworkSpec, count: int, together: int, score: int | None
) -> tuple[Tensor, ...]:
    """Scores as networks take them after their input; none where the spec has none.

    Args:
        spec: Spec with the number of scores.
        count: Number of inputs.
        together: Inputs that share a score, one after the other.
        score: The score of all; None: each score in turn.

    Returns:
        A tuple of no tensor, or of one (count,) int64.
    """
    if not spec.scores:
        return ()
    if score is not None:
        return (torch.full((count,), score),)
    return (torch.arange(count) // together % spec.scores,)


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
    """Check that every trained weight has a finite gradient, and that not all of them are zero.

    Args:
        title: Name of the network in messages.
        network: Network after a backward pass.

    Raises:
        AssertionError: A gradient is missing or not finite, or all are zero.
    """
    moved = False
    for name, weight in network.named_parameters():
        if not weight.requires_grad:
            continue
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
