"""The networks of the report's Figure 1: a wide generator and a small discriminator of pairs.

The discriminator sees two images at once, stacked as channels (PacGAN, Lin et al. 2017), which
reveals a generator that makes the same image again and again. At 256 x 256 the networks are those
of the figure, layer by layer, with two remarks:

- In the figure the generator ends in 32->16 channels. Images have one or three, so here its last
  layer makes as many.
- The text has a dropout after each block of the generator, the figure has none. Here the figure is
  followed; the option ``dropout`` gives the text's.

At other sizes layers next to the image are left out or added. The generator starts at 4 x 4 with
1024 channels and halves them with each doubling, whatever the size; the discriminator always ends
in ...-64-32-16-1 with 2 x 2 logits, so at 64 x 64 it is 128-64-32-16-1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lusgan_backbones.options import GeneratorOptions, doublings
from lusgan_core.api import Backbone, NetworkSpec

if TYPE_CHECKING:
    from torch import nn

GENERATOR_WIDTHS = (1024, 512, 256, 128, 64, 32, 16)
"""Channels at 4, 8 ... 256 pixels; the image follows one doubling after the last one used."""

DISCRIMINATOR_WIDTHS = (16, 32, 64, 128, 64, 32, 16)
"""Channels of the hidden layers at 512 x 512; a smaller image starts further along."""


class PacGan2Options(GeneratorOptions):
    """Options of the report's Figure 1 networks."""


def generator(spec: NetworkSpec, options: PacGan2Options) -> nn.Module:
    """Build the generator, in training mode, with its first weights drawn.

    Args:
        spec: Image size, channels and latent size; ``pack`` is not used.
        options: Dropout and noise of its blocks.

    Returns:
        A module from noise (B, D) to images (B, C, H, W) in -1..1.
    """
    from lusgan_backbones.blocks import initialise_dcgan, transposed_generator

    network = transposed_generator(spec, GENERATOR_WIDTHS[: doublings(spec)], options)
    initialise_dcgan(network)
    return network


def discriminator(spec: NetworkSpec, options: PacGan2Options) -> nn.Module:
    """Build the discriminator, in training mode, with its first weights drawn.

    Args:
        spec: Image size, channels and pack; ``latent_size`` is not used.
        options: Not used: the discriminator has none.

    Returns:
        A module from packed images (B / P, C x P, H, W) to raw logits (B / P, 4), from 2 x 2 places
        of the image.
    """
    from torch import nn

    from lusgan_backbones.blocks import initialise_dcgan, strided_layers

    hidden = doublings(spec, start=2) - 1  # the layer that makes the logits halves once more
    widths = DISCRIMINATOR_WIDTHS[-hidden:]
    network = nn.Sequential(
        *strided_layers(spec, widths),
        nn.Conv2d(widths[-1], 1, 4, 2, 1, bias=False),
        nn.Flatten(),
    )
    initialise_dcgan(network)
    return network


BACKBONE = Backbone(
    name="pacgan2",
    version="1",
    description="The report's Figure 1: a DCGAN generator, a 0.34M discriminator of image pairs",
    generator=generator,
    discriminator=discriminator,
    options=PacGan2Options,
    pack=2,
)
