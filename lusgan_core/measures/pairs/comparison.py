"""One comparison under way: adds blocks to the accumulators, saves its progress, and can resume."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import PairMetric
from lusgan_core.errors import ConfigError
from lusgan_core.measures.pairs import checkpoint as checkpoints
from lusgan_core.measures.pairs.accumulators import Accumulators
from lusgan_core.measures.pairs.block_runner import BlockRunner
from lusgan_core.measures.pairs.blocks import Block, Plan
from lusgan_core.measures.pairs.engines import note_compiled
from lusgan_core.measures.pairs.formulas import Compat, Floats
from lusgan_core.measures.pairs.frameset import FrameSet, group_codes
from lusgan_core.measures.pairs.matrix import MatrixFile
from lusgan_core.measures.pairs.memory import out_of_memory
from lusgan_core.measures.pairs.results import MetricResult, PairResults, PairsError
from lusgan_core.measures.pairs.runners import KernelRunner, PlainRunner, Values
from lusgan_core.registry import installed

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says of a full disk."""
SAVE_EVERY_S = 5.0
"""Seconds between two writes of the checkpoint."""


@dataclass
class Comparison:
    """One comparison of ``a`` with ``b``, which is ``a`` again for a set with itself."""

    a: FrameSet
    b: FrameSet
    plan: Plan
    metrics: Sequence[PairMetric]
    runners: Sequence[KernelRunner | PlainRunner]
    absent: dict[str, str]
    compat: Compat
    top: int
    bins: int
    exclude: bool
    """Whether pairs of one group are left out."""
    matrix: Path | None
    checkpoint: Path | None
    keep_checkpoint: bool = False

    def __post_init__(self) -> None:
        count = len(self.b)
        self.accumulators = {
            m.name: Accumulators(count, self.top, m.better, self.bins, m.target)
            for m in self.metrics
        }
        self.codes = group_codes(self.a, self.b) if self.exclude else None
        self.files: dict[str, MatrixFile] = {}
        self.notes: list[str] = []
        self.done, self.seconds = 0, 0.0
        self.job: checkpoints.Job | None = None
        self.sums: list[int] = []
        """Checksums of the blocks that are done, in the files of all values."""
        self.between_blocks = True
        """False while a block is being counted: the accumulators are then worth no checkpoint."""

    def resume(self, path: Path) -> None:
        """Resume from a checkpoint, if there is one.

        Raises UnusableCheckpointError for another job's, a damaged one, or one whose values in the
        files are not those that were computed.
        """
        sets = [self.a] if self.plan.same else [self.a, self.b]
        self.job = checkpoints.job_of(sets, self._settings())
        saved = checkpoints.load(path, self.job, len(self.metrics))
        if saved is None:
            return
        found = saved.progress
        first, second, same = self.plan.first, self.plan.second, self.plan.same
        self.plan = Plan(first, second, found.rows, found.columns, same)
        self.done, self.seconds, self.sums = found.done, found.seconds, saved.sums.tolist()
        for metric, state in zip(self.metrics, saved.states, strict=True):
            self.accumulators[metric.name].restore(state)
        if self.matrix is not None:
            self._check_matrix(path)

    def _check_matrix(self, path: Path) -> None:
        """Read what the files of all values hold of the blocks that are done."""
        try:
            self._open_matrix()
            blocks = [block for block, _ in zip(self.plan, range(self.done), strict=False)]
            whole = [one for block in blocks for one in self._sums_of(block)] == self.sums
        except (OSError, ValueError) as error:
            raise checkpoints.UnusableCheckpointError(
                path, f"the values computed so far cannot be read ({error})"
            ) from error
        if not whole:
            raise checkpoints.UnusableCheckpointError(
                path, f"the values in {self.matrix} are not those that were computed"
            )

    def _sums_of(self, block: Block) -> list[int]:
        """The checksum of a block's values in the files, in both directions; none without files.

        Of a set with itself, of the pairs i < j alone: a later block may write the others again.
        """
        rows, columns = slice(block.i0, block.i1), slice(block.j0, block.j1)
        numbers = np.arange(block.i0, block.i1)[:, None], np.arange(block.j0, block.j1)
        own = numbers[0] < numbers[1] if self.plan.same else np.ones((1, 1), bool)
        found = 0
        for file in self.files.values():
            found = file.checksum(rows, columns, own, found)
            if self.plan.same:
                found = file.checksum(columns, rows, own.T, found)
        return [found] if self.files else []

    def _settings(self) -> dict[str, Any]:
        """All that can change the result, besides the frames."""
        return {
            "metrics": [
                (m.name, m.kernel, m.more_alike, m.symmetric, _identity(m)) for m in self.metrics
            ],
            "compat": self.compat,
            "top": self.top,
            "bins": self.bins,
            "exclude": self.exclude,
            "same": self.plan.same,
            "matrix": self.matrix is not None,
        }

    def run(self, progress: Callable[[int, int], None] | None) -> PairResults:
        """Compute all blocks that are not done yet; ``progress`` gets the pairs done and in all."""
        if self.checkpoint is not None:
            self.resume(self.checkpoint)
        blocks = BlockRunner(self.a, self.b, self.runners, self.plan.same, self.notes)
        counted, saved = 0, time.monotonic()
        try:
            if not self.files:
                self._open_matrix()
            for number, block in enumerate(self.plan):
                counted += self.plan.pairs_in(block)
                if number < self.done:
                    continue
                began = time.perf_counter()
                if self._excluded(block):
                    self._finish(self._sums_of(block))
                else:
                    self._take(block, *blocks.values(block))
                self.seconds += time.perf_counter() - began
                if progress is not None:
                    progress(counted, self.plan.pairs)
                if time.monotonic() - saved > SAVE_EVERY_S:
                    self._save()
                    saved = time.monotonic()
        except out_of_memory(OSError) as error:
            raise self._failure(error) from error
        except ConfigError as error:  # a frame that cannot be read
            if self.done:
                raise self._failure(error) from error
            raise
        except BaseException:  # a stop, a metric that fails
            with suppress(OSError):
                self._save()
            raise
        for runner in self.runners:
            if isinstance(runner, KernelRunner) and runner.engine.name.startswith("numba"):
                note_compiled(runner.terms)
        if self.keep_checkpoint:
            self._save()
        elif self.checkpoint is not None:
            self.checkpoint.unlink(missing_ok=True)
        return self.results()

    def _take(self, block: Block, values: Values, back: Values) -> None:
        """Write the values of a block, count them, and let frames choose their neighbours."""
        rows, columns = np.arange(block.i0, block.i1), np.arange(block.j0, block.j1)
        keep = np.ones((rows.size, columns.size), bool)
        if self.codes is not None:
            keep &= self.codes[0][rows][:, None] != self.codes[1][columns]
        for name in self.files:  # first, because it may fail
            self._write(name, block, keep, values[name], back.get(name))
        sums = self._sums_of(block)
        if self.plan.same:
            keep &= rows[:, None] < columns
        self.between_blocks, everything = False, bool(keep.all())

        def kept(found: Floats) -> Floats:
            return found if everything else found[keep]

        def hidden(found: Floats) -> Floats:
            return found if everything else np.where(keep, found, np.nan)

        for metric in self.metrics:
            found, straight = self.accumulators[metric.name], values[metric.name]
            found.count(kept(straight))
            found.nearest.offer(hidden(straight), rows, block.j0)
            if self.plan.same:
                turned = back[metric.name]
                if not metric.symmetric:
                    found.count(kept(turned))
                found.nearest.offer(hidden(turned).T, columns, block.i0)
        self._finish(sums)

    def _finish(self, sums: list[int]) -> None:
        """Count a block as done."""
        self.between_blocks = False
        self.sums += sums
        self.done += 1
        self.between_blocks = True

    def _write(
        self,
        name: str,
        block: Block,
        keep: NDArray[np.bool_],
        straight: Floats,
        turned: Floats | None,
    ) -> None:
        """Put a metric's values into its file; pairs left out are NaN."""
        self.files[name].write(block.i0, block.j0, np.where(keep, straight, np.nan))
        if turned is not None:
            self.files[name].write(block.j0, block.i0, np.where(keep, turned, np.nan).T)

    def _open_matrix(self) -> None:
        if self.matrix is not None:
            shape = (self.plan.first, self.plan.second)
            for metric in self.metrics:
                path = self.matrix / f"{metric.name}.npy"
                try:
                    self.files[metric.name] = MatrixFile(path, shape, fresh=self.done == 0)
                except OSError:
                    if self.done == 0:  # they hold nothing yet, and space may be lacking
                        for file in self.files.values():
                            file.path.unlink(missing_ok=True)
                        path.unlink(missing_ok=True)
                    raise

    def _excluded(self, block: Block) -> bool:
        """Whether all of a block's pairs are of one group."""
        if self.codes is None:
            return False
        both = np.concatenate(
            [self.codes[0][block.i0 : block.i1], self.codes[1][block.j0 : block.j1]]
        )
        return bool((both == both[0]).all())

    def _save(self) -> None:
        if self.checkpoint is not None and self.job is not None and self.between_blocks:
            rows, columns = self.plan.rows, self.plan.columns
            state = checkpoints.Progress(self.job, rows, columns, self.done, self.seconds)
            checkpoints.save(self.checkpoint, state, self.accumulators, self.sums)

    def _failure(self, error: BaseException) -> PairsError:
        """The error to raise instead of the system's, after saving what is done."""
        what = f"comparing frames broke off after {self.done} blocks: {error or 'out of memory'}"
        repair = "free disk space or memory"
        if isinstance(error, ConfigError):
            repair = "mend the file"
        elif isinstance(error, OSError) and error.errno not in FULL:
            repair = "see that the file can be written"
        try:
            self._save()
            kept = "run the same again to go on from there" if self.checkpoint else ""
        except OSError:
            kept = "the checkpoint is that of a few seconds earlier"
        advice = repair + (f"; {kept}" if kept else "")
        return PairsError(f"{what}; {advice}", self.results())

    def results(self) -> PairResults:
        """The results so far."""
        engines = [r.engine.name for r in self.runners if isinstance(r, KernelRunner)]
        plain = [r.metric.name for r in self.runners if isinstance(r, PlainRunner)]
        engines += [f"plain ({', '.join(plain)})"] if plain else []
        pairs = sum(
            self.plan.pairs_in(block)
            for number, block in enumerate(self.plan)
            if number < self.done
        )
        return PairResults(
            metrics={m.name: self._result(m) for m in self.metrics},
            absent=self.absent,
            pairs=pairs,
            engine=" + ".join(engines),
            compat=self.compat,
            seconds=self.seconds,
            shape=self.a.shape,
            notes=tuple(self.notes),
            first=self.a,
            second=self.b,
        )

    def _result(self, metric: PairMetric) -> MetricResult:
        found, file = self.accumulators[metric.name], self.files.get(metric.name)
        nearest = found.nearest
        return MetricResult(
            metric, found.summary(), nearest.values, nearest.indices, file.path if file else None
        )


def _identity(metric: PairMetric) -> str:
    """What a metric computes: its version, or a digest of the plugin that it comes from."""
    registry = installed()
    known = registry.pair_metrics().get(metric.name) is metric
    return registry.identity("metric", metric.name) if known else metric.version
