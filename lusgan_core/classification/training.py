"""Trains the classifier of one arm, and judges held-out patients' frames by it.

Shapes: N frames, B frames of a batch, C channels, S side, K scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from lusgan_core.calls.call import Product, StageCall, StageContext, data_of, earlier
from lusgan_core.calls.records import whole_file
from lusgan_core.classification.stage import (
    BINS,
    ClassifierOptions,
    Judged,
    PatientTally,
    synthetic_frames,
    thinned,
)
from lusgan_core.errors import ConfigError
from lusgan_core.generation.stage import SampleSet
from lusgan_core.networks.device import device_name, pick_device
from lusgan_core.networks.residual import WIDTHS, ResidualNet, to_levels
from lusgan_core.networks.seeding import derive
from lusgan_core.preprocessing.shard import read_shard_frames
from lusgan_core.progress import track
from lusgan_core.selection.dataset import load_frames
from lusgan_core.selection.stage import ClipFrames, ScoreDataset

SIDE = 64
"""Pixels a side to which larger frames are reduced."""
DECAY = 0.05
"""Weight decay."""
AT_ONCE = 128
"""Frames judged at once."""
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Frames:
    """Frames with their scores and, of real ones, their patients."""

    images: Bytes
    """(N, S, S) or (N, S, S, 3)."""
    scores: Ints
    """Place of each frame's score among those that are told apart (N,)."""
    patients: tuple[str, ...] = ()
    """Code of each frame's patient; empty for synthetic ones."""


def classify(call: StageCall, context: StageContext) -> Product:
    """Train and judge as a call asks for; see ``stage.run``.

    Args:
        call: Call of the stage.
        context: Store with shards and samples, and runtime.

    Returns:
        ``Judged``.
    """
    options = ClassifierOptions.model_validate(call.options)
    told, arm = call.arguments, call.inputs["arm"]
    sets = [data_of(earlier(context, key), ScoreDataset) for key in told["datasets"]]
    scores = tuple(data.score for data in sets)
    real = _real(context, sets, [data.looked_at for data in sets], options.frames)
    counts = {s: int((real.scores == place).sum()) for place, s in enumerate(scores)}
    wanted = synthetic_frames(arm, counts)  # type: ignore[arg-type]
    made = {
        score: _synthetic(context, told["samples"][str(score)], count)
        for score, count in wanted.items()
        if str(score) in told["samples"]
    }
    training = _together(None if arm == "synthetic-only" else real, made, scores)
    device = pick_device(context.runtime.device)
    network = fitted(
        training,
        len(scores),
        options,
        told["seed"],
        device,
        oversampled=arm == "oversampled",
        augment=trivial_augment() if arm == "augmented" else None,
        label=call.label,
    )
    held_out = _real(context, sets, [data.held_out for data in sets], options.frames)
    chances = judged_chances(network, held_out.images, device)
    judged = Judged(
        arm=arm,
        fold=told["fold"],
        seed=told["seed"],
        scores=scores,
        real={} if arm == "synthetic-only" else counts,
        synthetic={score: len(images) for score, images in made.items()},
        patients=tallies(held_out, chances),
    )
    return Product(
        judged,
        counts={"training": len(training.images), "held_out": len(held_out.images)},
        device=device_name(device),
        seed=told["seed"],
    )


def trivial_augment() -> Callable[[Tensor], Tensor]:
    """TrivialAugment (Müller and Hutter, ICCV 2021) as torchvision has it.

    Returns:
        A function from one image (C, S, S) uint8 to another; it draws from torch's own numbers.

    Raises:
        ConfigError: torchvision is not installed.
    """
    try:
        from torchvision.transforms.v2 import TrivialAugmentWide
    except ImportError as error:
        raise ConfigError(
            "TrivialAugment needs torchvision: pip install 'lusgan[inception]', or leave the arm "
            "`augmented` out of usefulness.arms"
        ) from error
    changed: Callable[[Tensor], Tensor] = TrivialAugmentWide()
    return changed


