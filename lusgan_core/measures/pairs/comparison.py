"""One comparison under way: adds blocks to the tallies, saves its progress, and can resume."""

from __future__ import annotations

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
from lusgan_core.measures.pairs.accumulators import Tally
from lusgan_core.measures.pairs.block_runner import Workbench
from lusgan_core.measures.pairs.blocks import Block, Plan
from lusgan_core.measures.pairs.engines import note_compiled
from lusgan_core.measures.pairs.formulas import Compat, Floats
from lusgan_core.measures.pairs.frameset import FrameSet, group_codes
from lusgan_core.measures.pairs.matrix import MatrixFile
from lusgan_core.measures.pairs.memory import out_of_memory
from lusgan_core.measures.pairs.results import MetricResult, PairResults, PairsError
from lusgan_core.measures.pairs.runners import KernelRunner, PlainRunner, Values

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
        self.tallies = {m.name: Tally(count, self.top, m.better, self.bins) for m in self.metrics}
        self.codes = group_codes(self.a, self.b) if self.exclude else None
        self.files: dict[str, MatrixFile] = {}
        self.notes: list[str] = []
        self.done, self.seconds, self.digest = 0, 0.0, ""
        self.between_blocks = True
        """False while a block is being counted: the tallies are then worth no checkpoint."""

    def resume(self, path: Path) -> None:
        """Resume from a checkpoint, if there is one; raises ConfigError for another job's."""
        self.digest = checkpoints.job_digest([self.a, self.b], self._settings())
        found = checkpoints.load(path, self.digest, self.tallies)
        if found is not None:
            first, second, same = self.plan.first, self.plan.second, self.plan.same
            self.plan = Plan(first, second, found.rows, found.columns, same)
            self.done, self.seconds = found.done, found.seconds

    def _settings(self) -> dict[str, Any]:
        """All that can change the result, besides the frames."""
        return {
            "metrics": [(m.name, m.kernel, m.better, m.symmetric) for m in self.metrics],
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
        bench = Workbench(self.a, self.b, self.runners, self.plan.same, self.notes)
        counted, saved = 0, time.monotonic()
        try:
            self._open_matrix()
            for number, block in enumerate(self.plan):
                counted += self.plan.pairs_in(block)
                if number < self.done:
                    continue
                began = time.perf_counter()
                if self._excluded(block):
                    self.done += 1
                else:
                    self._take(block, *bench.values(block))
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
        if self.plan.same:
            keep &= rows[:, None] < columns
        self.between_blocks, everything = False, bool(keep.all())

        def kept(found: Floats) -> Floats:
            return found if everything else found[keep]

        def hidden(found: Floats) -> Floats:
            return found if everything else np.where(keep, found, np.nan)

        for metric in self.metrics:
            tally, straight = self.tallies[metric.name], values[metric.name]
            tally.count(kept(straight))
            tally.nearest.offer(hidden(straight), rows, block.j0)
            if self.plan.same:
                turned = back[metric.name]
                if not metric.symmetric:
                    tally.count(kept(turned))
                tally.nearest.offer(hidden(turned).T, columns, block.i0)
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
        if self.checkpoint is not None and self.between_blocks:
            rows, columns = self.plan.rows, self.plan.columns
            state = checkpoints.Progress(self.digest, rows, columns, self.done, self.seconds)
            checkpoints.save(self.checkpoint, state, self.tallies)

    def _failure(self, error: BaseException) -> PairsError:
        """The error to raise instead of the system's, after saving what is done."""
        what = f"comparing frames broke off after {self.done} blocks: {error or 'out of memory'}"
        repair = "mend the file" if isinstance(error, ConfigError) else "free disk space or memory"
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
        )

    def _result(self, metric: PairMetric) -> MetricResult:
        tally, file = self.tallies[metric.name], self.files.get(metric.name)
        nearest = tally.nearest
        return MetricResult(
            metric, tally.summary(), nearest.values, nearest.indices, file.path if file else None
        )
