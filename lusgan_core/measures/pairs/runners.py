"""Runners, which compute metrics on blocks of pairs with an engine's kernels or the metric itself.

A runner prepares blocks of frames and gives the values of all pairs of two prepared blocks. All
metrics that name a kernel share one runner, and with it the work that they have in common.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import PairMetric
from lusgan_core.errors import PluginError
from lusgan_core.measures.pairs.fine_scales import FineFrames, flatness, mend
from lusgan_core.measures.pairs.formulas import (
    KERNELS,
    Compat,
    Floats,
    FrameSums,
    evaluate,
    terms_of,
)
from lusgan_core.measures.pairs.memory import out_of_memory
from lusgan_core.measures.pairs.prepared import ChunkCache, Chunks, read_only
from lusgan_core.plugin_guard import described, is_stop
from lusgan_core.registry import installed

Values = dict[str, Floats]
"""By the metric's name, (n, m)."""
DIRECTED_TERMS = frozenset({"rase", "vif"})
"""Terms that depend on which frame comes first."""


class Engine(Protocol):
    """Computes terms (see `formulas`) of all pairs of two blocks."""

    @property
    def name(self) -> str:
        """Kind, version and hardware, for people."""

    @property
    def rows(self) -> int:
        """Number of first frames that keep it busy."""

    def bytes_per_frame(self, height: int, width: int, channels: int) -> int:
        """Estimate the memory of one prepared frame.

        Args:
            height: Height of a frame, pixels.
            width: Width of a frame, pixels.
            channels: 1 for grey, 3 for RGB.

        Returns:
            Bytes, roughly.
        """

    def prepare(self, frames: NDArray[np.uint8]) -> Any:
        """Compute everything that depends on one frame only, for (N, H, W, C) uint8."""

    def release(self, frames: Any) -> None:
        """Take back prepared frames that are no longer needed: their memory may be used again."""

    def terms(self, a: Any, b: Any, wanted: frozenset[str]) -> dict[str, NDArray[Any]]:
        """Compute terms of all n x m pairs.

        Args:
            a: The n first frames, prepared by this engine.
            b: The m second frames, prepared by this engine.
            wanted: Names of terms, among those that the engine was built for.

        Returns:
            Terms by name, shaped as in `formulas`.
        """


@dataclass(frozen=True)
class KernelFrames:
    """A block of frames as an engine keeps them, and what their uncertain pairs are mended from."""

    kept: Any
    """The engine's own."""
    fine: FineFrames | None
    """None where MS-SSIM is not wanted."""

    @property
    def sums(self) -> FrameSums:
        """Sums over each frame."""
        sums: FrameSums = self.kept.sums
        return sums

    def __getitem__(self, block: slice) -> KernelFrames:
        fine = self.fine[block] if self.fine is not None else None
        return KernelFrames(self.kept[block], fine)


@dataclass
class KernelRunner:
    """Computes all metrics that name a kernel, by one engine."""

    metrics: Sequence[PairMetric]
    engine: Engine
    channels: int
    compat: Compat

    def prepare(self, frames: NDArray[np.uint8]) -> KernelFrames:
        """See MetricRunner.prepare; the block as the engine keeps it."""
        kept = self.engine.prepare(frames)
        fine = FineFrames(frames, flatness(frames)) if "msssim" in self.terms else None
        return KernelFrames(kept, fine)

    def release(self, frames: KernelFrames) -> None:
        """See MetricRunner.release; the engine may use the memory again."""
        self.engine.release(frames.kept)

    def values(self, a: KernelFrames, b: KernelFrames) -> Values:
        """See MetricRunner.values; keeps the terms for `swapped`."""
        self._terms = self.engine.terms(a.kept, b.kept, self.terms)
        if a.fine is not None and b.fine is not None:
            mend(self._terms["msssim"], a.fine, b.fine)
        return self._evaluate(self.metrics, self._terms, a.sums, b.sums)

    def swapped(self, a: KernelFrames, b: KernelFrames, values: Values) -> Values:
        """See MetricRunner.swapped; most terms are those of `values`, transposed."""
        directed = [m for m in self.metrics if not m.symmetric]
        wanted = self._wanted(directed)
        terms = {k: np.swapaxes(v, 0, 1) for k, v in self._terms.items() if k in wanted}
        again = wanted & DIRECTED_TERMS
        if again:
            terms |= self.engine.terms(b.kept, a.kept, again)
        back = self._evaluate(directed, terms, b.sums, a.sums)
        return values | {name: value.T for name, value in back.items()}

    @property
    def terms(self) -> frozenset[str]:
        """Names of the terms that its metrics need."""
        return self._wanted(self.metrics)

    def _wanted(self, metrics: Sequence[PairMetric]) -> frozenset[str]:
        return frozenset[str]().union(
            *(terms_of(m.kernel or "", self.channels, self.compat) for m in metrics)
        )

    def _evaluate(
        self,
        metrics: Sequence[PairMetric],
        terms: dict[str, NDArray[Any]],
        a: FrameSums,
        b: FrameSums,
    ) -> Values:
        return {m.name: evaluate(m.kernel or "", terms, a, b, self.compat) for m in metrics}


