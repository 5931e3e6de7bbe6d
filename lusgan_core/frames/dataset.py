"""The frames of one score: which they are, and how they are brought to memory.

Frames stay uint8 until a network sees them: 14,000 of 256 x 256 take 0.92 GB, so nothing ever
waits for disk while training.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lusgan_core.domain import Record, ShardRecord
from lusgan_core.frames.shard import read_shard_frames
from lusgan_core.provenance import digest_json
from lusgan_core.store import Store


class ClipFrames(Record):
    """The frames of one score in one clip's shard."""

    patient: str
    clip: str
    key: str
    """Key of the shard in the store."""
    frames: int
    digest: str
    """Over these very frames, so that other frames of the clip may change."""


class ScoreDataset(Record):
    """All frames of one score: those of patients to train on, and of patients held out."""

    score: int
    training: tuple[ClipFrames, ...]
    held_out: tuple[ClipFrames, ...]

    @property
    def training_frames(self) -> int:
        """Number of frames to train on."""
        return sum(clip.frames for clip in self.training)

    @property
    def held_out_frames(self) -> int:
        """Number of frames held out."""
        return sum(clip.frames for clip in self.held_out)

    @property
    def frames_digest(self) -> str:
        """Over the frames to train on: what a training depends on."""
        return digest_json([[clip.clip, clip.digest] for clip in self.training])

    @property
    def real_digest(self) -> str:
        """Over the frames of both sides and where they are: what an evaluation depends on."""
        sides = (self.training, self.held_out)
        return digest_json([[[clip.key, clip.digest] for clip in side] for side in sides])


def score_dataset(
    shards: Sequence[ShardRecord], score: int, held_out: frozenset[str]
) -> ScoreDataset:
    """Pick a score's frames, clips in the order of patient, exam and name."""
    sides: dict[bool, list[ClipFrames]] = {False: [], True: []}
    for shard in sorted(shards, key=lambda s: (s.patient, s.exam, s.clip)):
        count = shard.by_score.get(score)
        if count is not None:
            sides[shard.patient in held_out].append(
                ClipFrames(
                    patient=shard.patient,
                    clip=shard.clip,
                    key=shard.key,
                    frames=count.frames,
                    digest=count.digest,
                )
            )
    return ScoreDataset(score=score, training=tuple(sides[False]), held_out=tuple(sides[True]))


def load_frames(
    store: Store, clips: Sequence[ClipFrames], score: int, most: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Read frames (N, S, S[, 3]) uint8, and where each is from.

    Returns the frames; the number of each one's clip in ``clips`` (N,); and its own number among
    the frames of this score in that clip (N,). With ``most``, that many are kept at equal
    distances, so that every clip has its share.
    """
    total = sum(clip.frames for clip in clips)
    kept = np.arange(total)
    if most is not None and most < total:
        kept = np.linspace(0, total - 1, most).round().astype(np.int64)
    out: NDArray[np.uint8] | None = None
    owners, numbers = np.empty((2, len(kept)), np.int64)
    first = filled = 0
    for number, clip in enumerate(clips):
        wanted = kept[(kept >= first) & (kept < first + clip.frames)] - first
        first += clip.frames
        if not len(wanted):
            continue
        with store.local_copy(clip.key) as path:
            frames = read_shard_frames(path, score)
        if out is None:
            out = np.empty((len(kept), *frames.shape[1:]), np.uint8)
        out[filled : filled + len(wanted)] = frames[wanted]
        owners[filled : filled + len(wanted)] = number
        numbers[filled : filled + len(wanted)] = wanted
        filled += len(wanted)
    return (np.empty((0, 0, 0), np.uint8) if out is None else out), owners, numbers
