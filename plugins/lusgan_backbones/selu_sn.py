"""The report's "improved" pair, corrected: SELU, nearest upsampling, spectral norm.

Its author proposed these networks and could not train them, for two reasons: they ignored the
latent and image size, and their normal(0, 0.02) first weights suit neither SELU, which keeps unit
variance only with LeCun's (Klambauer et al., arXiv 1706.02515), nor a layer under spectral norm
(Miyato et al., arXiv 1802.05957), where they were silently overwritten. Here sizes are followed,
weights are LeCun normal, and they are drawn before spectral norm is applied.

The source has 128 channels next to the image and 4096 at 4 x 4 pixels (``width=128,
max_width=4096``), too many for its author's GPU. The defaults are smaller.

The first layer of the generator is dense, which is what a transposed convolution of a 1 x 1 input
is; this way its fan-in is the latent size and LeCun's rule holds.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from pydantic import Field

from lusgan_backbones.options import GeneratorOptions, doublings
from lusgan_core.api import Backbone, NetworkSpec

if TYPE_CHECKING:
    from torch import nn


class SeluSnOptions(GeneratorOptions):
    """Options of the SELU and spectral norm pair."""

    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of channels dropped after each block of the generator, in training "
        "only; done the way that keeps SELU's mean and variance",
    )
    width: int = Field(
        64,
        ge=4,
        le=256,
        description="Channels next to the image; they double with each halving of the side",
    )
    max_width: int = Field(512, ge=4, le=4096, description="No layer has more channels than this")


def widths_from_image(spec: NetworkSpec, options: SeluSnOptions) -> list[int]:
    """Channels of the layers between the image and 4 x 4 pixels.

    Args:
        spec: Gives the image size.
        options: ``width``, the channels next to the image, and ``max_width``, where doubling ends.

    Returns:
        Channels at half the side of the image, at a quarter, ... down to 4 pixels.
    """
    return [min(options.width * 2**i, options.max_width) for i in range(doublings(spec))]


def selu_block(options: SeluSnOptions) -> list[nn.Module]:
    """Return the activation of a generator block and, where asked for, dropout and noise."""
    from torch import nn

    from lusgan_backbones.blocks import GaussianNoise

    layers: list[nn.Module] = [nn.SELU()]
    if options.dropout:
        layers.append(nn.FeatureAlphaDropout(options.dropout))
    if options.noise:
        layers.append(GaussianNoise(options.noise))
    return layers


def initialise_lecun(network: nn.Module) -> None:
    """Draw weights with mean 0 and variance 1 / fan-in, as LeCun does; biases are zero."""
    from torch import nn

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def generator(spec: NetworkSpec, options: SeluSnOptions) -> nn.Module:
    """Build the generator, in training mode, with its first weights drawn.

    Args:
        spec: Image size, channels and latent size; ``pack`` is not used.
        options: Its widths, dropout and noise.

    Returns:
        A module from noise (B, D) to images (B, C, H, W) in -1..1.
    """
    from torch import nn

    widths = widths_from_image(spec, options)[::-1]
    layers: list[nn.Module] = [
        nn.Linear(spec.latent_size, widths[0] * 4 * 4, bias=False),
        nn.Unflatten(1, (widths[0], 4, 4)),
        *selu_block(options),
    ]
    for before, width in pairwise(widths):
        layers += [nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(before, width, 3, 1, 1)]
        layers += selu_block(options)
    layers += [nn.Upsample(scale_factor=2, mode="nearest")]
    layers += [nn.Conv2d(widths[-1], spec.channels, 3, 1, 1), nn.Tanh()]
    network = nn.Sequential(*layers)
    initialise_lecun(network)
    return network


def discriminator(spec: NetworkSpec, options: SeluSnOptions) -> nn.Module:
    """Build the discriminator, in training mode, with its first weights drawn.

    Args:
        spec: Image size, channels and pack; ``latent_size`` is not used.
        options: Its widths.

    Returns:
        A module from packed images (B / P, C x P, H, W) to raw logits (B / P, 1).
    """
    from torch import nn
    from torch.nn.utils.parametrizations import spectral_norm

    layers: list[nn.Module] = []
    before = spec.channels * spec.pack
    for width in widths_from_image(spec, options):
        layers += [nn.Conv2d(before, width, 4, 2, 1, bias=False), nn.SELU()]
        before = width
    layers += [nn.Conv2d(before, 1, 4, 1, 0, bias=False), nn.Flatten()]
    network = nn.Sequential(*layers)
    initialise_lecun(network)
    for layer in network:
        if isinstance(layer, nn.Conv2d):
            spectral_norm(layer)  # last, since it keeps the weights that it finds
    return network


BACKBONE = Backbone(
    name="selu_sn",
    version="1",
    description='The report\'s "improved" pair put right: SELU, nearest upsampling, spectral norm',
    generator=generator,
    discriminator=discriminator,
    options=SeluSnOptions,
)
