"""Synthetic frames from a trained generator.

Frame i of a seed is the same whatever else is generated: its noise depends on (seed, i) alone, the
generator runs in eval mode, and always over a whole block of the same size, since libraries may
round differently for other batch sizes. On the CPU frames are equal bit for bit.
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
"""Frames in one pass through the generator."""


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
    """Generate frames ``first`` to ``first + count - 1`` of a seed.

    Args:
        generator: A trained generator, from noise (B, D) to images (B, C, S, S), on any device; it
            is put into eval mode.
        values: Maps network values to grey levels.
        latent_size: D, numbers in a noise vector.
        seed: Seed of the noise.
        count: Number of frames.
        first: Number of the first frame, from 0.
        batch_size: Frames in a batch; changes no frame.

    Yields:
        Batches (B, S, S) or (B, S, S, 3) uint8 of ``batch_size`` frames; the last may be smaller.
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
