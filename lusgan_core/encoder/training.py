"""Trains the encoder that a call asks for, and judges it by held-out patients.

Each score is drawn equally often, each patient of a score, and each frame of a patient, so that
nobody with many frames decides what a score looks like.

Shapes: N frames, B frames of a batch, K scores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from lusgan_core.calls.call import Product, StageCall, StageContext, earlier, stored
from lusgan_core.encoder.accuracy import judged
from lusgan_core.encoder.network import SHAPES, Encoder, changed
from lusgan_core.encoder.stage import EncoderOptions, EncoderRecord, check_enough, datasets
from lusgan_core.networks.device import device_name, pick_device
from lusgan_core.networks.residual import to_levels
from lusgan_core.networks.seeding import derive, generator
from lusgan_core.networks.weights import network_bytes
from lusgan_core.progress import track
from lusgan_core.selection.dataset import load_frames
from lusgan_core.selection.stage import ClipFrames, ScoreDataset, SelectionOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

SMOOTHING = 0.1
"""Label smoothing."""
DECAY = 0.05
"""Weight decay."""
AT_ONCE = 128
"""Frames judged at once."""


@dataclass(frozen=True)
class Frames:
    """Frames with their scores and patients."""

    images: NDArray[np.uint8]
    """(N, S, S) or (N, S, S, 3)."""
    scores: NDArray[np.int64]
    """Place of each frame's score among those that are told from each other (N,)."""
    patients: NDArray[np.int64]
    """Number of each frame's patient (N,)."""


def train_encoder(call: StageCall, context: StageContext) -> Product:
    """Train the encoder of a call.

    Args:
        call: Call of the encoder's stage.
        context: Store with shards, and runtime.

    Returns:
        An ``EncoderRecord``, with the weights as its artifact.

    Raises:
        TooFewFramesError: Training patients are too few, or of one score.
        ConfigError: torchvision is not installed, or the file of weights cannot be used.
        StoreError: Shards cannot be read.
    """
    options = EncoderOptions.model_validate(call.options)
    selection = SelectionOptions.model_validate(call.arguments["selection"])
    preprocessed = [earlier(context, key) for key in call.arguments["preprocessed"]]
    sets = datasets(preprocessed, selection, call.arguments["sides"])
    check_enough(sets)
    trained = [one for one in sets if one.training]
    scores = tuple(one.score for one in trained)
    device = pick_device(context.runtime.device)
    training = _frames(context, trained, [one.training for one in trained], options.frames)
    channels = 3 if training.images.ndim == 4 else 1
    encoder = fitted(training, len(scores), channels, options, device, call.label)
    held_out = _frames(context, trained, [one.held_out for one in trained], options.frames)
    given = _scores_given(encoder, held_out, channels, device)
    shape = SHAPES[options.network]
    record = EncoderRecord(
        network=options.network,
        size=shape.size,
        side=shape.side,
        channels=channels,
        scores=scores,
        clips={one.score: one.training for one in trained},
        held_out_clips=tuple(dict.fromkeys(c.key for one in trained for c in one.held_out)),
        **judged(held_out.scores, given, held_out.patients, scores),
    )
    header = record.model_dump(include={"network", "channels", "scores"}, mode="json")
    key = f"{call.manifest.rpartition('/')[0]}/encoder.safetensors"
    return Product(
        record,
        artifacts={"encoder": stored(context.store, key, network_bytes(encoder, header))},
        counts={"training": len(training.images), "held_out": len(held_out.images)},
        device=device_name(device),
        seed=options.seed,
    )


def fitted(
    frames: Frames,
    scores: int,
    channels: int,
    options: EncoderOptions,
    device: torch.device,
    label: str = "LUS encoder",
) -> Encoder:
    """Train an encoder on frames that are in memory.

    Args:
        frames: The frames.
        scores: K.
        channels: Channels of the frames.
        options: Network, steps and seed.
        device: Where it is trained.
        label: Text for the progress bar.

    Returns:
        The encoder, in evaluation mode.

    Raises:
        ConfigError: torchvision is not installed, or the file of weights cannot be used.
    """
    with _seeded(derive(options.seed, "encoder weights")):
        encoder = Encoder(options.network, channels, scores)
    if options.file:
        encoder.start_from(options.file, options.sha256)
    encoder.to(device).train()
    optimiser = torch.optim.AdamW(
        encoder.parameters(), lr=options.learning_rate, weight_decay=DECAY
    )
    by_patient = _by_patient(frames)
    with track(label, options.steps, "steps") as task:
        for step in range(options.steps):
            for group in optimiser.param_groups:
                cooled = 0.5 + 0.5 * math.cos(math.pi * step / options.steps)
                group["lr"] = options.learning_rate * cooled
            rng = np.random.default_rng(derive(options.seed, "encoder batch", step))
            chosen = _drawn(by_patient, options.batch_size, rng)
            images = torch.from_numpy(frames.images[chosen]).to(device)
            levels = to_levels(images, encoder.shape.side, channels)
            levels = changed(levels, generator(options.seed, "encoder changes", step))
            targets = torch.from_numpy(frames.scores[chosen]).to(device)
            loss = functional.cross_entropy(encoder(levels)[1], targets, label_smoothing=SMOOTHING)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            task.advance()
    return encoder.eval()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw first weights from a seed, and leave the process's own numbers alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _by_patient(frames: Frames) -> list[list[NDArray[np.int64]]]:
    """Numbers of frames, by score and patient."""
    found = []
    for score in np.unique(frames.scores):
        own = frames.scores == score
        found.append(
            [np.flatnonzero(own & (frames.patients == p)) for p in np.unique(frames.patients[own])]
        )
    return found


def _drawn(
    by_patient: Sequence[Sequence[NDArray[np.int64]]], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw frames: scores as often as each other, then patients, then their frames (B,)."""
    chosen = []
    for _ in range(count):
        patients = by_patient[int(rng.integers(len(by_patient)))]
        chosen.append(int(rng.choice(patients[int(rng.integers(len(patients)))])))
    return np.array(chosen)


def _frames(
    context: StageContext,
    sets: Sequence[ScoreDataset],
    sides: Sequence[Sequence[ClipFrames]],
    most: int,
) -> Frames:
    """Read frames of one side, at most so many of each score."""
    numbers: dict[str, int] = {}
    images, scores, patients = [], [], []
    for place, (one, clips) in enumerate(zip(sets, sides, strict=True)):
        if not clips:
            continue
        read, owners, _ = load_frames(context.store, clips, one.score, most)
        images.append(read)
        scores.append(np.full(len(read), place))
        codes = [numbers.setdefault(clip.patient, len(numbers)) for clip in clips]
        patients.append(np.array(codes)[owners])
    if not images:
        return Frames(np.empty((0, 0, 0), np.uint8), np.empty(0, np.int64), np.empty(0, np.int64))
    return Frames(np.concatenate(images), np.concatenate(scores), np.concatenate(patients))


def _scores_given(
    encoder: Encoder, frames: Frames, channels: int, device: torch.device
) -> NDArray[np.int64]:
    """Place of the score that the encoder gives each frame (N,)."""
    found = [np.empty(0, np.int64)]
    with torch.no_grad():
        for first in range(0, len(frames.images), AT_ONCE):
            images = torch.from_numpy(frames.images[first : first + AT_ONCE]).to(device)
            logits = encoder(to_levels(images, encoder.shape.side, channels))[1]
            found.append(logits.argmax(1).cpu().numpy())
    return np.concatenate(found)
