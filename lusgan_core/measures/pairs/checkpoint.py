"""Checkpoints of a comparison: its job, the blocks that are done, and the values so far.

One .npz file, written beside its place and moved there whole. It belongs to one job: the frames,
metrics and settings that can change the result are digested, and another job's file is refused.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lusgan_core.calls.provenance import digest_bytes, digest_json
from lusgan_core.errors import ConfigError
from lusgan_core.measures.pairs.accumulators import State, Tally
from lusgan_core.measures.pairs.frameset import FrameSet

SAMPLED = 64
"""Frames of each set whose pixels go into the digest, evenly spread."""


class OtherJobError(ConfigError):
    """A checkpoint of a comparison of other frames, metrics or settings."""


@dataclass(frozen=True)
class Progress:
    """The progress of a job."""

    job: str
    """Digest of all that can change the result."""
    rows: int
    columns: int
    """Size of its blocks, which `done` counts."""
    done: int
    seconds: float


def job_digest(sets: Sequence[FrameSet], settings: dict[str, Any]) -> str:
    """Digest a job: settings, number of frames, groups and names, and a sample of the pixels.

    Args:
        sets: The frame sets that are compared.
        settings: All else that can change the result; plain JSON values.

    Returns:
        sha256, in hex.
    """
    parts: list[Any] = [settings]
    for frames in sets:
        places = np.unique(np.linspace(0, len(frames) - 1, SAMPLED).astype(int))
        pixels = [digest_bytes(frames.block(int(i), int(i) + 1).tobytes()) for i in places]
        groups = None if frames.groups is None else [str(group) for group in frames.groups]
        names = None if frames.names is None else list(frames.names)
        parts.append([len(frames), list(frames.shape), pixels, groups, names])
    return digest_json(parts)


def save(path: Path, progress: Progress, tallies: dict[str, Tally]) -> None:
    """Write a checkpoint in place of the one before it, whole or not at all.

    Args:
        path: File to write; its folder is made if missing.
        progress: Progress of the job.
        tallies: Accumulated values by metric.

    Raises:
        OSError: The file cannot be written; the one before it is kept.
    """
    arrays: State = {}
    for number, tally in enumerate(tallies.values()):
        arrays |= {f"{number}.{name}": part for name, part in tally.state().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    try:
        with beside.open("wb") as stream:
            np.savez(stream, progress=np.array(json.dumps(vars(progress))), **arrays)  # type: ignore[arg-type]
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def load(path: Path, job: str, tallies: dict[str, Tally]) -> Progress | None:
    """Read a checkpoint.

    Args:
        path: File that `save` wrote.
        job: Digest of the job that is to be resumed.
        tallies: Tallies of the job by metric, in the same order; restored in place.

    Returns:
        Progress of the job; None if there is no such file.

    Raises:
        ConfigError: The file is damaged.
        OtherJobError: The file belongs to another job.
    """
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            progress = Progress(**json.loads(str(arrays["progress"])))
            states = [
                {
                    name.partition(".")[2]: arrays[name]
                    for name in arrays.files
                    if name.partition(".")[0] == str(number)
                }
                for number in range(len(tallies))
            ]
            if progress.job == job:
                for tally, state in zip(tallies.values(), states, strict=True):
                    tally.restore(state)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ConfigError(
            f"checkpoint {path} cannot be read ({error}): delete it to start over"
        ) from error
    if progress.job != job:
        raise OtherJobError(
            f"checkpoint {path} belongs to a comparison of other frames, metrics or settings: "
            "name another file, or delete it to start over"
        )
    return progress
