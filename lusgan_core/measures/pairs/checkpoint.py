"""Checkpoints of a comparison: its job, the blocks that are done, and the values so far.

One .npz file, written beside its place and moved there whole. It belongs to one job: every frame,
and the metrics and settings that can change the result, are digested, and another job's file is
refused. It also holds a checksum of each block's values in the files of all values, so that a file
that was lost, cut or changed since is not taken for what was computed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.calls.provenance import digest_bytes, digest_json
from lusgan_core.errors import ConfigError
from lusgan_core.measures.pairs.accumulators import Accumulators, State
from lusgan_core.measures.pairs.frameset import FrameSet

TOGETHER = 16
"""Frames that a thread reads and digests at once."""


class UnusableCheckpointError(ConfigError):
    """A checkpoint, or the values it speaks of, from which a comparison cannot go on."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"checkpoint {path}: {reason}; name another file, or delete it to start over"
        )
        self.reason = reason


class OtherJobError(UnusableCheckpointError):
    """A checkpoint of a comparison of other frames, metrics or settings."""


@dataclass(frozen=True)
class Job:
    """What a comparison is of: two checkpoints of equal jobs can be exchanged."""

    settings: str
    """Digest of all that can change the result, besides the frames."""
    shapes: list[list[int]]
    """Number, height, width and channels of the frames of each set."""
    frames: list[str]
    """Digest of each frame with its name and group, one set after the other."""


@dataclass(frozen=True)
class Progress:
    """The progress of a job."""

    job: Job
    rows: int
    columns: int
    """Size of its blocks, which `done` counts."""
    done: int
    seconds: float


def job_of(sets: Sequence[FrameSet], settings: dict[str, Any]) -> Job:
    """Digest a job: its settings, and every frame, with all threads.

    Args:
        sets: The frame sets that are compared.
        settings: All else that can change the result; plain JSON values.

    Returns:
        The job.

    Raises:
        ConfigError: A frame cannot be read.
    """
    shapes = [[len(frames), *frames.shape] for frames in sets]
    digests: list[str] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashing and decoding let others run
        for frames in sets:
            starts = range(0, len(frames), TOGETHER)
            for some in pool.map(lambda start, of=frames: _digests(of, start), starts):
                digests += some
    return Job(digest_json(settings), shapes, digests)


def _digests(frames: FrameSet, start: int) -> list[str]:
    """Digests of a few frames; a name or group that changed counts as well as a pixel."""
    stop = min(start + TOGETHER, len(frames))
    found = []
    for i, pixels in zip(range(start, stop), frames.block(start, stop), strict=True):
        name = None if frames.names is None else frames.names[i]
        group = None if frames.groups is None else str(frames.groups[i])
        found.append(digest_json([digest_bytes(pixels.tobytes()), name, group])[:32])
    return found


def save(
    path: Path, progress: Progress, accumulators: dict[str, Accumulators], sums: Sequence[int]
) -> None:
    """Write a checkpoint in place of the one before it, whole or not at all.

    Args:
        path: File to write; its folder is made if missing.
        progress: Progress of the job.
        accumulators: Accumulated values by metric.
        sums: Checksums of the values of the blocks that are done; empty where none are kept.

    Raises:
        OSError: The file cannot be written; the one before it is kept.
    """
    arrays: State = {"sums": np.array(sums, np.int64)}
    for number, of_metric in enumerate(accumulators.values()):
        arrays |= {f"{number}.{name}": part for name, part in of_metric.state().items()}
    text = json.dumps(vars(progress) | {"job": vars(progress.job)})
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    try:
        with beside.open("wb") as stream:
            np.savez(stream, progress=np.array(text), **arrays)  # type: ignore[arg-type]
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@dataclass(frozen=True)
class Saved:
    """What a checkpoint holds."""

    progress: Progress
    states: list[State]
    """States of the accumulators, in the order of the metrics."""
    sums: NDArray[np.int64]


def load(path: Path, job: Job, metrics: int) -> Saved | None:
    """Read a checkpoint.

    Args:
        path: File that `save` wrote.
        job: The job that is to be resumed.
        metrics: Its number of metrics.

    Returns:
        What it holds; None if there is no such file.

    Raises:
        UnusableCheckpointError: The file is damaged.
        OtherJobError: The file belongs to another job.
    """
    if not path.exists():
        return None
    try:
        saved = _read(path, metrics)
    except Exception as error:  # a damaged zip or array raises whatever it likes
        raise UnusableCheckpointError(
            path, f"it is damaged ({type(error).__name__}: {error})"
        ) from error
    difference = _difference(saved.progress.job, job)
    if difference is not None:
        raise OtherJobError(path, f"it belongs to a comparison of other {difference}")
    return saved


def _difference(found: Job, job: Job) -> str | None:
    if found.settings != job.settings:
        return "metrics or settings"
    if found.shapes != job.shapes:
        return "images, in number or size"
    changed = sum(one != other for one, other in zip(found.frames, job.frames, strict=True))
    return f"images: {changed:,} of {len(job.frames):,} have changed since" if changed else None


def _read(path: Path, metrics: int) -> Saved:
    with np.load(path, allow_pickle=False) as arrays:
        content = json.loads(str(arrays["progress"]))
        content["job"] = Job(**content["job"])
        states: list[State] = [{} for _ in range(metrics)]
        for name in arrays.files:
            number, dot, part = name.partition(".")
            if dot and int(number) < metrics:
                states[int(number)][part] = arrays[name]
        return Saved(Progress(**content), states, arrays["sums"])
