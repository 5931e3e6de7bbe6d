"""The networks of the code behind the report: a DCGAN whose discriminator sees single images.

At 256 x 256 and with the default options these are its generator (1024-512-256-128-64-32, dropout
0.5 after each block) and its discriminator (32-64-128-256-512-1024-1, batch norm from the 128
layer on, 11.2 million weights for grey images).

``width`` is the number of channels next to the image. It doubles with each halving of the side, up
to 32 times, in both networks; so at 64 x 64 they have 32-64-128-256. Small widths without dropout
and without batch norm in the discriminator train well on a CPU.

Layers that batch norm follows start with the code's weights, normal(0, 0.02). Where none follows
these are too small: in a discriminator without batch norm a signal shrinks to a fifth in each
layer, and it needs hundreds of steps to tell anything apart. Those layers start with He's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lusgan_backbones.options import GeneratorOptions, doublings
from lusgan_core.api import Backbone, NetworkSpec

if TYPE_CHECKING:
    from torch import nn

GROWTH = 32
"""The widest layer has this many times the channels of the one next to the image."""


class DcganOptions(GeneratorOptions):
    """Options of the DCGAN."""

    dropout: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="Share of channels dropped after each block of the generator, in training only",
    )
    width: int = Field(
        32,
        ge=4,
        le=256,
        description="Channels next to the image; they double with each halving, up to 32 times",
    )
    generator_norm: Literal["batch", "none"] = Field(
        "batch", description="Normalisation in the generator"
    )
    discriminator_norm: Literal["batch", "none"] = Field(
        "batch",
        description="Normalisation in the discriminator; none goes better with a gradient penalty",
    )


def widths_from_image(spec: NetworkSpec, options: DcganOptions) -> list[int]:
    """Channels of the layers between the image and 4 x 4 pixels.

    Args:
        spec: Gives the image size.
        options: ``width``, the channels next to the image; they double up to ``GROWTH`` times that.

    Returns:
        Channels at half the side of the image, at a quarter, ... down to 4 pixels.
    """
    return [options.width * min(2**i, GROWTH) for i in range(doublings(spec))]


def generator(spec: NetworkSpec, options: DcganOptions) -> nn.Module:
    """Build the generator, in training mode, with its first weights drawn.

    Args:
        spec: Image size, channels and latent size; ``pack`` is not used.
        options: Its widths, dropout, noise and normalisation.

    Returns:
        A module from noise (B, D) to images (B, C, H, W) in -1..1.
    """
    from lusgan_backbones.blocks import initialise_fitting, transposed_generator

    network = transposed_generator(
        spec,
        widths_from_image(spec, options)[::-1],
        options,
        batch_norm=options.generator_norm == "batch",
    )
    initialise_fitting(network)
    return network


def discriminator(spec: NetworkSpec, options: DcganOptions) -> nn.Module:
    """Build the discriminator, in training mode, with its first weights drawn.

    Args:
        spec: Image size, channels and pack; ``latent_size`` is not used.
        options: Its widths and normalisation.

    Returns:
        A module from packed images (B / P, C x P, H, W) to raw logits (B / P, 1).
    """
    from torch import nn

    from lusgan_backbones.blocks import initialise_fitting, strided_layers

    widths = widths_from_image(spec, options)
    network = nn.Sequential(
        *strided_layers(spec, widths, batch_norm=options.discriminator_norm == "batch"),
        nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False),
        nn.Flatten(),
    )
    initialise_fitting(network)
    return network


BACKBONE = Backbone(
    name="dcgan",
    version="2",
    description="The DCGAN of the report's code, unpacked, 11.2M discriminator; any width",
    generator=generator,
    discriminator=discriminator,
    options=DcganOptions,
)
