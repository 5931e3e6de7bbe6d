"""All random numbers, as a function of the seed and of their purpose.

No random state is carried along: the noise of iteration i depends on (seed, purpose, i) alone. So a
training that resumes at iteration i draws what an uninterrupted one would have drawn, and frame i
of a seed is the same frame whatever else is generated.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def derive(seed: int, purpose: str, *counters: int) -> int:
    """Derive a seed for one purpose and step, from sha256, so that no two are correlated.

    Args:
        seed: Seed of the run.
        purpose: What the numbers are for, e.g. ``latent``.
        counters: Numbers that tell one use from another, e.g. the iteration.

    Returns:
        A seed of 63 bits, 0 to 2^63 - 1.
    """
    text = f"{seed}/{purpose}/{'/'.join(map(str, counters))}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, purpose: str, *counters: int, device: str = "cpu") -> torch.Generator:
    """Make a torch random generator for one purpose and step; see ``derive``.

    Args:
        seed: Seed of the run.
        purpose: What the numbers are for.
        counters: Numbers that tell one use from another, e.g. the iteration.
        device: Device of the generator; CPU and GPU draw different numbers from one seed.

    Returns:
        A new generator.
    """
    return torch.Generator(device=device).manual_seed(derive(seed, purpose, *counters))


def latent(seed: int, first: int, count: int, size: int) -> Tensor:
    """Draw noise vectors; vector i of a seed is the same whatever else is drawn.

    Args:
        seed: Seed of the samples.
        first: Number of the first vector, from 0.
        count: Number of vectors.
        size: Numbers in a vector.

    Returns:
        (count, size) float32 on the CPU, standard normal: vectors ``first`` to ``first + count -
        1``.
    """
    rows = [
        torch.randn(size, generator=generator(seed, "latent", index))
        for index in range(first, first + count)
    ]
    return torch.stack(rows) if rows else torch.empty(0, size)


class Batches:
    """The frames of each batch: every epoch in a new order, no frame twice in an epoch.

    Frames that do not fill a batch at the end of an epoch are left out of it.

    Args:
        count: Number of frames.
        size: Frames in a batch, at most ``count``.
        seed: Seed of the order.
    """

    def __init__(self, count: int, size: int, seed: int) -> None:
        self.count, self.size, self.seed = count, size, seed
        self.per_epoch = count // size
        self._epoch = -1
        self._order: NDArray[np.int64] = np.empty(0, np.int64)

    def __getitem__(self, step: int) -> Tensor:
        """Frame numbers of one step's batch: (size,) int64."""
        epoch, position = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            rng = np.random.Generator(np.random.Philox(derive(self.seed, "epoch", epoch)))
            self._epoch, self._order = epoch, rng.permutation(self.count)
        return torch.from_numpy(self._order[position * self.size : (position + 1) * self.size])
