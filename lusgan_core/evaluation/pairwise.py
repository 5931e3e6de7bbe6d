"""All pairs of two sets of frames, or of one set with itself, under any mix of metrics.

The comparison streams: blocks of pairs are computed one after another, and of each only what
`tally` keeps is left, so that memory does not grow with the number of frames. Metrics that name a
kernel are computed together by an engine (`engines` chooses it); others compute themselves.

    a = FrameSet(real, groups=clips)                    # (N, H, W) uint8, an array or a memory map
    b = FrameSet(synthetic)
    found = compare_sets(a, b, ["psnr", "msssim", my_metric], top=5)
    found.metrics["msssim"].summary.mean
    found.nearest("msssim", 0)                          # the five most like synthetic frame 0

The direction matters for some metrics (RASE, PSNR-B, ERGAS, VIF): a value is always
value(a_i, b_j), the first set being the reference. Of one set with itself a symmetric metric is
counted once a pair, a directed one in both directions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lusgan_core.api import PairMetric
from lusgan_core.errors import ConfigError, UnknownNameError
from lusgan_core.evaluation import checkpoint as checkpoints
from lusgan_core.evaluation.blocks import MEMORY_BYTES, Block, Plan, make_plan
from lusgan_core.evaluation.engines import Choice, check_device, make_engine
from lusgan_core.evaluation.formulas import KERNELS, check_compat
from lusgan_core.evaluation.frameset import FrameSet, group_codes
from lusgan_core.evaluation.matrix import MatrixFile
from lusgan_core.evaluation.results import MetricResult, PairResults, PairsError
from lusgan_core.evaluation.runners import KernelRunner, PlainRunner, make_runners, smallest_side
from lusgan_core.evaluation.tally import Tally
from lusgan_core.evaluation.workbench import Workbench
from lusgan_core.registry import installed

SAVE_EVERY_S = 5.0
"""Seconds between two writes of the checkpoint."""


def compare_sets(
    a: FrameSet,
    b: FrameSet | None,
    metrics: Sequence[PairMetric | str],
    *,
    top: int = 5,
    histogram_bins: int = 64,
    matrix: Path | None = None,
    device: str = "cpu",
    threads: int | None = None,
    compat: str = "0.4.10",
    exclude_same_group: bool = False,
    progress: Callable[[int, int], None] | None = None,
    checkpoint: Path | None = None,
    engine: Choice = "auto",
    block: tuple[int, int] | None = None,
) -> PairResults:
    """Compare every frame of ``a`` with every frame of ``b``, or of ``a`` with each other.

    ``metrics`` are records or names of installed ones. ``top`` neighbours are kept of each frame
    of ``b`` among ``a``. ``matrix`` is a folder for one .npy file a metric with all values, the
    rows being ``a``. ``threads`` defaults to all cores. ``compat`` is the version of sewar whose
    values the kernels give. ``exclude_same_group`` leaves out pairs of one group (clip).
    ``progress`` hears of pairs done and in all. With a ``checkpoint`` file the same call goes on
    where an earlier one broke off; the file goes when all is done. ``engine`` and ``block`` (rows
    and columns) are chosen by themselves unless given.

    Metrics that do not apply to these frames (too small, grey where colour is needed) are named
    in ``absent``. Raises ConfigError for frames, metrics or settings that cannot be used, and
    PairsError, with the results so far, when the disk fills up or memory does not suffice.
    """
    version, device = check_compat(compat), check_device(device)
    second = a if b is None else b
    shape = _common_shape(a, second)
    usable, absent = _applicable(_records(metrics), shape)
    pixels = len(a) * len(second) * shape[0] * shape[1]
    runners = make_runners(
        usable,
        shape[2],
        version,
        lambda t: make_engine(t, version, device, threads, pixels, engine),
    )
    plan = _plan(a, b, runners, shape, block, device)
    job = _Job(a, second, plan, usable, runners, top, histogram_bins, exclude_same_group)
    settings = {
        "metrics": [(m.name, m.kernel, m.better, m.symmetric) for m in usable],
        "compat": version,
        "top": top,
        "bins": histogram_bins,
        "exclude": exclude_same_group,
        "same": b is None,
        "matrix": matrix is not None,
    }
    job.absent, job.compat, job.matrix, job.checkpoint = absent, version, matrix, checkpoint
    if checkpoint is not None:
        job.resume(checkpoints.job_digest([a, second], settings))
    return job.run(progress)


class _Job:
    """One comparison under way."""

    def __init__(
        self,
        a: FrameSet,
        b: FrameSet,
        plan: Plan,
        metrics: Sequence[PairMetric],
        runners: Sequence[KernelRunner | PlainRunner],
        top: int,
        bins: int,
        exclude: bool,
    ) -> None:
        if top < 1 or bins < 2:
            raise ConfigError("top must be at least 1 and histogram_bins at least 2")
        self.a, self.b, self.plan, self.metrics, self.runners = a, b, plan, metrics, runners
        self.tallies = {m.name: Tally(len(b), top, m.better, bins) for m in metrics}
        self.codes = group_codes(a, b) if exclude else None
        self.done, self.seconds, self.digest = 0, 0.0, ""
        self.notes: list[str] = []
        self.files: dict[str, MatrixFile] = {}
        self.absent: dict[str, str] = {}
        self.compat = ""
        self.matrix: Path | None = None
        self.checkpoint: Path | None = None

    def resume(self, digest: str) -> None:
        """Go on from the checkpoint, if there is one."""
        assert self.checkpoint is not None
        self.digest = digest
        found = checkpoints.load(self.checkpoint, digest, self.tallies)
        if found is not None:
            first, second, same = self.plan.first, self.plan.second, self.plan.same
            self.plan = Plan(first, second, found.rows, found.columns, same)
            self.done, self.seconds = found.done, found.seconds

    def run(self, progress: Callable[[int, int], None] | None) -> PairResults:
        """Compute all blocks that are not done yet."""
        bench = Workbench(self.a, self.b, self.runners, self.plan.same, self.notes)
        counted, saved = 0, time.monotonic()
        try:
            self._open_matrix()
            for number, block in enumerate(self.plan):
                counted += self.plan.pairs_in(block)
                if number < self.done:
                    continue
                began = time.perf_counter()
                if not self._excluded(block):
                    self._take(block, *bench.values(block))
                self.seconds += time.perf_counter() - began
                self.done += 1
                if progress is not None:
                    progress(counted, self.plan.pairs)
                if time.monotonic() - saved > SAVE_EVERY_S:
                    self._save()
                    saved = time.monotonic()
        except (OSError, torch.OutOfMemoryError, MemoryError) as error:
            raise self._failure(error) from error
        except BaseException:  # a stop, a frame that cannot be read, a metric that fails
            with suppress(OSError):
                self._save()
            raise
        if self.checkpoint is not None:
            self.checkpoint.unlink(missing_ok=True)
        return self.results()

    def _take(
        self,
        block: Block,
        values: dict[str, NDArray[np.float64]],
        back: dict[str, NDArray[np.float64]],
    ) -> None:
        """Count the values of a block, and let frames choose their neighbours among it."""
        rows, columns = np.arange(block.i0, block.i1), np.arange(block.j0, block.j1)
        keep: NDArray[np.bool_] | None = None
        if self.plan.same:
            keep = rows[:, None] < columns
        if self.codes is not None:
            other = self.codes[0][rows][:, None] != self.codes[1][columns]
            keep = other if keep is None else keep & other
        for metric in self.metrics:
            tally, straight = self.tallies[metric.name], values[metric.name]
            if metric.name in self.files:
                self._write(metric.name, block, straight, back.get(metric.name))
            kept = straight if keep is None else np.where(keep, straight, np.nan)
            tally.count(straight if keep is None else straight[keep])
            tally.nearest.offer(kept, rows, block.j0)
            if self.plan.same and keep is not None:
                turned = back[metric.name]
                if not metric.symmetric:
                    tally.count(turned[keep])
                tally.nearest.offer(np.where(keep, turned, np.nan).T, columns, block.i0)

    def _write(
        self,
        name: str,
        block: Block,
        straight: NDArray[np.float64],
        turned: NDArray[np.float64] | None,
    ) -> None:
        if self.codes is not None:
            same = self.codes[0][block.i0 : block.i1, None] == self.codes[1][block.j0 : block.j1]
            straight = np.where(same, np.nan, straight)
            turned = None if turned is None else np.where(same, np.nan, turned)
        self.files[name].write(block.i0, block.j0, straight)
        if turned is not None:
            self.files[name].write(block.j0, block.i0, turned.T)

    def _open_matrix(self) -> None:
        if self.matrix is not None:
            shape = (self.plan.first, self.plan.second)
            for metric in self.metrics:
                path = self.matrix / f"{metric.name}.npy"
                self.files[metric.name] = MatrixFile(path, shape, fresh=self.done == 0)

    def _excluded(self, block: Block) -> bool:
        """Whether all of a block's pairs are of one group."""
        if self.codes is None:
            return False
        both = np.concatenate(
            [self.codes[0][block.i0 : block.i1], self.codes[1][block.j0 : block.j1]]
        )
        return bool((both == both[0]).all())

    def _save(self) -> None:
        if self.checkpoint is not None:
            rows, columns = self.plan.rows, self.plan.columns
            state = checkpoints.Progress(self.digest, rows, columns, self.done, self.seconds)
            checkpoints.save(self.checkpoint, state, self.tallies)

    def _failure(self, error: BaseException) -> PairsError:
        """What to raise instead of an error of the system, with what is done saved."""
        what = f"comparing frames broke off after {self.done} blocks: {error or 'out of memory'}"
        try:
            self._save()
            kept = "run the same again to go on from there" if self.checkpoint else ""
        except OSError:
            kept = "the checkpoint is that of a few seconds earlier"
        advice = "free disk space or memory" + (f"; {kept}" if kept else "")
        return PairsError(f"{what}; {advice}", self.results())

    def results(self) -> PairResults:
        """All that is known so far."""
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


