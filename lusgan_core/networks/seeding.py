"""Everything drawn by chance, as a function of the seed and of what it is drawn for.

No random state is carried along: the noise of iteration i depends on (seed, purpose, i) alone. So
a training that resumes at iteration i draws what an uninterrupted one would have drawn, and frame
i of a seed is the same frame whatever else is generated.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def derive(seed: int, purpose: str, *counters: int) -> int:
    """A seed of 63 bits for one purpose and step, from sha256: no two are correlated."""
    text = f"{seed}/{purpose}/{'/'.join(map(str, counters))}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, purpose: str, *counters: int, device: str = "cpu") -> torch.Generator:
    """A torch random generator for one purpose and step."""
    return torch.Generator(device=device).manual_seed(derive(seed, purpose, *counters))


def latent(seed: int, first: int, count: int, size: int) -> Tensor:
    """Noise vectors ``first`` to ``first + count - 1`` of a seed: (count, size), N(0, 1)."""
    rows = [
        torch.randn(size, generator=generator(seed, "latent", index))
        for index in range(first, first + count)
    ]
    return torch.stack(rows) if rows else torch.empty(0, size)


class Batches:
    """Which frames make up each batch: every epoch a new order, no frame twice in an epoch.

    Args: ``count`` frames, ``size`` of a batch (at most ``count``), ``seed``. What does not fill
    a batch at the end of an epoch is left out of it.
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
