"""Trains the score that a call names, in this process or in several."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

from lusgan_core.calls.call import Product, StageCall, StageContext, data_of, earlier, reference_to
from lusgan_core.calls.interrupts import stop_on_signals
from lusgan_core.errors import LeaseError, TrainingStopped
from lusgan_core.progress import track
from lusgan_core.selection.dataset import load_frames
from lusgan_core.selection.stage import ScoreDataset
from lusgan_core.training.job import Job, Trained
from lusgan_core.training.loop import train
from lusgan_core.training.measuring import load_validation
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.rebuild import what_is_left
from lusgan_core.training.shared.launch import check_shared, launch
from lusgan_core.training.shared.worker import SharedJob
from lusgan_core.training.stage import SEEN, ModelRecord, SeenClips, folder_of

POLL_S = 1
"""Polling interval while another run trains the same model, seconds."""


def train_score(call: StageCall, context: StageContext) -> Product:
    """Train as a call asks, or resume from the last checkpoint.

    While another run trains the very same model, wait for it, then go on from what it left.

    Args:
        call: Call of the training stage.
        context: Store, registry, runtime and stop flag.

    Returns:
        The model's record with its artifacts, counts and training time.

    Raises:
        TooFewFramesError: The score's frames do not fill a batch.
        TrainingError: A value became NaN or infinite, or the checkpoint does not fit.
        WeightsLostError: The model was finished before, and is lost; see ``rebuild``.
        TrainingStopped: ``context.stop`` was requested; a checkpoint is kept.
    """
    left = what_is_left(call, context)
    if left is not None:
        return left
    options = TrainingOptions.model_validate(call.options)
    dataset = data_of(earlier(context, call.arguments["selected"]), ScoreDataset)
    folder = folder_of(call)
    begin = _shared if context.runtime.processes > 1 else _here
    training = begin(call, dataset, options, context)
    looked_at = dataset.validation if options.monitor.every else ()
    shards = tuple(clip.key for clip in (*dataset.training, *looked_at))
    seen = SeenClips(shards=shards, folder=folder)
    context.store.put(f"{folder}/{SEEN}", seen.sealed())
    with stop_on_signals(context.stop):
        trained = _train_or_wait(training, call.label, context)
    model = ModelRecord(
        score=dataset.score,
        name=folder.rpartition("/")[2],
        folder=folder,
        generator=trained.record,
        iterations=trained.iterations,
        images_seen=trained.images_seen,
        training_frames=dataset.training_frames,
        training_clips=len(dataset.training),
        training_patients=len({clip.patient for clip in dataset.training}),
        values=trained.values,
        warnings=trained.warnings,
        resumed_from=trained.resumed_from,
        validation_frames=sum(clip.frames for clip in looked_at),
        validation_patients=len({clip.patient for clip in looked_at}),
        best_iteration=trained.best_iteration,
        events=trained.events,
        images_per_s=round(trained.images_per_s, 2),
        peak_memory_mb=round(trained.peak_memory_mb, 1),
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


def _train_or_wait(training: Callable[[], Trained], label: str, context: StageContext) -> Trained:
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
) -> Callable[[], Trained]:
    """The training in this process, as a function to call."""
    frames, _, _ = load_frames(context.store, dataset.training, dataset.score)
    validation = load_validation(context.store, dataset.validation, dataset.score, options)
    job = Job(context.store, folder_of(call), call.cache_key, call.label)

    def training() -> Trained:
        return train(
            frames,
            options,
            job,
            context.registry,
            context.runtime,
            context.stop,
            validation=validation,
        )

    return training


def _shared(
    call: StageCall, dataset: ScoreDataset, options: TrainingOptions, context: StageContext
) -> Callable[[], Trained]:
    """The training in several processes, as a function to call; they load the frames themselves."""
    job = SharedJob(
        store=context.store.uri,
        folder=folder_of(call),
        identity=call.cache_key,
        label=call.label,
        score=dataset.score,
        clips=dataset.training,
        validation=dataset.validation,
        options=options,
        runtime=context.runtime,
    )
    check_shared(options, context.runtime, context.registry)
    return lambda: launch(job, context.stop)
