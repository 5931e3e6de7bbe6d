"""The sides of distances between sets of frames: equal in number, each as features.

Shapes: N frames, H height, W width, D features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lusgan_core.evaluation.feature_store import FeatureStore
from lusgan_core.evaluation.stage import EvaluationOptions, RealFrame
from lusgan_core.progress import track
from lusgan_core.selection.stage import ClipFrames, ScoreDataset

T = TypeVar("T")


@dataclass(frozen=True)
class FrameSets:
    """The frames that are compared."""

    dataset: ScoreDataset
    training: Sequence[RealFrame]
    held_out: Sequence[RealFrame]
    """Empty where no patient is held out."""
    synthetic: NDArray[np.uint8]
    """(N, H, W) or (N, H, W, 3)."""
    samples: str
    """Key of the file of synthetic frames."""
    samples_digest: str


@dataclass(frozen=True)
class Side:
    """Features of frames, and whose each frame is.

    A metric sees the features alone. A distance that leaves out pairs of frames of one patient
    would be given ``patients`` where a value is taken.
    """

    features: NDArray[np.float64]
    """(N, D)."""
    patients: tuple[str, ...] = ()
    """Empty for synthetic frames."""

    def __len__(self) -> int:
        return len(self.features)

    def thinned(self, count: int) -> Side:
        """So many of the frames, evenly spaced."""
        return self if count == len(self) else self.chosen(_places(len(self), count))

    def chosen(self, kept: NDArray[np.int64]) -> Side:
        """The frames at these places."""
        return Side(
            self.features[kept],
            tuple(self.patients[number] for number in kept.tolist()) if self.patients else (),
        )


def frames_a_side(sets: FrameSets, options: EvaluationOptions) -> int:
    """Count the frames on every side of a distance.

    Args:
        sets: The frames.
        options: Options of the evaluation, with the largest number.

    Returns:
        The number, as large as the smallest side allows.
    """
    real = [side for side in (sets.training, sets.held_out) if side]
    return min(options.distance_frames, len(sets.synthetic), *map(len, real))


@dataclass(frozen=True)
class Sides:
    """The sides of distances by one extractor, equal in number."""

    reference: Side
    held_out: bool
    """Whether the reference is of held-out patients; else it is of training ones."""
    synthetic: Side
    training: Side


def make_sides(
    kept: FeatureStore, sets: FrameSets, options: EvaluationOptions, label: str
) -> Sides:
    """Make the sides of distances on the features of one extractor.

    Args:
        kept: The features.
        sets: The frames.
        options: Options of the evaluation.
        label: Text for progress bars.

    Returns:
        The sides, equal in number.

    Raises:
        PluginError: The extractor fails.
        StoreError: Shards or features cannot be read or written.
    """
    count = frames_a_side(sets, options)
    training, held_out = (
        _real(kept, clips, _spaced(frames, count), sets.dataset.score, label)
        for clips, frames in (
            (sets.dataset.training, sets.training),
            (sets.dataset.held_out, sets.held_out),
        )
    )
    synthetic = kept.of_samples(sets.samples, sets.samples_digest, sets.synthetic)
    made = Side(synthetic.astype(np.float64)).thinned(count)
    return Sides(held_out if len(held_out) else training, len(held_out) > 0, made, training)


def _real(
    kept: FeatureStore,
    clips: Sequence[ClipFrames],
    frames: Sequence[RealFrame],
    score: int,
    label: str,
) -> Side:
    """Features of real frames; those of a clip are read once."""
    by_key = {clip.key: clip for clip in clips}
    parts: dict[str, NDArray[np.float32]] = {}
    with track(label, len({frame.shard for frame in frames}), "clips") as task:
        for frame in frames:
            if frame.shard not in parts:
                parts[frame.shard] = kept.of_clip(by_key[frame.shard], score)
                task.advance()
    rows = [parts[frame.shard][frame.frame] for frame in frames]
    features = np.array(rows, np.float64).reshape(len(rows), kept.record.size)
    return Side(features, tuple(frame.patient for frame in frames))


def _places(total: int, count: int) -> NDArray[np.int64]:
    """Places of ``count`` of ``total`` things, evenly spaced from the first to the last."""
    return np.linspace(0, total - 1, min(count, total)).round().astype(np.int64)


def _spaced(things: Sequence[T], count: int) -> list[T]:
    return [things[number] for number in _places(len(things), count).tolist()]
