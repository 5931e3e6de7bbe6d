"""How far several raters agree, by Cohen's kappa (1960; with quadratic weights: 1968)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lusgan_core.clips import LABELS
from lusgan_core.domain import SCORES, ClipFiles


@dataclass(frozen=True)
class Agreement:
    """The agreement of two raters over what both scored."""

    raters: tuple[str, str]
    rows: int
    """Clips, or stretches of frames, that both scored."""
    equal: int
    """Of these, those that got the same score from both."""
    kappa: float | None
    """1 for full agreement, 0 for what chance gives; None where both gave one score throughout."""
    weighted_kappa: float | None
    """The same with quadratic weights: neighbouring scores differ less."""


def agreements(clips: Iterable[ClipFiles]) -> list[Agreement]:
    """Compare every two raters.

    Args:
        clips: Clips, whose labels readers noted, see ``FoundClip.facts``.

    Returns:
        Pairs of raters, by name, who scored something in common; none where there is one rater.
    """
    pairs: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for clip in clips:
        for _, _, given in clip.facts.get(LABELS, ()):
            for (one, a), (other, b) in combinations(sorted(given), 2):
                pairs[one, other].append((a, b))
    return [_compared(raters, scores) for raters, scores in sorted(pairs.items())]


def _compared(raters: tuple[str, str], scores: list[tuple[int, int]]) -> Agreement:
    table = np.zeros((len(SCORES), len(SCORES)))
    for a, b in scores:
        table[a, b] += 1
    far = np.subtract.outer(SCORES, SCORES).astype(np.float64)
    return Agreement(
        raters=raters,
        rows=len(scores),
        equal=int(np.trace(table)),
        kappa=_kappa(table, (far != 0).astype(np.float64)),
        weighted_kappa=_kappa(table, far**2),
    )


def _kappa(table: NDArray[np.float64], weights: NDArray[np.float64]) -> float | None:
    """1 - observed / expected disagreement, weights being those of disagreement."""
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    by_chance = float((weights * expected).sum())
    return 1 - float((weights * table).sum()) / by_chance if by_chance else None