def fitted(
    frames: Frames,
    scores: int,
    options: ClassifierOptions,
    seed: int,
    device: torch.device,
    *,
    oversampled: bool = False,
    augment: Callable[[Tensor], Tensor] | None = None,
    label: str = "classifier",
) -> nn.Module:
    """Train a classifier on frames that are in memory.

    Args:
        frames: The frames.
        scores: K.
        options: Steps, batch and rate.
        seed: Seed of first weights, batches and changes.
        device: Where it is trained.
        oversampled: Whether each score is drawn equally often, and not each frame.
        augment: Changes one image (C, S, S) uint8 at random; None changes nothing.
        label: Text for the progress bar.

    Returns:
        The classifier, from levels (B, C, S, S) to logits (B, K), in evaluation mode.
    """
    channels = 3 if frames.images.ndim == 4 else 1
    side = min(frames.images.shape[1], SIDE)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "classifier weights"))
        network = nn.Sequential(ResidualNet(channels), nn.Linear(WIDTHS[-1], scores))
    network.to(device).train()
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=options.learning_rate, weight_decay=DECAY
    )
    of_score = [np.flatnonzero(frames.scores == place) for place in np.unique(frames.scores)]
    with track(label, options.steps, "steps") as task:
        for step in range(options.steps):
            for group in optimiser.param_groups:
                cooled = 0.5 + 0.5 * math.cos(math.pi * step / options.steps)
                group["lr"] = options.learning_rate * cooled
            rng = np.random.default_rng(derive(seed, "classifier batch", step))
            if oversampled:
                own = rng.integers(len(of_score), size=options.batch_size)
                chosen = np.array([rng.choice(of_score[place]) for place in own])
            else:
                chosen = rng.integers(len(frames.images), size=options.batch_size)
            images = torch.from_numpy(frames.images[chosen])
            if augment is not None:
                images = _augmented(images, augment, derive(seed, "classifier changes", step))
            levels = to_levels(images.to(device), side, channels)
            targets = torch.from_numpy(frames.scores[chosen]).to(device)
            loss = functional.cross_entropy(network(2 * levels - 1), targets)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            task.advance()
    return network.eval()


def _augmented(images: Tensor, augment: Callable[[Tensor], Tensor], seed: int) -> Tensor:
    """Change each of some frames (B, S, S) or (B, S, S, 3) uint8; what is uncovered is black."""
    grey = images.ndim == 3
    planes = images.unsqueeze(1) if grey else images.permute(0, 3, 1, 2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        changed = torch.stack([augment(image) for image in planes])
    return changed.squeeze(1) if grey else changed.permute(0, 2, 3, 1)


def judged_chances(network: nn.Module, images: Bytes, device: torch.device) -> NDArray[np.float64]:
    """Judge frames by a classifier.

    Args:
        network: What ``fitted`` returned.
        images: (N, S, S) or (N, S, S, 3) uint8.
        device: Where the network is.

    Returns:
        The probability of each score (N, K) float64.
    """
    channels, side = (3 if images.ndim == 4 else 1), min(images.shape[1], SIDE)
    found = []
    with torch.no_grad():
        for first in range(0, len(images), AT_ONCE):
            part = torch.from_numpy(images[first : first + AT_ONCE]).to(device)
            logits = network(2 * to_levels(part, side, channels) - 1).double()
            found.append(logits.softmax(1).cpu().numpy())
    return np.concatenate(found)


def tallies(frames: Frames, chances: NDArray[np.float64]) -> tuple[PatientTally, ...]:
    """Sum up, patient by patient, how frames were judged.

    Args:
        frames: Real frames.
        chances: The probability of each score (N, K).

    Returns:
        A tally a patient, sorted by code.
    """
    count = chances.shape[1]
    given, sure = chances.argmax(1), chances.max(1)
    bins = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    codes = np.array(frames.patients)
    found = []
    for patient in sorted(set(frames.patients)):
        own = codes == patient
        confusion = np.zeros((count, count), np.int64)
        np.add.at(confusion, (frames.scores[own], given[own]), 1)
        right = (given == frames.scores)[own]
        sums = [
            np.bincount(bins[own], weights=weights, minlength=BINS)
            for weights in (None, sure[own], right)
        ]
        found.append(
            PatientTally(
                patient=patient,
                confusion=tuple(tuple(row) for row in confusion.tolist()),
                bins=tuple(zip(*(s.astype(float).tolist() for s in sums), strict=True)),
            )
        )
    return tuple(found)


def _real(
    context: StageContext,
    sets: Sequence[ScoreDataset],
    sides: Sequence[Sequence[ClipFrames]],
    most: int,
) -> Frames:
    """Read frames of one side, of the largest score at most so many."""
    there = {d.score: sum(c.frames for c in of) for d, of in zip(sets, sides, strict=True)}
    kept = thinned(there, most)
    images, scores, patients = [], [], []
    for place, (data, clips) in enumerate(zip(sets, sides, strict=True)):
        if not clips:
            continue
        read, owners, _ = load_frames(context.store, clips, data.score, kept[data.score])
        images.append(read)
        scores.append(np.full(len(read), place))
        patients += [clips[owner].patient for owner in owners]
    return Frames(np.concatenate(images), np.concatenate(scores), tuple(patients))


def _synthetic(context: StageContext, manifest: str, count: int) -> Bytes:
    """Read the first frames of a sample set."""
    made = earlier(context, manifest)
    with whole_file(context.store, made.artifacts["frames"]) as path:
        frames = read_shard_frames(path)
    return frames[: min(count, data_of(made, SampleSet).count)]


def _together(real: Frames | None, made: Mapping[int, Bytes], scores: Sequence[int]) -> Frames:
    """Real and synthetic frames in one set."""
    images = [] if real is None else [real.images]
    labels = [] if real is None else [real.scores]
    for score, frames in made.items():
        images.append(frames)
        labels.append(np.full(len(frames), scores.index(score)))
    return Frames(np.concatenate(images), np.concatenate(labels))
