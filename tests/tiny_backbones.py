"""Backbones of a few dense layers, for tests: one that is right, and ways to break it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from lusgan_core.api import Backbone, NetworkSpec


def generator(spec: NetworkSpec, options: Any) -> nn.Sequential:
    """Build a generator of two layers."""
    shape = (spec.channels, spec.image_size, spec.image_size)
    pixels = spec.channels * spec.image_size**2
    return nn.Sequential(
        nn.Linear(spec.latent_size, 8), nn.ReLU(), nn.Linear(8, pixels), nn.Tanh(),
        nn.Unflatten(1, shape),
    )  # fmt: skip


def discriminator(spec: NetworkSpec, options: Any) -> nn.Sequential:
    """Build a discriminator of two layers."""
    pixels = spec.pack * spec.channels * spec.image_size**2
    return nn.Sequential(
        nn.Flatten(), nn.Linear(pixels, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1)
    )  # fmt: skip


DENSE = Backbone("dense", "Dense layers", generator, discriminator)


def dense(**changes: Callable[[NetworkSpec, Any], nn.Module]) -> Backbone:
    """Return the backbone with another generator or discriminator."""
    return replace(DENSE, **changes)


class ConditionalGenerator(nn.Module):
    """The generator above, on noise that is moved by the score."""

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.moved = nn.Embedding(spec.scores, spec.latent_size)
        self.layers = generator(spec, None)

    def forward(self, noise: Tensor, scores: Tensor) -> Tensor:
        """Paint images of the scores."""
        images: Tensor = self.layers(noise + self.moved(scores))
        return images


class ConditionalDiscriminator(nn.Module):
    """The discriminator above, and a projection of its features on the score."""

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.features = discriminator(spec, None)[:-1]
        self.judge = nn.Linear(8, 1)
        self.projection = nn.Embedding(spec.scores, 8)

    def forward(self, packs: Tensor, scores: Tensor) -> Tensor:
        """Judge packs of the scores."""
        features = self.features(packs)
        fits = (features * self.projection(scores)).sum(1, keepdim=True)
        logits: Tensor = self.judge(features) + fits
        return logits


def conditional_generator(spec: NetworkSpec, options: Any) -> nn.Module:
    """Build a generator that takes scores."""
    return ConditionalGenerator(spec)


def conditional_discriminator(spec: NetworkSpec, options: Any) -> nn.Module:
    """Build a discriminator that takes scores."""
    return ConditionalDiscriminator(spec)


CONDITIONAL = Backbone(
    "conditional", "Dense layers and scores", conditional_generator, conditional_discriminator,
    conditional=True,
)  # fmt: skip


class Tied(nn.Module):
    """Paints twice by one and the same layer, of which it keeps two names."""

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.layers = generator(spec, None)
        self.once = nn.Linear(spec.latent_size, spec.latent_size)
        self.twice = self.once
        self.tied = nn.Linear(spec.latent_size, spec.latent_size)
        self.tied.weight = self.once.weight

    def forward(self, noise: Tensor) -> Tensor:
        """Paint images."""
        images: Tensor = self.layers(self.tied(self.twice(self.once(noise))))
        return images


class Counting(nn.Module):
    """Grows brighter from call to call, and remembers the calls outside of its weights."""

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.layers = generator(spec, None)
        self.calls = 0

    def forward(self, noise: Tensor) -> Tensor:
        """Paint images."""
        self.calls += self.training
        images: Tensor = self.layers(noise * (1 + 0.1 * self.calls))
        return images


class Extra(nn.Sequential):
    """Keeps a table in its state_dict that no file of tensors can hold."""

    def get_extra_state(self) -> dict[str, int]:
        """Return what is no tensor."""
        return {"calls": 3}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Take it back."""


def sparse(network: nn.Sequential) -> nn.Sequential:
    """Give a network a buffer that no file can hold."""
    network.register_buffer("graph", torch.eye(3).to_sparse())
    return network


def expanded(network: nn.Sequential) -> nn.Sequential:
    """Give a network a buffer that can be written, and not be loaded into."""
    network.register_buffer("ones", torch.ones(1).expand(3))
    return network
