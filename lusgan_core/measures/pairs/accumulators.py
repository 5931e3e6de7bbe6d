"""Accumulators of a stream of pair values: moments, a histogram, and each frame's nearest.

Everything here is independent of the order and the size of the blocks it is fed with: moments are
merged in float64 (Chan, Golub and LeVeque 1979), ties between neighbours go to the lower index, and
the histogram's bins are aligned to powers of two, so that coarsening it is exact.

Shapes: n and m frames of the two sides of a block, M frames of the whole side, k neighbours kept.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lusgan_core.domain import Record

Floats = NDArray[np.float64]
State = dict[str, NDArray[Any]]


class Summary(Record):
    """A metric's values over all pairs; JSON-serialisable.

    Moments, extremes and the histogram are those of the finite values; infinite ones (the PSNR of
    identical frames) and NaN (a metric that is undefined for a pair) are counted beside them. The
    five numbers are None where no value is finite.
    """

    count: int
    """Pairs, of which ``infinite`` and ``undefined`` are left out of what follows."""
    infinite: int
    undefined: int
    mean: float | None
    sd: float | None
    """Population standard deviation."""
    min: float | None
    max: float | None
    edges: tuple[float, ...]
    """Edges of the histogram's bins, one more than ``counts``; multiples of a power of two."""
    counts: tuple[int, ...]


class Moments:
    """Count, mean, sum of squared deviations and extremes of the finite values fed to it."""

    def __init__(self) -> None:
        self.total = self.infinite = self.undefined = 0
        self.mean = self.squares = 0.0
        self.low, self.high = math.inf, -math.inf

    def add(self, values: Floats) -> Floats:
        """Add values of any shape; returns the finite ones, flattened."""
        lawful = np.isfinite(values)
        if lawful.all():
            finite, undefined = values.ravel(), 0
        else:
            finite, undefined = values[lawful], int(np.isnan(values).sum())
        seen = self.total - self.infinite - self.undefined
        self.total += values.size
        self.undefined += undefined
        self.infinite += values.size - finite.size - undefined
        if finite.size:
            mean = float(finite.mean())
            deviations = finite - mean
            squares = float(deviations @ deviations)
            shift, share = mean - self.mean, finite.size / (seen + finite.size)
            self.mean += shift * share
            self.squares += squares + shift * shift * seen * share
            self.low, self.high = min(self.low, finite.min()), max(self.high, finite.max())
        return finite

    def state(self) -> State:
        """The whole state, for a checkpoint."""
        counts = np.array([self.total, self.infinite, self.undefined])
        return {
            "counts": counts,
            "moments": np.array([self.mean, self.squares, self.low, self.high]),
        }

    def restore(self, state: State) -> None:
        """Restore what `state` gave."""
        self.total, self.infinite, self.undefined = (int(n) for n in state["counts"])
        self.mean, self.squares, self.low, self.high = (float(x) for x in state["moments"])


class Histogram:
    """Counts in at most ``bins`` bins of width 2^e whose edges are multiples of the width.

    e is the smallest exponent for which the range seen so far fits, so it only grows, and a bin of
    the coarser histogram is the union of two of the finer: no value is ever placed twice.
    """

    def __init__(self, bins: int) -> None:
        self.bins = bins
        self.exponent = 0
        self.first = 0
        """Number of the first bin: it starts at ``first * 2**exponent``."""
        self.counts = np.zeros(0, np.int64)

    def add(self, finite: Floats, low: float, high: float) -> None:
        """Count finite values, coarsening the bins first where their range has grown.

        Args:
            finite: Finite values, (N,) float64.
            low: Smallest of all values added so far, these included.
            high: Largest of all values added so far, these included.
        """
        if not finite.size:
            return
        exponent = self._exponent(low, high)
        width = math.ldexp(1.0, exponent)
        first, last = math.floor(low / width), math.floor(high / width)
        counts = np.zeros(last - first + 1, np.int64)
        if self.counts.size:
            old = (np.arange(self.counts.size) + self.first) >> (exponent - self.exponent)
            np.add.at(counts, old - first, self.counts)
        places = np.floor(finite / width).astype(np.int64) - first
        counts += np.bincount(places, minlength=counts.size)
        self.exponent, self.first, self.counts = exponent, first, counts

    def _exponent(self, low: float, high: float) -> int:
        # Never finer than 2^-40 of 1 or of the largest value: rounding noise is no shape.
        exponent = max(0, math.frexp(max(abs(low), abs(high)))[1]) - 40
        if high > low:
            exponent = max(exponent, math.frexp((high - low) / self.bins)[1] - 1)
        while math.floor(math.ldexp(high, -exponent)) - math.floor(
            math.ldexp(low, -exponent)
        ) >= max(self.bins, 2):
            exponent += 1
        return exponent

    @property
    def edges(self) -> tuple[float, ...]:
        """Edges of the bins, ascending; empty where nothing was counted."""
        if not self.counts.size:
            return ()
        return tuple(
            math.ldexp(float(self.first + i), self.exponent) for i in range(self.counts.size + 1)
        )

    def state(self) -> State:
        """The whole state, for a checkpoint."""
        return {"bins": np.array([self.exponent, self.first]), "histogram": self.counts}

    def restore(self, state: State) -> None:
        """Restore what `state` gave."""
        self.exponent, self.first = (int(n) for n in state["bins"])
        self.counts = state["histogram"].astype(np.int64)


