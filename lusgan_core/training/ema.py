"""The exponential moving average of a generator's weights, which generates better than the last."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

RAMP = 0.05
"""Longest half-life, as a share of the images seen so far."""


class Average:
    """A copy of a network whose weights follow the network's slowly.

    The half-life is shorter at first, a share ``RAMP`` of the images seen so far; otherwise the
    initial weights would linger (Karras et al. 2020, StyleGAN2-ADA). Buffers (batch statistics) are
    copied as they are.

    Args:
        network: Network to follow; a copy of it without gradients is kept.
        half_life: Images after which an old weight counts half.
    """

    def __init__(self, network: nn.Module, half_life: int) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.half_life = half_life

    @torch.no_grad()
    def update(self, network: nn.Module, images: int, seen: int) -> None:
        """Move the average towards the network after a training step.

        The old weights count by 0.5^(images / half-life), the new ones by the rest.

        Args:
            network: The network being trained, of the same architecture.
            images: Images since the previous update.
            seen: Images seen so far, these included.
        """
        keep = 0.5 ** (images / min(self.half_life, max(1.0, RAMP * seen)))
        ours: list[Tensor] = list(self.network.parameters())
        theirs: list[Tensor] = list(network.parameters())
        torch._foreach_lerp_(ours, theirs, 1 - keep)
        for mine, other in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(other)
