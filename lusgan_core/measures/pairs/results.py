"""The results of a comparison of two sets of frames."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import PairMetric
from lusgan_core.errors import LusganError
from lusgan_core.measures.pairs.accumulators import Summary, sort_keys
from lusgan_core.measures.pairs.frameset import FrameSet

LIKENESS = ("msssim", "ssim")
"""Metrics of likeness, of which the first that applies is used: MS-SSIM needs 176 pixels."""


@dataclass(frozen=True)
class Neighbour:
    """One of the frames that are most similar to a given one."""

    value: float
    index: int
    """Its place in the first set."""
    group: Any = None
    name: str | None = None


@dataclass(frozen=True)
class MetricResult:
    """One metric over all pairs."""

    metric: PairMetric
    summary: Summary
    values: NDArray[np.float64]
    """(M, k): for each frame of the second set its k best values, best first; NaN where fewer."""
    indices: NDArray[np.int64]
    """(M, k): which frames of the first set those are; -1 where fewer."""
    matrix: Path | None = None
    """The .npy file of all values (N, M) float64, if asked for."""


@dataclass(frozen=True)
class PairResults:
    """All metrics over all pairs value(a_i, b_j) of two sets, or of one set with itself."""

    metrics: dict[str, MetricResult]
    """By the metric's name, in the order asked for."""
    absent: dict[str, str]
    """Metrics that do not apply to these frames, and why."""
    pairs: int
    """Pairs of frames compared; a pair of one set with itself counts once."""
    engine: str
    """The engine that computed the values: its kind, version and hardware."""
    compat: str
    """The version of sewar whose values these are."""
    seconds: float
    """Time of computing, over all runs that the comparison took."""
    shape: tuple[int, int, int]
    """Height, width, channels of the frames."""
    notes: tuple[str, ...] = ()
    """What the user should know, e.g. that memory ran short and blocks were made smaller."""
    first: FrameSet | None = field(default=None, repr=False, compare=False)
    """The set that neighbours come from."""
    second: FrameSet | None = field(default=None, repr=False, compare=False)
    """The set whose frames have neighbours; ``first`` again for a set with itself."""

    @property
    def pairs_per_second(self) -> float:
        """Pairs of frames a second, all metrics together."""
        return self.pairs / self.seconds if self.seconds > 0 else math.nan

    def nearest(self, metric: str, frame: int) -> tuple[Neighbour, ...]:
        """The neighbours of one frame of the second set.

        Args:
            metric: Name of the metric.
            frame: Index of the frame in the second set.

        Returns:
            Neighbours in the first set, best first; at most ``top`` of them.
        """
        found = self.metrics[metric]
        pairs = zip(found.values[frame], found.indices[frame], strict=True)
        return tuple(self._neighbour(float(v), int(i)) for v, i in pairs if i >= 0)

    def closest(self, metric: str, count: int) -> list[tuple[int, Neighbour]]:
        """Find the closest pairs of all.

        Args:
            metric: Name of the metric.
            count: Number of pairs, at most.

        Returns:
            Frames of the second set with their nearest neighbours, closest first. Two frames of one
            set that are nearest to each other are one pair.
        """
        found = self.metrics[metric]
        record, best = found.metric, found.values[:, 0]
        order = np.argsort(sort_keys(best, record.better, record.target), kind="stable")
        seen: set[frozenset[int]] = set()
        pairs = []
        for frame in order.tolist():
            for neighbour in self.nearest(metric, frame)[:1]:
                both = frozenset((frame, neighbour.index))
                if self.first is not self.second or both not in seen:
                    pairs.append((frame, neighbour))
                seen.add(both)
            if len(pairs) == count:
                break
        return pairs

    def name_of(self, frame: int) -> str:
        """The name of a frame of the second set, or its number."""
        names = self.second.names if self.second else None
        return str(frame) if names is None else names[frame]

    def _neighbour(self, value: float, index: int) -> Neighbour:
        groups = self.first.groups if self.first else None
        names = self.first.names if self.first else None
        return Neighbour(
            value,
            index,
            None if groups is None else _plain(groups[index]),
            None if names is None else names[index],
        )

    def as_json(self) -> dict[str, Any]:
        """All of it as plain JSON values; infinite values become strings, NaN null.

        ``a`` and ``b`` name the frames of the two sets; a metric's ``nearest`` is in the order of
        ``b``.
        """
        metrics = {
            name: {
                "title": found.metric.title,
                "unit": found.metric.unit,
                "better": found.metric.better,
                "more_alike": found.metric.more_alike,
                "summary": found.summary.model_dump(mode="json"),
                "nearest": [
                    [
                        {
                            "value": _number(n.value),
                            "index": n.index,
                            "group": n.group,
                            "name": n.name,
                        }
                        for n in self.nearest(name, frame)
                    ]
                    for frame in range(len(found.values))
                ],
                "matrix": str(found.matrix) if found.matrix else None,
            }
            for name, found in self.metrics.items()
        }
        return {
            "a": _names(self.first),
            "b": _names(self.second),
            "metrics": metrics,
            "absent": self.absent,
            "pairs": self.pairs,
            "engine": self.engine,
            "compat": self.compat,
            "seconds": self.seconds,
            "pairs_per_second": _number(self.pairs_per_second),
            "shape": list(self.shape),
            "notes": list(self.notes),
        }


class PairsError(LusganError, RuntimeError):
    """A comparison that broke off; ``partial`` holds what was computed until then."""

    def __init__(self, message: str, partial: PairResults) -> None:
        super().__init__(message)
        self.partial = partial


def _number(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


def _names(frames: FrameSet | None) -> list[str] | None:
    return None if frames is None or frames.names is None else list(frames.names)


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label
