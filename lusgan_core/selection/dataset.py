"""The frames of one score, in memory.

Frames stay uint8 until a network reads them: 14,000 of 256 x 256 take 0.92 GB, so that training
never waits for the disk.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lusgan_core.calls.records import damage, digits
from lusgan_core.errors import DamagedError
from lusgan_core.preprocessing.shard import BrokenShardError, frames_digest, read_shard_frames
from lusgan_core.selection.stage import ClipFrames
from lusgan_core.store import Store


def load_frames(
    store: Store, clips: Sequence[ClipFrames], score: int, most: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Read the frames of one score from the shards of some clips.

    Args:
        store: Where the shards are.
        clips: The clips, each with its number of frames of this score.
        score: Severity score, 0..3.
        most: Largest number of frames to keep, at equal distances over all of them, so that every
            clip has its share; None keeps all.

    Returns:
        The frames (N, S, S) or (N, S, S, 3) uint8; for each the number of its clip in ``clips``,
        (N,) int64; and its number among this score's frames in that clip, (N,) int64.

    Raises:
        MissingArtifactError: A shard is not in the store.
        DamagedError: Shards are damaged, which were all set aside.
        StoreError: A shard cannot be read.
    """
    total = sum(clip.frames for clip in clips)
    kept = np.arange(total)
    if most is not None and most < total:
        kept = np.linspace(0, total - 1, most).round().astype(np.int64)
    out: NDArray[np.uint8] | None = None
    owners, numbers = np.empty((2, len(kept)), np.int64)
    first = filled = 0
    damaged: list[DamagedError] = []
    for number, clip in enumerate(clips):
        wanted = kept[(kept >= first) & (kept < first + clip.frames)] - first
        first += clip.frames
        if not len(wanted):
            continue
        try:
            frames = clip_frames(store, clip, score)
        except DamagedError as error:
            damaged.append(error)
            continue
        if out is None:
            out = np.empty((len(kept), *frames.shape[1:]), np.uint8)
        out[filled : filled + len(wanted)] = frames[wanted]
        owners[filled : filled + len(wanted)] = number
        numbers[filled : filled + len(wanted)] = wanted
        filled += len(wanted)
    if damaged:
        more = f" (and {len(damaged) - 1} more shards)" if len(damaged) > 1 else ""
        raise DamagedError(f"{damaged[0]}{more}")
    return (np.empty((0, 0, 0), np.uint8) if out is None else out), owners, numbers


def clip_frames(store: Store, clip: ClipFrames, score: int) -> NDArray[np.uint8]:
    """Read the frames of one score from a clip's shard, and check their digest.

    Args:
        store: Where the shard is.
        clip: The clip, with the digest of its frames of this score.
        score: Severity score, 0..3.

    Returns:
        (N, S, S) or (N, S, S, 3) uint8.

    Raises:
        MissingArtifactError: The shard is not in the store.
        DamagedError: It is damaged, and was set aside.
        StoreError: It cannot be read.
    """
    expected = f"{clip.frames} frames of score {score}, {digits(clip.digest)}"
    try:
        with store.local_copy(clip.key) as path:
            frames = read_shard_frames(path, score)
    except (BrokenShardError, ValueError, TypeError, IndexError, MemoryError) as error:
        why = str(error).partition(";")[0]
        raise damage(store, clip.key, expected, f"a file that does not open: {why}") from None
    found = frames_digest(frames)
    if found != clip.digest:
        what = f"{len(frames)} frames, {digits(found)}"
        raise damage(store, clip.key, expected, what)
    return frames
