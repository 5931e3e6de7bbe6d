"""Compares frames by any installed metric, pair by pair or as a whole set."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import PairMetric
from lusgan_core.calls.call import data_of
from lusgan_core.calls.section import Measured
from lusgan_core.errors import InputError
from lusgan_core.evaluation.stage import EvaluationRecord
from lusgan_core.library.inputs import FrameSource, check_frames, settings
from lusgan_core.library.progress import shown
from lusgan_core.library.scratch_store import scratch_store
from lusgan_core.presets import DEFAULT_PRESET
from lusgan_core.progress import track
from lusgan_core.registry import installed

Values = NDArray[np.float64]
Several = list[str | PairMetric] | list[str] | tuple[str | PairMetric, ...]
"""Several metrics, by name or as records."""


@overload
def compare(
    a: FrameSource,
    b: FrameSource | None = None,
    metrics: str | PairMetric = "ssim",
    *,
    device: str = "cpu",
    threads: int | None = None,
    progress: bool = False,
) -> Values: ...


@overload
def compare(
    a: FrameSource,
    b: FrameSource | None,
    metrics: Several,
    *,
    device: str = "cpu",
    threads: int | None = None,
    progress: bool = False,
) -> dict[str, Values]: ...


@overload
def compare(
    a: FrameSource,
    b: FrameSource | None = None,
    *,
    metrics: Several,
    device: str = "cpu",
    threads: int | None = None,
    progress: bool = False,
) -> dict[str, Values]: ...


def compare(
    a: FrameSource,
    b: FrameSource | None = None,
    metrics: str | PairMetric | Sequence[str | PairMetric] = "ssim",
    *,
    device: str = "cpu",
    threads: int | None = None,
    progress: bool = False,
) -> Values | dict[str, Values]:
    """Compare every frame of one set with every frame of another, or of the same.

    Args:
        a: The first frames, (N, H, W) or (N, H, W, 3) uint8: the reference of directed metrics.
            Also a list of images, or a folder of image files.
        b: The second frames, (M, H, W[, 3]) of the same size; None compares ``a`` with itself.
        metrics: A metric by name, as ``plugins`` lists them, or a record of your own; or several.
        device: Where built-in metrics run: ``cpu``, ``cuda`` ...; ``auto`` takes a GPU if any.
        threads: CPU threads; None for all cores.
        progress: Whether to show the progress on stderr.

    Returns:
        (N, M) float64, the value of a[i] and b[j] at [i, j]; of several metrics a dict of such
        arrays by name. Of a set with itself the diagonal holds each frame beside itself.

    Raises:
        InputError: The frames are of another type, or a metric does not apply to them.
        ConfigError: The sizes of both sets differ, or no metric applies.
        UnknownPluginError: A metric is not installed.
    """
    from lusgan_core.measures.pairs.compare import compare_sets
    from lusgan_core.measures.pairs.frameset import FrameSet

    single = isinstance(metrics, str | PairMetric)
    asked = [metrics] if isinstance(metrics, str | PairMetric) else [*metrics]
    first = FrameSet(check_frames(a, "a", least=2 if b is None else 1))
    second = None if b is None else FrameSet(check_frames(b, "b"))
    with (
        tempfile.TemporaryDirectory(prefix="lusgan-") as folder,
        shown(progress),
        track("compare", 0, "pairs") as task,
    ):

        def advance(done: int, total: int) -> None:
            task.total = total
            task.update(done)

        found = compare_sets(
            first,
            second,
            asked,
            top=1,
            matrix=Path(folder),
            device=device,
            threads=threads,
            progress=advance,
        )
        for name, reason in found.absent.items():
            raise InputError(f"the metric {name} does not apply to these frames: {reason}")
        values = {name: np.load(Path(folder) / f"{name}.npy") for name in found.metrics}
    return next(iter(values.values())) if single else values


def evaluate(
    synthetic: FrameSource,
    real: FrameSource,
    *,
    metrics: str | Sequence[str] | None = None,
    groups: Sequence[Any] | NDArray[Any] | None = None,
    held_out: Sequence[bool] | NDArray[np.bool_] | None = None,
    device: str = "auto",
    threads: int | None = None,
    progress: bool = True,
    **options: Any,
) -> tuple[Measured, ...]:
    """Measure synthetic frames beside real ones, as the report does.

    Args:
        synthetic: (M, H, W) or (M, H, W, 3) uint8, at least 2.
        real: (N, H, W[, 3]) of the same size, at least 2.
        metrics: Metrics on pairs of frames and on sets of them, by name; None: every one that is
            installed and applies.
        groups: (N,) labels, of which patient (or clip) each real frame is. The floor of a value is
            that between real frames of different groups; None: there is no floor, and distances
            that leave out pairs of frames of one patient, such as KID, are absent.
        held_out: (N,) bool, true for real frames that the model was not trained on.
        device: Where metrics run: ``cpu``, ``cuda`` ...; ``auto`` takes a GPU if there is one.
        threads: CPU threads; None for all cores.
        progress: Whether to show the progress on stderr.
        **options: Options of the evaluation by name: ``among_frames``, ``real_frames`` ...

    Returns:
        Measured values: for each metric and each two sides (``between``) its ``mean``, ``sd``,
        ``min`` and ``max``, with the number of pairs and the floor. Single values between the
        ``first synthetic`` frame and the next ones are the report's Table 1. Distances between
        sets (``kid/random``) are single values between ``held-out`` and ``synthetic`` (without
        held-out frames there are none) and between ``training`` and ``synthetic``.

    Raises:
        InputError: The frames are of another type, labels do not fit them, or a metric that is
            named does not apply to them.
        ConfigError: Sizes differ, or an option is unknown or out of bounds.
        UnknownPluginError: A metric is not installed.
    """
    from lusgan_core.evaluation import stage

    ours, theirs = check_frames(synthetic, "synthetic", 2), check_frames(real, "real", 2)
    chosen = evaluation_options(metrics, options)
    with shown(progress), scratch_store(device, threads) as stages:
        selected, _ = stages.real(theirs, 0, groups, held_out)
        generated = stages.synthetic(ours, 0)
        made = stages.one(stage.call(selected, generated, chosen, installed()))
    record = data_of(made, EvaluationRecord)
    named = {installed().metric(name).title for name in chosen.metrics}
    for title, reason in record.absent.items():
        if title in named or title.rpartition(" (")[0] in named:  # on features: KID (random)
            raise InputError(f"the metric {title} does not apply to these frames: {reason}")
    return record.values


def evaluation_options(metrics: str | Sequence[str] | None, options: dict[str, Any]) -> Any:
    """Resolve the options of an evaluation.

    Args:
        metrics: Metrics by name; None for all that are installed.
        options: Other options by name.

    Returns:
        The ``EvaluationOptions``, complete and validated.

    Raises:
        ConfigError: An option is unknown or out of bounds.
        UnknownPluginError: A metric is not installed.
    """
    from lusgan_core.config import resolve

    names = [metrics] if isinstance(metrics, str) else list(metrics or ())
    asked = settings("evaluation", {"metrics": names, **options})
    return resolve(DEFAULT_PRESET, installed(), settings=asked).evaluation
