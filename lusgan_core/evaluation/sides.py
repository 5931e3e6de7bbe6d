"""The sides of distances between sets of frames: equal in number, each as features.

Shapes: N frames, H height, W width, D features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lusgan_core.evaluation.bad_frames import blurred, noise
from lusgan_core.evaluation.feature_store import FeatureStore
from lusgan_core.evaluation.stage import OTHER, EvaluationOptions, RealFrame
from lusgan_core.measures.distances import Comparison
from lusgan_core.measures.sides import Side, places
from lusgan_core.progress import track
from lusgan_core.selection.stage import ClipFrames, ScoreDataset

T = TypeVar("T")
MORE = 4
"""Real frames of training, and of held-out patients, of which halves are made: so many times those
of a side of the distance."""


@dataclass(frozen=True)
class FrameSets:
    """The frames that are compared."""

    dataset: ScoreDataset
    training: Sequence[RealFrame]
    held_out: Sequence[RealFrame]
    """Empty where no patient is held out."""
    training_frames: NDArray[np.uint8]
    """The frames of ``training`` themselves, (N, H, W) or (N, H, W, 3)."""
    synthetic: NDArray[np.uint8]
    """(N, H, W) or (N, H, W, 3)."""
    samples: str
    """Key of the file of synthetic frames."""
    samples_digest: str
    others: Mapping[int, Sequence[ClipFrames]] = field(default_factory=dict)
    """Other score -> clips of training patients with frames of it, where they are known."""


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
    """The sides of distances by one extractor."""

    comparison: Comparison
    training: Side
    """Of training patients, as many as the others; the reference where nobody is held out."""

    @property
    def held_out(self) -> bool:
        """Whether the reference is of held-out patients; else it is of training ones."""
        return self.comparison.others is not None


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
    all_training, all_held_out = (
        _real(kept, clips, _spaced(frames, MORE * count), sets.dataset.score, label)
        for clips, frames in (
            (sets.dataset.training, sets.training),
            (sets.dataset.held_out, sets.held_out),
        )
    )
    made = kept.of_samples(sets.samples, sets.samples_digest, sets.synthetic)
    judged = Side(made.astype(np.float64)).thinned(count)
    training, held_out = all_training.thinned(count), all_held_out.thinned(count)
    bad = {"noise": _made(kept, sets, noise(count, sets.synthetic.shape[1:]))}
    if not len(held_out):
        return Sides(Comparison(training, judged, bad=bad), training)
    which = places(len(sets.training), MORE * count)[places(len(all_training), count)]
    smooth = _made(kept, sets, blurred(sets.training_frames[which]))
    bad["blurred"] = replace(training, features=smooth.features)
    bad |= _other_scores(kept, sets.others, count, label)
    return Sides(
        Comparison(held_out, judged, training, _joined(all_training, all_held_out), bad), training
    )


def _other_scores(
    kept: FeatureStore, others: Mapping[int, Sequence[ClipFrames]], count: int, label: str
) -> dict[str, Side]:
    """Frames of each other score; scores with fewer than a side has are left out."""
    found = {}
    for score, clips in others.items():
        if sum(clip.frames for clip in clips) >= count:
            every = [
                RealFrame(shard=clip.key, frame=number, patient=clip.patient, held_out=False)
                for clip in clips
                for number in range(clip.frames)
            ]
            frames = _spaced(every, count)
            found[f"{OTHER} {score}"] = _real(kept, clips, frames, score, label)
    return found


def _made(kept: FeatureStore, sets: FrameSets, frames: NDArray[np.uint8]) -> Side:
    return Side(kept.of_made(sets.samples, frames).astype(np.float64))


def _joined(a: Side, b: Side) -> Side:
    return Side(
        np.concatenate([a.features, b.features]), a.patients + b.patients, a.clips + b.clips
    )


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
    patients, clips_of = (
        tuple(frame.patient for frame in frames),
        tuple(frame.shard for frame in frames),
    )
    return Side(features, patients, clips_of)


def _spaced(things: Sequence[T], count: int) -> list[T]:
    return [things[number] for number in places(len(things), count).tolist()]