class Nearest:
    """For each of M frames the k best values with frames of the other side, best first.

    ``values`` (M, k) float64, NaN where there were fewer than k; ``indices`` (M, k) int64, -1
    there. NaN is never a neighbour; of equal values the lower index comes first.

    Args:
        frames: Number of frames, M.
        top: Neighbours kept of each frame, k.
        better: Whether higher or lower values are better.
        target: Value that the best ones are nearest to, on either side; None for ``better`` alone.
    """

    def __init__(
        self,
        frames: int,
        top: int,
        better: Literal["higher", "lower"],
        target: float | None = None,
    ) -> None:
        self.better, self.target = better, target
        self.values = np.full((frames, top), np.nan)
        self.indices = np.full((frames, top), -1, np.int64)

    def keys(self, values: Floats) -> Floats:
        """Numbers that are the smaller, the better a value is; NaN for NaN."""
        return sort_keys(values, self.better, self.target)

    def offer(self, values: Floats, others: NDArray[np.int64], start: int) -> None:
        """Let the frames of a block choose among frames of the other side.

        Args:
            values: Values of the block, (n, m) float64, a column for each choosing frame; NaN hides
                a pair.
            others: Indices of the frames to choose among, one a row, (n,) int64.
            start: Index of the choosing frame of the first column; the next ones follow it.
        """
        top, count = self.values.shape[1], values.shape[1]
        keys, kept_keys = self.keys(values), self.keys(self.values[start : start + count])
        # Most blocks have little new for most frames: only what beats the worst kept is sorted. A
        # value equal to it still counts, its index may be lower.
        worst = _or_endless(kept_keys[:, -1])
        if np.isinf(worst).any() and len(keys) > top > 0:  # else all would, at first
            best = np.partition(keys, top - 1, axis=0)[top - 1]
            worst = np.minimum(worst, _or_endless(best))
        with np.errstate(invalid="ignore"):
            rows, frames = np.nonzero(keys <= worst)
        if not rows.size or not top:
            return
        chosen = np.unique(frames)
        kept = np.repeat(chosen, top)
        frames = np.concatenate([kept, frames])
        new = values[rows, frames[kept.size :]]
        found = np.concatenate([self.values[chosen + start].ravel(), new])
        indices = np.concatenate([self.indices[chosen + start].ravel(), others[rows]])
        order = np.lexsort((indices, self.keys(found), frames))
        # The first of each frame's run: as many as are kept, for it brings at least its old ones.
        firsts = np.searchsorted(frames[order], chosen)
        places = order[firsts[:, None] + np.arange(top)]
        self.values[chosen + start] = found[places]
        self.indices[chosen + start] = indices[places]

    def state(self) -> State:
        """The whole state, for a checkpoint."""
        return {"values": self.values, "indices": self.indices}

    def restore(self, state: State) -> None:
        """Restore what `state` gave."""
        self.values, self.indices = state["values"], state["indices"]


class Accumulators:
    """The accumulators of one metric.

    Args:
        frames: Number of frames that neighbours are kept of, M.
        top: Neighbours kept of each frame, k.
        better: Whether higher or lower values are better.
        bins: Largest number of bins of the histogram.
        target: Value that the best ones are nearest to; None for ``better`` alone.
    """

    def __init__(
        self,
        frames: int,
        top: int,
        better: Literal["higher", "lower"],
        bins: int,
        target: float | None = None,
    ) -> None:
        self.moments = Moments()
        self.histogram = Histogram(bins)
        self.nearest = Nearest(frames, top, better, target)

    def count(self, values: Floats) -> None:
        """Add values to the moments and the histogram."""
        finite = self.moments.add(values)
        self.histogram.add(finite, self.moments.low, self.moments.high)

    def summary(self) -> Summary:
        """The summary of all values so far."""
        moments = self.moments
        finite = moments.total - moments.infinite - moments.undefined
        some = finite > 0
        return Summary(
            count=moments.total,
            infinite=moments.infinite,
            undefined=moments.undefined,
            mean=moments.mean if some else None,
            sd=math.sqrt(moments.squares / finite) if some else None,
            min=moments.low if some else None,
            max=moments.high if some else None,
            edges=self.histogram.edges,
            counts=tuple(int(n) for n in self.histogram.counts),
        )

    def state(self) -> State:
        """The whole state, for a checkpoint."""
        return self.moments.state() | self.histogram.state() | self.nearest.state()

    def restore(self, state: State) -> None:
        """Restore what `state` gave."""
        self.moments.restore(state)
        self.histogram.restore(state)
        self.nearest.restore(state)


def sort_keys(
    values: Floats, better: Literal["higher", "lower"], target: float | None = None
) -> Floats:
    """Turn values into numbers that are the smaller, the better a value is.

    Args:
        values: Values of a metric, of any shape.
        better: Whether higher or lower values are better.
        target: Value that the best ones are nearest to; None for ``better`` alone.

    Returns:
        Numbers of the same shape; NaN for NaN.
    """
    if target is not None:
        return np.abs(values - target)
    return values if better == "lower" else -values


def _or_endless(keys: Floats) -> Floats:
    """Infinity where there is no key yet."""
    return np.where(np.isnan(keys), np.inf, keys)
