"""All pairs of two sets of frames, or of one set with itself, under any mix of metrics.

The comparison streams: blocks of pairs are computed one after another, and each leaves only what
`accumulators` keep, so that memory does not grow with the number of pairs. Metrics that name a
kernel are computed together by an engine (`engines` chooses it); others compute themselves.

    a = FrameSet(real, groups=clips)                    # (N, H, W) uint8, an array or a memory map
    b = FrameSet(synthetic)
    found = compare_sets(a, b, ["psnr", "msssim", my_metric], top=5)
    found.metrics["msssim"].summary.mean
    found.nearest("msssim", 0)                          # the 5 most similar to synthetic frame 0

The direction matters for some metrics (RASE, PSNR-B, ERGAS, VIF): a value is always
value(a_i, b_j), the first set being the reference. Of one set with itself a symmetric metric is
counted once a pair, a directed one in both directions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lusgan_core.api import PairMetric
from lusgan_core.errors import ConfigError, UnknownNameError
from lusgan_core.measures.bound import bound
from lusgan_core.measures.pairs.blocks import MEMORY_BYTES, Plan, make_plan
from lusgan_core.measures.pairs.comparison import Comparison
from lusgan_core.measures.pairs.engines import Choice, check_device, make_engine
from lusgan_core.measures.pairs.formulas import KERNELS, check_compat
from lusgan_core.measures.pairs.frameset import FrameSet
from lusgan_core.measures.pairs.results import PairResults
from lusgan_core.measures.pairs.runners import (
    KernelRunner,
    MetricError,
    PlainRunner,
    make_runners,
    smallest_side,
)
from lusgan_core.registry import installed


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
    keep_checkpoint: bool = False,
    engine: Choice = "auto",
    block: tuple[int, int] | None = None,
    may_fail: Set[str] = frozenset(),
    metric_options: Mapping[str, Mapping[str, Any]] | None = None,
) -> PairResults:
    """Compare every frame of one set with every frame of another, or of the same.

    Metrics that do not apply to these frames (too small, grey where colour is needed) are named in
    ``absent``, and so are those of ``may_fail`` that failed, without which the comparison is begun
    anew. With a checkpoint file, the same call resumes where an earlier one broke off.

    Args:
        a: The first frames, the reference of directed metrics.
        b: The second frames; None to compare the frames of ``a`` with each other.
        metrics: Pair metrics, as records or names of installed ones; those with options that are
            not bound to any (see ``bound``) take their defaults.
        top: Neighbours among ``a`` that are kept of each frame of ``b``, at least 1.
        histogram_bins: Largest number of bins of a metric's histogram, at least 2.
        matrix: Folder for the values of all pairs, a .npy file a metric, (len(a), len(b)) float64;
            None to keep no values.
        device: ``cpu``, ``cuda``, ``cuda:1`` ...; ``auto`` takes a GPU if there is one.
        threads: Threads on the CPU; None for all cores.
        compat: Version of sewar whose values the kernels give.
        exclude_same_group: Whether to leave out pairs of frames of one group, e.g. a clip.
        progress: Called with the number of pairs done and of all pairs; None to report nothing.
        checkpoint: File for the state of the comparison, which is deleted at the end; None to keep
            none.
        keep_checkpoint: Whether to keep the checkpoint, so that the same call later returns at
            once.
        engine: What computes the kernels; ``auto`` chooses by the size of the job.
        block: Rows and columns of a block; None to choose them by the memory.
        metric_options: Options of metrics by name; those not named take their defaults.
        may_fail: Names of metrics that nobody asked for by name, and that may therefore fail.

    Returns:
        Summaries, neighbours and files of all metrics that apply.

    Raises:
        ConfigError: The frames, metrics or settings cannot be used.
        PairsError: The disk is full, memory does not suffice or a frame cannot be read; it holds
            the results so far.
        PluginError: A metric of a plugin failed that may not.
    """
    if may_fail:
        return _without_failing(
            a, b, metrics, may_fail,
            top=top, histogram_bins=histogram_bins, matrix=matrix, device=device, threads=threads,
            compat=compat, exclude_same_group=exclude_same_group, progress=progress,
            checkpoint=checkpoint, keep_checkpoint=keep_checkpoint, engine=engine, block=block,
            metric_options=metric_options,
        )  # fmt: skip
    if top < 1 or histogram_bins < 2:
        raise ConfigError("top must be at least 1 and histogram_bins at least 2")
    version, device = check_compat(compat), check_device(device)
    second = a if b is None else b
    shape = _common_shape(a, second)
    usable, absent = _applicable(_records(metrics, device, metric_options or {}), shape)
    pixels = len(a) * len(second) * shape[0] * shape[1]
    runners = make_runners(
        usable,
        shape[2],
        version,
        lambda t: make_engine(t, version, device, threads, pixels, engine),
    )
    plan = _plan(a, b, runners, shape, block, device)
    return Comparison(
        a,
        second,
        plan,
        usable,
        runners,
        absent,
        version,
        top,
        histogram_bins,
        exclude_same_group,
        matrix,
        checkpoint,
        keep_checkpoint,
    ).run(progress)


def _without_failing(
    a: FrameSet,
    b: FrameSet | None,
    metrics: Sequence[PairMetric | str],
    may_fail: Set[str],
    **how: Any,
) -> PairResults:
    """Compare, and begin anew without a metric that fails, if it may."""
    left = [installed().pair_metric(m) if isinstance(m, str) else m for m in metrics]
    absent: dict[str, str] = {}
    for metric in left:
        if metric.name in may_fail and metric.kernel not in (None, *KERNELS):
            absent[metric.name] = f"names the kernel {metric.kernel!r}, which there is not"
    while True:
        left = [metric for metric in left if metric.name not in absent]
        try:
            found = compare_sets(a, b, left, **how)
        except MetricError as error:
            if error.metric not in may_fail or len(left) == 1:
                raise
            absent[error.metric] = error.reason
            if how["checkpoint"] is not None:  # it counts values of the metric that failed
                how["checkpoint"].unlink(missing_ok=True)
        else:
            return replace(found, absent=found.absent | absent)


def _records(
    metrics: Sequence[PairMetric | str], device: str, options: Mapping[str, Mapping[str, Any]]
) -> list[PairMetric]:
    named = [installed().pair_metric(m) if isinstance(m, str) else m for m in metrics]
    records = [bound(metric, options.get(metric.name), device) for metric in named]
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
        colours = a.shape[:2] == b.shape[:2]
        raise ConfigError(
            f"frames of {_spell(a.shape)} cannot be compared with frames of {_spell(b.shape)}: "
            + ("save both sets in grey, or in RGB" if colours else "bring both sets to one size")
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
        import torch

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