def _records(metrics: Sequence[PairMetric | str]) -> list[PairMetric]:
    records = [installed().pair_metric(m) if isinstance(m, str) else m for m in metrics]
    for record in records:
        if record.kernel is not None and record.kernel not in KERNELS:
            raise UnknownNameError("kernel", record.kernel, KERNELS, f"metric {record.name!r}")
    names = [record.name for record in records]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        raise ConfigError(
            f"metrics named twice: {', '.join(twice)}" if twice else "no metric given"
        )
    return records


def _common_shape(a: FrameSet, b: FrameSet) -> tuple[int, int, int]:
    if a.shape != b.shape:
        raise ConfigError(
            f"frames of {_spell(a.shape)} cannot be compared with frames of {_spell(b.shape)}: "
            "bring both sets to one size"
        )
    return a.shape


def _applicable(
    metrics: Sequence[PairMetric], shape: tuple[int, int, int]
) -> tuple[list[PairMetric], dict[str, str]]:
    usable, absent = [], {}
    for metric in metrics:
        least = smallest_side(metric)
        if min(shape[:2]) < least:
            absent[metric.name] = f"needs {least} pixels a side, frames are {_spell(shape)}"
        elif shape[2] not in metric.channels:
            absent[metric.name] = f"needs {_colours(metric)}, frames are {_spell(shape)}"
        else:
            usable.append(metric)
    if not usable:
        reasons = "; ".join(f"{name} {reason}" for name, reason in absent.items())
        raise ConfigError(f"no metric applies to these frames: {reasons}")
    return usable, absent


