"""A side of a distance between sets of frames: features, and whose each frame is.

Shapes: N frames, D features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HALVES = 20
"""Random halves of the patients by which the spread of a floor is found."""
TRIES = 20 * HALVES
"""Draws after which fewer halves have to do."""
LEAST = 4
"""Patients from which on there are halves: one of a single patient tells nothing of others."""
SEED = 5
"""Seed of the draws."""


@dataclass(frozen=True)
class Side:
    """Features of frames, and whose each frame is."""

    features: NDArray[np.float64]
    """(N, D)."""
    patients: tuple[str, ...] = ()
    """Patient of each frame; empty where nobody knows, and for synthetic frames."""
    clips: tuple[str, ...] = ()
    """Clip of each frame, unique over all patients; empty as above."""

    def __len__(self) -> int:
        return len(self.features)

    def groups(self, by: str) -> NDArray[np.int64]:
        """Number the groups that a metric is told of.

        Args:
            by: ``patient`` or ``clip``.

        Returns:
            A number for each frame, which frames of one patient or clip share; where nobody knows
            whose they are each frame has its own. (N,).
        """
        names = self.patients if by == "patient" else self.clips
        if not names:
            return np.arange(len(self))
        numbers: NDArray[np.int64] = np.unique(names, return_inverse=True)[1].reshape(-1)
        return numbers

    def thinned(self, count: int) -> Side:
        """So many of the frames, evenly spaced; all if there are fewer."""
        return self if count >= len(self) else self.chosen(places(len(self), count))

    def chosen(self, kept: NDArray[np.int64]) -> Side:
        """The frames at these places."""
        numbers = kept.tolist()
        patients, clips = (
            tuple(names[number] for number in numbers) if names else ()
            for names in (self.patients, self.clips)
        )
        return Side(self.features[kept], patients, clips)

    def leaving_out(self) -> Iterator[Side]:
        """The side without each of its patients in turn."""
        patients = np.array(self.patients)
        for patient in np.unique(patients):
            yield self.chosen(np.flatnonzero(patients != patient))

    def halves(self, count: int) -> Iterator[tuple[Side, Side]]:
        """Split the patients into random halves, each with so many frames.

        Args:
            count: Frames a half, evenly spaced over its frames.

        Yields:
            ``HALVES`` pairs of sides that share no patient, or as many as there are; none for fewer
            than ``LEAST`` patients.
        """
        groups = self.groups("patient")
        total = int(groups.max()) + 1 if self.patients else 0
        draw, seen, found = np.random.default_rng(SEED), set[frozenset[int]](), 0
        for _ in range(TRIES if total >= LEAST else 0):
            order = draw.permutation(total)
            parts = frozenset(order[: total // 2].tolist()), frozenset(order[total // 2 :].tolist())
            if seen & set(parts):
                continue
            seen.add(parts[0])
            first, second = (np.flatnonzero(np.isin(groups, list(part))) for part in parts)
            if min(len(first), len(second)) < count:
                continue
            yield self.chosen(first).thinned(count), self.chosen(second).thinned(count)
            found += 1
            if found == HALVES:
                return


def places(total: int, count: int) -> NDArray[np.int64]:
    """Choose places of things, evenly spaced from the first to the last.

    Args:
        total: Number of things.
        count: Number of places.

    Returns:
        The places, (count,), or all where there are fewer things.
    """
    return np.linspace(0, total - 1, min(count, total)).round().astype(np.int64)
