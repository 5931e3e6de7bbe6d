"""The exponential moving average of a generator's weights, which generates better than the last."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

RAMP = 0.05
"""Longest half-life, as a share of the images seen so far."""


class Average:
    """A copy of a network whose weights follow the network's slowly.

    Args: ``half_life`` in images: after so many, a weight counts half. In the beginning it is
    shorter, a share ``RAMP`` of the images seen so far, or the first weights would stay for long
    (Karras et al. 2020, StyleGAN2-ADA). Buffers (batch statistics) are taken over as they are.
    """

    def __init__(self, network: nn.Module, half_life: int) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.half_life = half_life

    @torch.no_grad()
    def update(self, network: nn.Module, images: int, seen: int) -> None:
        """Follow the network after a step on so many images; ``seen`` counts them all."""
        keep = 0.5 ** (images / min(self.half_life, max(1.0, RAMP * seen)))
        ours: list[Tensor] = list(self.network.parameters())
        theirs: list[Tensor] = list(network.parameters())
        torch._foreach_lerp_(ours, theirs, 1 - keep)
        for mine, other in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(other)