def _plan(
    a: FrameSet,
    b: FrameSet | None,
    runners: Sequence[KernelRunner | PlainRunner],
    shape: tuple[int, int, int],
    block: tuple[int, int] | None,
    device: str,
) -> Plan:
    size = sum(
        r.engine.bytes_per_frame(*shape) if isinstance(r, KernelRunner) else 16 * np.prod(shape)
        for r in runners
    )
    rows = max([r.engine.rows for r in runners if isinstance(r, KernelRunner)], default=16)
    if any(isinstance(r, PlainRunner) and r.slow for r in runners):
        rows = (
            1  # milliseconds a pair: small blocks, so that progress shows and a stop loses little
        )
    memory = MEMORY_BYTES
    if device.startswith("cuda"):
        memory = torch.cuda.mem_get_info(torch.device(device))[0] // 2
    plan = make_plan(len(a), None if b is None else len(b), int(size), rows, memory)
    if block is None:
        return plan
    if min(block) < 1:
        raise ConfigError(f"a block of {block[0]} x {block[1]} pairs: both must be at least 1")
    return Plan(plan.first, plan.second, block[0], block[1], plan.same)


def _spell(shape: tuple[int, int, int]) -> str:
    return f"{shape[0]} x {shape[1]} {'grey' if shape[2] == 1 else 'RGB'}"


def _colours(metric: PairMetric) -> str:
    return " or ".join("grey" if c == 1 else "RGB" for c in sorted(metric.channels))
