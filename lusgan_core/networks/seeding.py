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

from lusgan_core.errors import TooFewFramesError


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


class ScoredBatches:
    """The frames of each batch where frames have scores: neighbours that make a pack share one.

    In every epoch the frames of each score are put in a new order and cut into packs, and the packs
    of all scores are shuffled, so that scores come up as often as they have frames.

    Args:
        scores: Score of each frame, (N,) integers.
        size: Frames in a batch, a multiple of ``pack``.
        pack: Frames in a pack.
        seed: Seed of the order.

    Raises:
        TooFewFramesError: There are fewer whole packs than a batch takes.
    """

    def __init__(self, scores: NDArray[np.int64], size: int, pack: int, seed: int) -> None:
        self.scores, self.size, self.pack, self.seed = scores, size, pack, seed
        counts = np.unique(scores, return_counts=True)[1]
        self.per_epoch = int((counts // pack).sum()) * pack // size
        if not self.per_epoch:
            raise TooFewFramesError(
                f"{len(scores)} frames of {len(counts)} scores do not fill a batch of {size} with "
                f"packs of {pack} of one score: add exams, or lower training.batch_size"
            )
        self._epoch = -1
        self._order: NDArray[np.int64] = np.empty(0, np.int64)

    def __getitem__(self, step: int) -> Tensor:
        """Frame numbers of one step's batch: (size,) int64."""
        epoch, position = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            rng = np.random.Generator(np.random.Philox(derive(self.seed, "epoch", epoch)))
            packs = [self._packs(score, rng) for score in np.unique(self.scores)]
            self._epoch, self._order = epoch, rng.permutation(np.concatenate(packs)).reshape(-1)
        return torch.from_numpy(self._order[position * self.size : (position + 1) * self.size])

    def _packs(self, score: np.int64, rng: np.random.Generator) -> NDArray[np.int64]:
        """The frames of one score in packs, (packs, P), in a new order; the rest is left out."""
        numbers = rng.permutation(np.flatnonzero(self.scores == score))
        return numbers[: len(numbers) // self.pack * self.pack].reshape(-1, self.pack)
