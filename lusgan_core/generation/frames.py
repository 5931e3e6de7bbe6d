"""Synthetic frames from a trained generator.

Frame i of a seed is the same whatever else is generated: its noise depends on (seed, i) alone,
the generator runs in eval mode, and always over a whole block of the same size, so that a library
which rounds differently for other batch sizes has no say. Bit for bit on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lusgan_core.networks.seeding import latent
from lusgan_core.networks.value_range import ValueMap

BLOCK = 32
"""Frames a pass through the generator."""


@torch.no_grad()
def generate(
    generator: nn.Module,
    values: ValueMap,
    latent_size: int,
    seed: int,
    count: int,
    first: int = 0,
    batch_size: int = BLOCK,
) -> Iterator[NDArray[np.uint8]]:
    """Yield frames ``first`` to ``first + count - 1`` of a seed in batches (B, S, S[, 3]) uint8.

    The last batch may be smaller than ``batch_size``.
    """
    device = next(generator.parameters()).device
    generator.eval()
    waiting: list[NDArray[np.uint8]] = []
    end = first + count
    for start in range(first // BLOCK * BLOCK, end, BLOCK):
        noise = latent(seed, start, BLOCK, latent_size).to(device)
        block = values.to_uint8(generator(noise)).cpu().numpy()
        waiting.extend(block[max(0, first - start) : end - start])
        while len(waiting) >= batch_size:
            yield np.stack(waiting[:batch_size])
            del waiting[:batch_size]
    if waiting:
        yield np.stack(waiting)
