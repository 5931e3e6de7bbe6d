"""Features of an ensemble of convolutional networks whose weights are random and fixed.

They need no download and know nothing of any data set: a check that other features agree with, not
a replacement for them. Each network has three strided convolutions with He weights (He et al., ICCV
2015) and ReLU; the mean and the standard deviation of its last channels over the frame are its
features. Filters of the first layer sum to zero, so that features are of contrast: gain differs
much between clips, and would else outweigh all that is in a frame.

Shapes: N frames, H height, W width, D features; tensors are NCHW.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lusgan_core.api import FeatureExtractor, Options

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Generator, Tensor

NETWORKS = 8
WIDTHS = (16, 32, 64)
"""Channels of each layer of a network."""
SIDE = 64
"""Pixels: larger frames are reduced to this side."""
LEVEL = 64.0
"""Grey level that the networks see as 1, about the root mean square of an ultrasound frame."""
BIAS = 0.3
"""Standard deviation of the biases, so that units differ in the contrast that they answer to."""


class RandomOptions(Options):
    """Options of the random features."""

    seed: int = Field(0, ge=0, lt=2**31, description="Seed of the weights")


def build(
    device: str, options: RandomOptions
) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Draw the weights and return the function that computes the features.

    Args:
        device: A device of torch.
        options: The seed. The weights are drawn on the CPU, so they are the same on any device.

    Returns:
        A function from frames (N, H, W) or (N, H, W, 3) uint8 to features (N, D) float32.
    """
    import torch
    from torch.nn import functional

    numbers = torch.Generator().manual_seed(options.seed)
    networks = [[layer.to(device) for layer in _weights(numbers)] for _ in range(NETWORKS)]

    def extract(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        x = torch.tensor(frames, device=device).float() / LEVEL
        x = x.unsqueeze(1).expand(-1, 3, -1, -1) if x.ndim == 3 else x.permute(0, 3, 1, 2)
        if max(x.shape[2:]) > SIDE:
            x = functional.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True)
        with torch.no_grad():
            features = torch.cat([_features(x, layers) for layers in networks], dim=1)
        found: NDArray[np.float32] = features.cpu().numpy()
        return found

    return extract


def _weights(numbers: Generator) -> list[Tensor]:
    """Weights and biases of one network, each layer's after those of the one before."""
    import torch

    drawn: list[Tensor] = []
    channels = 3
    for width in WIDTHS:
        scale = (2 / (9 * channels)) ** 0.5
        drawn.append(scale * torch.randn(width, channels, 3, 3, generator=numbers))
        drawn.append(BIAS * torch.randn(width, generator=numbers))
        channels = width
    drawn[0] -= drawn[0].mean((1, 2, 3), keepdim=True)
    return drawn


def _features(x: Tensor, layers: list[Tensor]) -> Tensor:
    """Features (N, 2 C) of frames (N, 3, H, W) by one network with C channels in its last layer."""
    import torch
    from torch.nn import functional

    for weight, bias in zip(layers[::2], layers[1::2], strict=True):
        x = functional.relu(functional.conv2d(x, weight, bias, stride=2, padding=1))
    flat = x.flatten(2)
    return torch.cat([flat.mean(2), flat.std(2, correction=0)], dim=1)


EXTRACTOR = FeatureExtractor(
    name="random",
    version="1",
    description="An ensemble of convolutional networks with random, fixed weights",
    build=build,
    licence="Apache-2.0",
    size=NETWORKS * 2 * WIDTHS[-1],
    min_size=8,
    options=RandomOptions,
)
