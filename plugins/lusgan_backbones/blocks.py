"""Shared by the built-in backbones: layers from sizes, noise, and the first weights.

Shapes: N inputs of a network (images, or packs of them), C channels, D latent size, L logits, P
pack.

All of them climb from 4 x 4 to the image in factors of two and descend the same way, so a network
is little more than a list of widths, and each module says where those come from. The two DCGAN-like
backbones are built here by ``transposed_generator`` and ``strided_layers``. There are two ways in
which their weights start: as in DCGAN (Radford et al., arXiv 1511.06434), normal(0, 0.02), which
takes batch norm for granted; or with a scale that keeps signals at one size from layer to layer
(He et al., arXiv 1502.01852) wherever batch norm does not see to that.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lusgan_backbones.options import GeneratorOptions
from lusgan_core.api import NetworkSpec

LEAK = 0.2
"""Slope of the leaky ReLU for negative inputs."""
NORMALISED_STD = 0.02
"""Standard deviation of DCGAN's first weights."""


class GaussianNoise(nn.Module):
    """Adds Gaussian noise of a fixed standard deviation in training, and nothing in eval mode."""

    def __init__(self, std: float) -> None:
        super().__init__()
        self.std = std

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` (any shape), with noise drawn from torch's own random state."""
        return x + self.std * torch.randn_like(x) if self.training else x

    def extra_repr(self) -> str:
        """Show the deviation when the network is printed."""
        return f"std={self.std}"


def regularisers(options: GeneratorOptions) -> list[nn.Module]:
    """The dropout and noise layers of one generator block; none where an option is zero."""
    layers: list[nn.Module] = []
    if options.dropout:
        layers.append(nn.Dropout2d(options.dropout))
    if options.noise:
        layers.append(GaussianNoise(options.noise))
    return layers


def transposed_generator(
    spec: NetworkSpec, widths: Sequence[int], options: GeneratorOptions, *, batch_norm: bool = True
) -> nn.Sequential:
    """Build a DCGAN generator, whose first weights are still to be drawn.

    Args:
        spec: Channels of the image and latent size.
        widths: Channels at 4, 8, 16 ... pixels; one more 4 x 4 transposed convolution of stride 2
            leads from the last of them to the image.
        options: Dropout and noise after each block.
        batch_norm: Whether each block normalises; one that does not has a bias.

    Returns:
        A module from noise (N, D) to images (N, C, H, W) in -1..1.
    """
    layers: list[nn.Module] = [nn.Unflatten(1, (spec.latent_size, 1, 1))]
    before = spec.latent_size
    for i, width in enumerate(widths):
        stride, padding = (2, 1) if i else (1, 0)  # the first makes 4 x 4 of 1 x 1
        layers.append(nn.ConvTranspose2d(before, width, 4, stride, padding, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm2d(width))
        layers += [nn.ReLU(), *regularisers(options)]
        before = width
    layers += [nn.ConvTranspose2d(before, spec.channels, 4, 2, 1, bias=False), nn.Tanh()]
    return nn.Sequential(*layers)


def strided_layers(
    spec: NetworkSpec, widths: Sequence[int], *, batch_norm: bool = True
) -> list[nn.Module]:
    """Build the trunk of a DCGAN discriminator: a 4 x 4 convolution of stride 2 for each width.

    Args:
        spec: Channels of the image and pack.
        widths: Channels at half the side of the image, at a quarter, ...
        batch_norm: Whether the third layer and later ones normalise; where they do not, they have a
            bias, which takes the place of batch norm's shift.

    Returns:
        Layers that take packed images (N, C x P, H, W), for an ``nn.Sequential``.
    """
    layers: list[nn.Module] = []
    before = spec.channels * spec.pack
    for i, width in enumerate(widths):
        late = i >= 2
        layers.append(nn.Conv2d(before, width, 4, 2, 1, bias=late and not batch_norm))
        if late and batch_norm:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.LeakyReLU(LEAK))
        before = width
    return layers


def initialise_dcgan(network: nn.Module) -> None:
    """Draw first weights as DCGAN does: normal(0, 0.02), normal(1, 0.02) for batch norm's scale."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, NORMALISED_STD)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, NORMALISED_STD)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def initialise_fitting(network: nn.Sequential) -> None:
    """Draw first weights that keep signals at one size: DCGAN's before batch norm, else He's.

    He's have the variance gain^2 (1 - p) / fan-in, with the gain of the activation that follows and
    the share p of channels that a dropout layer before them drops in training, since that raises
    the mean square of the others to 1 / (1 - p) times what it was (Hendrycks and Gimpel, arXiv
    1607.02488).

    Args:
        network: Convolutions, each with what belongs to it after it; changed in place.
    """
    initialise_dcgan(network)
    layers, kept = list(network), 1.0
    for layer, after in zip(layers, [*layers[1:], None], strict=True):
        if isinstance(layer, nn.Dropout2d):
            kept = 1 - layer.p
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            if not isinstance(after, nn.BatchNorm2d):
                std = _gain(after) * (kept / _fan_in(layer)) ** 0.5
                nn.init.normal_(layer.weight, 0.0, std)
            kept = 1.0


def _gain(after: nn.Module | None) -> float:
    """By what an activation makes signals smaller, which the weights before it make up for."""
    if isinstance(after, nn.ReLU):
        return nn.init.calculate_gain("relu")
    if isinstance(after, nn.LeakyReLU):
        return nn.init.calculate_gain("leaky_relu", after.negative_slope)
    return 1.0  # logits and images, where tanh is near the identity


def _fan_in(layer: nn.Conv2d | nn.ConvTranspose2d) -> float:
    """How many products an output is the sum of.

    A transposed convolution of stride s spreads its kernel over s x s outputs; where it makes the
    first square out of 1 x 1 (stride 1, no padding), each output has a kernel element of its own.
    """
    taps = layer.kernel_size[0] * layer.kernel_size[1]
    if isinstance(layer, nn.ConvTranspose2d):
        stride = layer.stride[0] * layer.stride[1]
        taps = taps // stride if stride > 1 else 1
    return float(layer.in_channels * taps)
