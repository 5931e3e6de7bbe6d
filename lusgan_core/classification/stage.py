"""A classifier of severity: trained on what one arm of a study gives it, judged by other patients.

An *arm* says what a classifier is trained on: the real frames of a fold's training patients as they
are, augmented or oversampled, with synthetic frames beside them, or synthetic frames alone.
Everything else (network, steps, batch, seed, rates) is the same in all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import Field

from lusgan_core.api import Options
from lusgan_core.calls.call import Product, StageCall, StageContext, data_of, new_call
from lusgan_core.calls.provenance import Manifest, digest_json
from lusgan_core.domain import Record
from lusgan_core.selection.stage import ScoreDataset

VERSION = 1
"""Goes up when the same call would give another result."""

Arm = Literal[
    "real",
    "augmented",
    "oversampled",
    "synthetic-0.5",
    "synthetic-1",
    "synthetic-2",
    "synthetic-only",
]
TITLES: dict[Arm, str] = {
    "real": "Real frames",
    "augmented": "Real, TrivialAugment",
    "oversampled": "Real, oversampled",
    "synthetic-0.5": "Real + synthetic, 0.5 times",
    "synthetic-1": "Real + synthetic, 1 time",
    "synthetic-2": "Real + synthetic, 2 times",
    "synthetic-only": "Synthetic frames alone",
}
"""Every arm with its title, in the order of tables."""
TIMES: dict[Arm, float] = {"synthetic-0.5": 0.5, "synthetic-1": 1.0, "synthetic-2": 2.0}
"""How far synthetic frames fill scores up; see ``synthetic_frames``."""
BINS = 15
"""Bins of confidence, equally wide, from which the calibration error is computed."""


class ClassifierOptions(Options):
    """How a classifier is trained: the same in every arm."""

    steps: int = Field(300, ge=1, le=1_000_000, description="Training steps of each classifier")
    batch_size: int = Field(32, ge=2, le=4096, description="Frames a step")
    learning_rate: float = Field(
        1e-3, gt=0, le=1, description="Learning rate (AdamW); falls to 0 along a cosine"
    )
    frames: int = Field(
        2000,
        ge=2,
        le=1_000_000,
        description="Real frames of the largest score at most, on either side; the others are "
        "thinned alike, so that the balance stays, all of them evenly over clips",
    )


class PatientTally(Record):
    """How the frames of one held-out patient were judged; all that is measured sums these up."""

    patient: str
    confusion: tuple[tuple[int, ...], ...]
    """Frames: a row a true score, a column a score that they were given."""
    bins: tuple[tuple[float, float, float], ...]
    """For each bin of confidence: frames, the sum of their confidence, frames judged right."""


class Judged(Record):
    """One classifier's judgement of the patients who are held out in its fold."""

    arm: Arm
    fold: int
    seed: int
    scores: tuple[int, ...]
    """Scores that it tells from each other, in the order of rows and columns."""
    real: dict[int, int]
    """Score -> real frames that it was trained on."""
    synthetic: dict[int, int]
    """Score -> synthetic frames that it was trained on."""
    patients: tuple[PatientTally, ...]


def synthetic_frames(arm: Arm, real: Mapping[int, int]) -> dict[int, int]:
    """Say how many synthetic frames of each score an arm takes.

    With n frames of a score, and m of the largest score, "1 time" fills every score up to m, as
    ``lusgan balance`` does; "0.5 times" half of the way there; "2 times" fills every score, the
    largest too, up to 2 m. Synthetic frames alone are m of each score.

    Args:
        arm: The arm.
        real: Score -> real training frames.

    Returns:
        Score -> synthetic frames, for scores that get any.
    """
    most = max(real.values(), default=0)
    if arm == "synthetic-only":
        return {score: most for score in real if most}
    times = TIMES.get(arm, 0.0)
    found = {
        score: round(times * (most - n)) if times <= 1 else round(times * most) - n
        for score, n in real.items()
    }
    return {score: count for score, count in found.items() if count > 0}


def thinned(frames: Mapping[int, int], most: int) -> dict[int, int]:
    """Thin the frames of all scores alike, until the largest has no more than ``most``.

    Args:
        frames: Score -> frames that there are.
        most: Frames that the largest score may keep.

    Returns:
        Score -> frames to keep, at least one where there are any.
    """
    share = min(1.0, most / max(max(frames.values(), default=0), 1))
    return {score: max(round(share * count), min(count, 1)) for score, count in frames.items()}


def real_frames(datasets: Mapping[int, ScoreDataset], options: ClassifierOptions) -> dict[int, int]:
    """Count the real frames that a classifier is trained on.

    Args:
        datasets: The frames of each score.
        options: How it is trained.

    Returns:
        Score -> frames.
    """
    there = {s: data.training_frames + data.validation_frames for s, data in datasets.items()}
    return thinned(there, options.frames)


def call(
    datasets: Iterable[Manifest],
    samples: Mapping[int, Manifest],
    options: ClassifierOptions,
    *,
    arm: Arm,
    fold: int,
    seed: int,
    folder: str,
) -> StageCall:
    """Make the call for one classifier.

    Args:
        datasets: Manifests of the selection of each score that it is to tell from the others, with
            the fold's patients held out.
        samples: Manifests of the samples of the fold's models, by score; those that the arm does
            not take are left aside, and scores without samples get none.
        options: How it is trained.
        arm: What it is trained on.
        fold: Number of the fold, for people.
        seed: Seed of first weights, batches and changes.
        folder: Prefix of keys in the store.

    Returns:
        The call; its result is ``Judged``.
    """
    datasets = list(datasets)
    told = {data.score: data for data in (data_of(m, ScoreDataset) for m in datasets)}
    wanted = synthetic_frames(arm, real_frames(told, options))
    used = {score: samples[score] for score in wanted if score in samples}
    frames = {
        score: [
            [[clip.patient, clip.clip, clip.digest] for clip in side]
            for side in (data.looked_at, data.held_out)
        ]
        for score, data in told.items()
    }
    return new_call(
        "classify",
        VERSION,
        label=f"classifier of fold {fold + 1}, {TITLES[arm].lower()}",
        inputs={
            "frames": digest_json(sorted(frames.items())),
            "samples": digest_json(
                {str(score): m.artifacts["frames"].digest for score, m in sorted(used.items())}
            ),
            "arm": arm,
            "seed": str(seed),
        },
        options=ClassifierOptions.model_validate(
            {name: getattr(options, name) for name in ClassifierOptions.model_fields}
        ),
        arguments={
            "datasets": [m.manifest_key for m in datasets],
            "samples": {str(score): m.manifest_key for score, m in used.items()},
            "fold": fold,
            "seed": seed,
        },
        manifest=lambda key: f"{folder}/classifiers/{key[:8]}.json",
    )


def run(call: StageCall, context: StageContext) -> Product:
    """Train a classifier, and judge held-out patients' frames by it.

    Args:
        call: A call that ``call`` made.
        context: Store with shards and samples, and runtime.

    Returns:
        ``Judged``.

    Raises:
        ConfigError: The arm needs torchvision, which is not installed.
        DamagedError: Shards or samples are damaged.
        StoreError: They cannot be read.
    """
    from lusgan_core.classification.training import classify

    return classify(call, context)