class MetricError(PluginError):
    """A metric that failed; ``metric`` is its name."""

    def __init__(self, metric: str, reason: str) -> None:
        super().__init__(f"metric {metric!r} {reason}")
        self.metric, self.reason = metric, reason


@dataclass
class PlainRunner:
    """Lets one metric compute itself: by prepare and compare, or, slowly, pair by pair."""

    metric: PairMetric

    def __post_init__(self) -> None:
        self._cache = ChunkCache(self.metric.prepare) if self.metric.prepare else None

    @property
    def metrics(self) -> Sequence[PairMetric]:
        """The one metric."""
        return (self.metric,)

    @property
    def slow(self) -> bool:
        """Whether pairs are compared one at a time."""
        return self.metric.prepare is None or self.metric.compare is None

    def prepare(self, frames: NDArray[np.uint8]) -> Chunks:
        """The frames, to be prepared when they are first compared; a metric cannot change them."""
        frames = read_only(frames[..., 0] if frames.shape[3] == 1 else frames)
        return Chunks(frames, 0, len(frames))

    def release(self, frames: Chunks) -> None:
        """See MetricRunner.release; there is nothing to release."""

    def values(self, a: Chunks, b: Chunks) -> Values:
        """See MetricRunner.values; raises MetricError if the metric fails or has another shape."""
        try:
            return {self.metric.name: self._compute(a, b)}
        except out_of_memory():
            if self._cache is not None:
                self._cache.clear()
            raise
        except BaseException as error:  # whatever a stranger's code raises, SystemExit too
            if is_stop(error):
                raise
            reason = f"failed on frames shaped {a.shape[1:]}: {described(error)}"
            raise MetricError(self.metric.name, reason + _origin(self.metric)) from error

    def _compute(self, a: Chunks, b: Chunks) -> Floats:
        values = np.empty((len(a), len(b)))
        cache, compare = self._cache, self.metric.compare
        if cache is None or compare is None:
            for i, first in enumerate(a.pixels):
                for j, second in enumerate(b.pixels):
                    values[i, j] = real_number(self.metric.value(first, second))
            return values
        for one in a.parts(cache):
            for two in b.parts(cache):
                table = compare(one.prepared, two.prepared)
                table = real_table(table, (one.frames, two.frames))
                values[one.place, two.place] = table[one.inside, two.inside]
        return values

    def swapped(self, a: Chunks, b: Chunks, values: Values) -> Values:
        """See MetricRunner.swapped; computed anew unless the metric is symmetric."""
        if self.metric.symmetric:
            return values
        return {name: value.T for name, value in self.values(b, a).items()}


def _origin(metric: PairMetric) -> str:
    """The plugin that a metric comes from, for the end of an error; empty where it is of none."""
    registry = installed()
    if metric.name not in registry.records["metric"]:
        return ""
    return f" (it comes from {registry.provider_of(f'metric/{metric.name}')})"


def real_number(value: object) -> float:
    """Check the value of a pair. Raises TypeError for what is no real number, complex ones too."""
    if type(value) is float:
        return value
    number = np.asarray(value)
    if number.dtype.kind not in "fiu" or number.ndim:
        what = f"shaped {number.shape}" if number.ndim else f"of type {type(value).__name__}"
        raise TypeError(f"it gave a value {what}, expected a real number, a float")
    return float(number)


def real_table(values: object, shape: tuple[int, int]) -> Floats:
    """Check the values of all pairs of two chunks.

    Args:
        values: What the metric's ``compare`` returned.
        shape: Frames of the first chunk, and of the second.

    Returns:
        The values as float64.

    Raises:
        TypeError: They are no real numbers.
        ValueError: They have another shape.
    """
    table = np.asarray(values)
    if table.dtype.kind not in "fiu":
        raise TypeError(f"it gave values of type {table.dtype}, expected real numbers, float64")
    if table.shape != shape:
        raise ValueError(
            f"it gave an array shaped {table.shape} for {shape[0]} x {shape[1]} frames, expected "
            "one number a pair"
        )
    return table.astype(np.float64)


def smallest_side(metric: PairMetric) -> int:
    """The smallest side of a frame to which a metric applies, pixels."""
    kernel = KERNELS.get(metric.kernel or "")
    return max(metric.min_size, kernel.min_size if kernel else 1)


def make_runners(
    metrics: Sequence[PairMetric],
    channels: int,
    compat: Compat,
    engine: Callable[[frozenset[str]], Engine],
) -> list[KernelRunner | PlainRunner]:
    """Make runners for all metrics.

    Args:
        metrics: Metrics that apply to the frames.
        channels: 1 for grey, 3 for RGB.
        compat: Version of sewar whose values are wanted.
        engine: Builds an engine for the names of terms that it is given; called if a metric names a
            kernel.

    Returns:
        One runner for all metrics that name a kernel, then one for each other metric.
    """
    kernels = [m for m in metrics if m.kernel in KERNELS]
    runners: list[KernelRunner | PlainRunner] = []
    if kernels:
        terms = frozenset[str]().union(
            *(terms_of(m.kernel or "", channels, compat) for m in kernels)
        )
        runners.append(KernelRunner(kernels, engine(terms), channels, compat))
    runners += [PlainRunner(m) for m in metrics if m.kernel not in KERNELS]
    return runners
