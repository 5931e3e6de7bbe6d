"""A backbone whose generator paints half an image and mirrors it.

Shapes: B images, P images a pack, C channels, H height, W width, D latent size.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from lusgan_core.api import Backbone, NetworkSpec, Options


class MirrorOptions(Options):
    """Options of the mirror backbone; each shows up in the command line and in the form."""

    width: int = Field(32, ge=4, le=256, description="Channels of every hidden layer")


class MirrorRight(nn.Module):
    """Joins an image (B, C, H, W) and its mirror image on the right: (B, C, H, 2 W)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the symmetric image."""
        return torch.cat([x, x.flip(3)], dim=3)


def generator(spec: NetworkSpec, options: MirrorOptions) -> nn.Module:
    """Build the generator: noise (B, D) to symmetric images (B, C, H, W) in -1..1."""
    width = options.width
    layers: list[nn.Module] = [
        nn.Linear(spec.latent_size, width * 8),
        nn.Unflatten(1, (width, 4, 2)),
    ]
    side = 4
    while side < spec.image_size:
        layers += [nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
        side *= 2
    layers += [nn.Conv2d(width, spec.channels, 3, padding=1), nn.Tanh(), MirrorRight()]
    return nn.Sequential(*layers)


def discriminator(spec: NetworkSpec, options: MirrorOptions) -> nn.Module:
    """Build the discriminator: packed images (B / P, C x P, H, W) to logits (B / P, 1)."""
    width = options.width
    layers: list[nn.Module] = []
    channels, side = spec.channels * spec.pack, spec.image_size
    while side > 4:
        layers += [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        channels, side = width, side // 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * 16, 1))


MIRROR = Backbone(
    name="mirror",
    description="Paints half an image and mirrors it",
    generator=generator,
    discriminator=discriminator,
    options=MirrorOptions,
)
