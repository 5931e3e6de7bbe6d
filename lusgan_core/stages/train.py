"""Stage 4: a score's frames, turned into a generator."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

from lusgan_core.domain import Record
from lusgan_core.errors import LeaseError, TooFewFramesError, TrainingStopped
from lusgan_core.frames.dataset import ScoreDataset, load_frames
from lusgan_core.progress import track
from lusgan_core.provenance import Manifest
from lusgan_core.registry import Registry
from lusgan_core.stages.base import (
    Product,
    StageCall,
    StageContext,
    data_of,
    earlier,
    new_call,
    reference_to,
)
from lusgan_core.stages.records import SEEN, SeenClips
from lusgan_core.training.job import Job, TrainedModel
from lusgan_core.training.launch import check_shared, launch
from lusgan_core.training.loop import train
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.state import GeneratorRecord
from lusgan_core.training.stop import stop_on_signals
from lusgan_core.training.worker import SharedJob

POLL_S = 1
"""Seconds between two looks whether another run has finished."""


class Model(Record):
    """What one training of one score leaves."""

    score: int
    name: str
    folder: str
    generator: GeneratorRecord
    iterations: int
    images_seen: int
    training_frames: int
    training_clips: int
    training_patients: int
    warnings: tuple[str, ...] = ()
    resumed_from: int = 0


def model_name(options: TrainingOptions, image_size: int, channels: int, short_key: str) -> str:
    """A model's name: its hyper-parameters, and eight digits of its cache key."""
    return "-".join(
        (
            options.loss,
            options.backbone,
            f"{image_size}px",
            f"c{channels}",
            f"z{options.latent_size}",
            f"b{options.batch_size}",
            f"i{options.iterations}",
            f"lrG{options.lr_generator:g}",
            f"lrD{options.lr_discriminator:g}",
            f"seed{options.seed}",
            short_key,
        )
    )


def call(
    selected: Manifest,
    options: TrainingOptions,
    image_size: int,
    channels: int,
    registry: Registry,
) -> StageCall:
    """The call for one score. Only its own training frames count, not what else there is."""
    dataset = data_of(selected, ScoreDataset)

    def name(key: str) -> str:
        return model_name(options, image_size, channels, key[:8])

    return new_call(
        "train",
        label=f"train score {dataset.score}",
        inputs={
            "frames": dataset.frames_digest,
            "score": str(dataset.score),
        },
        options=options,
        arguments={"selected": selected.manifest_key},
        manifest=lambda key: f"models/score-{dataset.score}/{name(key)}/manifest.json",
        plugins=(
            ("backbone", options.backbone),
            ("loss", options.loss),
            *(("penalty", penalty) for penalty in options.penalties),
        ),
        registry=registry,
    )


def check_enough(dataset: ScoreDataset, options: TrainingOptions) -> None:
    """Raise TooFewFramesError where a score's training frames do not fill one batch."""
    if dataset.training_frames < options.batch_size:
        raise TooFewFramesError(
            f"score {dataset.score} has {dataset.training_frames} training frames, fewer than a "
            f"batch of {options.batch_size} ({dataset.held_out_frames} more are held out): add "
            "exams, or lower training.batch_size"
        )


def _train_or_wait(
    training: Callable[[], TrainedModel], label: str, context: StageContext
) -> TrainedModel:
    """Train; while another run trains this very model, wait, then go on from what it left."""
    waiting = None
    with ExitStack() as stack:
        while True:
            try:
                return training()
            except LeaseError as error:
                if context.stop.requested:
                    raise TrainingStopped(f"stopped; {error}") from error
                waiting = waiting or stack.enter_context(track(f"{label}: waiting", 0, "s"))
                waiting.advance(POLL_S, str(error))
                time.sleep(POLL_S)


def _here(
    call: StageCall, dataset: ScoreDataset, options: TrainingOptions, context: StageContext
) -> Callable[[], TrainedModel]:
    """The training in this process."""
    frames, _, _ = load_frames(context.store, dataset.training, dataset.score)
    job = Job(context.store, folder_of(call), call.cache_key, call.label)

    def training() -> TrainedModel:
        return train(frames, options, job, context.registry, context.runtime, context.stop)

    return training


def _shared(
    call: StageCall, dataset: ScoreDataset, options: TrainingOptions, context: StageContext
) -> Callable[[], TrainedModel]:
    """The training in several processes, which load the frames themselves."""
    job = SharedJob(
        store=context.store.uri,
        folder=folder_of(call),
        identity=call.cache_key,
        label=call.label,
        score=dataset.score,
        clips=dataset.training,
        options=options,
        runtime=context.runtime,
    )
    check_shared(options, context.runtime, context.registry)
    return lambda: launch(job, context.stop)


def folder_of(call: StageCall) -> str:
    """Key prefix of the model's folder."""
    return call.manifest.rpartition("/")[0]


def run(call: StageCall, context: StageContext) -> Product:
    """Train, or go on training from the last checkpoint."""
    options = TrainingOptions.model_validate(call.options)
    dataset = data_of(earlier(context, call.arguments["selected"]), ScoreDataset)
    folder = folder_of(call)
    begin = _shared if context.runtime.processes > 1 else _here
    training = begin(call, dataset, options, context)
    seen = SeenClips(shards=tuple(clip.key for clip in dataset.training))
    context.store.put(f"{folder}/{SEEN}", seen.model_dump_json(indent=1).encode())
    with stop_on_signals(context.stop):
        trained = _train_or_wait(training, call.label, context)
    model = Model(
        score=dataset.score,
        name=folder.rpartition("/")[2],
        folder=folder,
        generator=trained.record,
        iterations=options.iterations,
        images_seen=trained.images_seen,
        training_frames=dataset.training_frames,
        training_clips=len(dataset.training),
        training_patients=len({clip.patient for clip in dataset.training}),
        warnings=tuple(trained.warnings),
        resumed_from=trained.resumed_from,
    )
    counts = {
        "iterations": model.iterations,
        "images_seen": model.images_seen,
        "frames": model.training_frames,
        "patients": model.training_patients,
    }
    return Product(
        model,
        artifacts={
            name: reference_to(context.store, key) for name, key in trained.artifacts.items()
        },
        counts=counts,
        timings_s={"training": round(trained.seconds, 3)},
        device=trained.device,
        seed=options.seed,
    )
