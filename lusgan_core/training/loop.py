"""The training of one score, from its frames to a generator.

Running it again resumes from the last checkpoint, and a training that was killed and resumed ends
in the same weights, bit for bit on the CPU, as one that was not.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from lusgan_core.calls.interrupts import StopFlag
from lusgan_core.calls.records import set_aside
from lusgan_core.calls.runtime import Runtime
from lusgan_core.errors import (
    MissingArtifactError,
    TooFewFramesError,
    TrainingError,
    TrainingStopped,
)
from lusgan_core.networks.device import device_name, free_gpu, peak_memory_mb, pick_device
from lusgan_core.networks.seeding import latent
from lusgan_core.networks.value_range import value_map
from lusgan_core.networks.weights import to_bytes
from lusgan_core.pictures import png_bytes
from lusgan_core.plugin_guard import inside_plugin
from lusgan_core.progress import Task, track
from lusgan_core.registry import Registry
from lusgan_core.training import monitor, previews
from lusgan_core.training.checkpoint import BrokenCheckpointError, load_state, save_state
from lusgan_core.training.hparams import log_hparams
from lusgan_core.training.job import Job, Trained
from lusgan_core.training.lease import Lease
from lusgan_core.training.looks import LOOK_COLUMNS
from lusgan_core.training.measuring import Measuring, Validation
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.pace import Pace
from lusgan_core.training.recipe import recipe
from lusgan_core.training.shared.process_group import ALONE, Group
from lusgan_core.training.snapshots import Monitor
from lusgan_core.training.state import HISTORY, fresh_state
from lusgan_core.training.step import Trainer

LOG = logging.getLogger(__name__)
LOG_EVERY = 20
"""Iterations between two transfers of the losses to the CPU (each makes a GPU wait)."""


def train(
    frames: NDArray[np.uint8],
    options: TrainingOptions,
    job: Job,
    registry: Registry,
    runtime: Runtime,
    stop: StopFlag,
    group: Group = ALONE,
    scores: NDArray[np.int64] | None = None,
    validation: Validation | None = None,
) -> Trained:
    """Train a generator on the frames of one score, or resume from the last checkpoint.

    The other processes of a group, if any, call ``follow``.

    Args:
        frames: Training frames, (N, S, S) or (N, S, S, 3) uint8, 0..255.
        options: Plugins, schedules and all else that determines the result.
        job: Store and folder to write to, and the identity that checkpoints must have.
        registry: Registry with the plugins that the options name.
        runtime: Device, threads and interval between checkpoints.
        stop: Read after each iteration; a request makes the training write a checkpoint and end.
        group: The processes that share each batch; ``ALONE`` if it is this process only.
        scores: Score of each frame, (N,), numbered from 0 on, for a conditional backbone; None for
            every other.
        validation: Frames that the monitor looks at, of patients who are not trained on; None
            where there are none.

    Returns:
        The generator's record, the artifacts written and the values at the end.

    Raises:
        TooFewFramesError: The frames do not fill a batch.
        TrainingStopped: A stop was requested before the last iteration; a checkpoint is kept.
        TrainingError: A loss or weight became NaN or infinite, or a checkpoint does not fit.
        PluginError: The backbone, the loss or a penalty fails, or breaks its contract.
        LeaseError: Another process trains this model.
    """
    asked = _prepare(frames, options, runtime)
    with Lease(job.store, job.lease_key) as lease, free_gpu(asked) as device:
        group.any(False)  # no process looks for a checkpoint before the lease is held
        run = _Run(frames, options, job, registry, runtime, device, group, scores, validation)
        return run.to_the_end(stop, lease)


def follow(
    frames: NDArray[np.uint8],
    options: TrainingOptions,
    job: Job,
    registry: Registry,
    runtime: Runtime,
    stop: StopFlag,
    group: Group,
    scores: NDArray[np.int64] | None = None,
) -> None:
    """Train along with the process that calls ``train``, without writing anything.

    Args:
        frames: The frames that ``train`` is given, (N, S, S) or (N, S, S, 3) uint8.
        options: The same options as given to ``train``.
        job: Where the checkpoint to resume from is read.
        registry: Registry with the plugins that the options name.
        runtime: Device and threads of this process.
        stop: Read after each iteration; a request in any process ends the training in all.
        group: The processes that share each batch.
        scores: The scores that ``train`` is given.

    Raises:
        TooFewFramesError: The frames do not fill a batch.
        TrainingError: The checkpoint does not fit.
        PluginError: The backbone, the loss or a penalty fails, or breaks its contract.
    """
    device = _prepare(frames, options, runtime)
    group.any(False)
    _Run(frames, options, job, registry, runtime, device, group, scores).along(stop)


def _prepare(frames: NDArray[np.uint8], options: TrainingOptions, runtime: Runtime) -> torch.device:
    if len(frames) < options.batch_size:
        raise TooFewFramesError(
            f"{len(frames)} training frames do not fill a batch of {options.batch_size}: add "
            "exams, or lower training.batch_size"
        )
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    return pick_device(runtime.device)


@dataclass
class _Run:
    """One training under way."""

    frames: NDArray[np.uint8]
    options: TrainingOptions
    job: Job
    registry: Registry
    runtime: Runtime
    device: torch.device
    group: Group
    scores: NDArray[np.int64] | None = None
    validation: Validation | None = None
    resumed_from: int = 0
    _pending: list[Tensor] = field(default_factory=list)
    _note: str = ""

    def __post_init__(self) -> None:
        options = self.options
        channels = 3 if self.frames.ndim == 4 else 1
        frames = torch.from_numpy(self.frames)
        values = value_map(options, frames)
        several = 0 if self.scores is None else int(self.scores.max()) + 1
        size = self.frames.shape[1]
        self.recipe = recipe(options, size, channels, values, self.registry, several)
        scores = None if self.scores is None else torch.from_numpy(self.scores).to(self.device)
        frames = frames.to(self.device)
        self.trainer = Trainer(options, self.recipe, frames, self.group, scores)
        measuring = Measuring(
            options, self.recipe, self.registry, self.device, frames, self.validation
        )
        self.monitor = Monitor(measuring, self.group)
        self.state = fresh_state(options, self.recipe, self.device, self.registry, self.group)
        noise = latent(options.seed, 0, options.preview_frames, options.latent_size)
        self.preview_noise = noise.to(self.device)
        self.preview_scores = (
            torch.arange(len(noise), device=self.device) % several if several else None
        )
        self.preview_at = set(previews.preview_iterations(options.iterations, options.previews))

    def along(self, stop: StopFlag) -> None:
        """Train until the end or until any process is asked to stop."""
        self._resume()
        stopping = False
        while not self._over and not stopping:
            self.trainer.iterate(self.state)
            if self.monitor.due(self.state.iteration):
                self.monitor.look(self.state)
            stopping = self.group.any(stop.requested)

    def to_the_end(self, stop: StopFlag, lease: Lease) -> Trained:
        """Train to the end; write checkpoints, previews and events, then the artifacts."""
        options, state, job = self.options, self.state, self.job
        self._resume()
        last_saved = time.monotonic()
        with (
            tempfile.TemporaryDirectory(prefix="lusgan-") as logs,
            SummaryWriter(logs, purge_step=self.resumed_from + 1) as board,
            track(job.label, options.iterations, "it") as task,
        ):
            if not self.resumed_from:
                log_hparams(board, options, HISTORY)
            task.update(state.iteration)
            pace = Pace(state.iteration, options.iterations)
            while not self._over:
                self._pending.append(self.trainer.iterate(state))
                lease.renew()
                done = state.iteration
                looked_at, logged = self.monitor.due(done), done % LOG_EVERY == 0
                if looked_at or logged:
                    self._flush(board)
                if looked_at:
                    self._look(task)
                if pace.worth_telling(done) or logged or self._over:
                    task.update(done, ", ".join(filter(None, (pace.note(done), self._note))))
                stopping = self.group.any(stop.requested)
                if done in self.preview_at or (self._over and done < options.iterations):
                    self._preview(board)
                due = time.monotonic() - last_saved > self.runtime.checkpoint_s
                if due or stopping or self._over:
                    self._flush(board)
                    self._save(board)
                    last_saved = time.monotonic()
                if stopping and not self._over:
                    raise TrainingStopped(
                        f"stopped after iteration {done:,} of {options.iterations:,}; a checkpoint "
                        "is saved: run the same command again to go on from there"
                    )
        return self._finish(pace.seconds)

    @property
    def _over(self) -> bool:
        return self.state.iteration >= self.options.iterations or self.state.watch.stopped

    def _look(self, task: Task) -> None:
        for event in self.monitor.look(self.state):
            task.say(event.text)

    def _resume(self) -> None:
        """Load the newest checkpoint that is whole, if there is one; others are set aside."""
        for key in self.job.model.checkpoints():
            try:
                load_state(self.state, self.job.store.get(key), self.job.identity)
            except MissingArtifactError:  # the process that leads has set it aside
                continue
            except BrokenCheckpointError as error:
                if self.group.leads:
                    set_aside(self.job.store, key)
                    LOG.warning("%s was set aside, and the one before is taken: %s", key, error)
                continue
            except TrainingError as error:
                raise TrainingError(f"cannot go on from {key}: {error}") from error
            self.resumed_from = self.state.iteration
            return
        self.monitor.begin(self.state)

    def _flush(self, board: SummaryWriter) -> None:
        """Copy the losses of the last iterations from the device; check, record and log them."""
        if not self._pending:
            return
        rows = torch.stack(self._pending).cpu().numpy()
        self._pending.clear()
        done = self.state.iteration
        self.state.history[done - len(rows) : done] = rows
        column = monitor.find_nonfinite(rows)
        if column and not self._goes_back:
            raise self._diverged(column)
        latest = dict(zip(HISTORY, rows[-1].tolist(), strict=True))
        for name, value in latest.items():
            board.add_scalar(name, value, done)
        board.add_scalar("images_seen", self._images_seen(done), done)
        self._note = f"D {latest['loss_discriminator']:.3f} G {latest['loss_generator']:.3f}"

    @property
    def _goes_back(self) -> bool:
        """Whether what diverges is for the monitor's next look to find, at its fixed iteration."""
        return bool(self.options.monitor.every)

    def _images_seen(self, iterations: int) -> int:
        """Real images that the discriminator was trained on."""
        return iterations * self.options.discriminator_steps * self.options.batch_size

    def _diverged(self, what: str) -> TrainingError:
        return TrainingError(
            f"{what} became NaN or infinite before iteration {self.state.iteration:,}: lower the "
            "learning rates, or choose another loss or penalty; the last checkpoint is kept"
        )

    def _preview(self, board: SummaryWriter) -> None:
        image, done = self._tiles(), self.state.iteration
        self.job.model.put_preview(done, png_bytes(image))
        layout = "HW" if image.ndim == 2 else "HWC"
        board.add_image("fixed noise", image, done, dataformats=layout)

    def _tiles(self) -> NDArray[np.uint8]:
        """The frames that the generator makes of the fixed noise, laid out in a grid."""
        generator = self.state.best_generator
        record = self.recipe.record
        with inside_plugin("backbone", record.backbone, "its generator, in eval mode,"):
            frames = previews.preview_frames(
                generator, self.preview_noise, record.values, self.preview_scores
            )
        return previews.tile(frames)

    def _animation(self) -> bytes:
        """The previews that can be read as an animation; the last one is made where none can."""
        shown = previews.readable(self.job.model.previews())
        return previews.animation(shown or [(self.state.iteration, png_bytes(self._tiles()))])

    def _save(self, board: SummaryWriter) -> None:
        """Write the events so far, then a checkpoint: a resumed training adds to these events."""
        network = monitor.find_nonfinite_weights(self.state.networks())
        if network and not self._goes_back:  # a checkpoint of these would fail again and again
            raise self._diverged(f"the weights of the {network}")
        board.flush()
        (events,) = Path(board.log_dir).iterdir()
        self.job.model.put_events(self.resumed_from, events)
        checkpoint = save_state(self.state, self.job.identity)
        self.job.model.put_checkpoint(self.state.iteration, checkpoint)

    def _finish(self, seconds: float) -> Trained:
        options, state, model = self.options, self.state, self.job.model
        record, watch = self.recipe.record, state.watch
        header = {"generator": record.model_dump(mode="json")}
        history = state.history[: state.iteration]
        artifacts = {
            "generator": model.put(
                "generator.safetensors",
                to_bytes(watch.best or state.best_generator.state_dict(), header),
            ),
            "progress": model.put("progress.gif", self._animation()),
            "history": model.put("history.csv", history_csv(history)),
        }
        if watch.looks:
            artifacts["looks"] = model.put("looks.csv", _csv(LOOK_COLUMNS, watch.looks))
        checkpoint = model.checkpoint()
        if checkpoint:
            artifacts["checkpoint"] = checkpoint
        name = device_name(self.device)
        values = monitor.end_values(monitor.without(history, watch.lost))
        seen = self._images_seen(state.iteration)
        return Trained(
            record=record,
            artifacts=artifacts,
            values=values,
            warnings=monitor.warnings(
                options, self.recipe, values, state.torch_versions, watch, self.validation
            ),
            images_seen=seen,
            seconds=seconds,
            device=f"{self.group.size} x {name}" if self.group.size > 1 else name,
            resumed_from=self.resumed_from,
            iterations=state.iteration,
            best_iteration=watch.best_iteration if watch.best else 0,
            events=tuple(watch.events),
            images_per_s=(seen - self._images_seen(self.resumed_from)) / max(seconds, 1e-9),
            peak_memory_mb=peak_memory_mb(self.device),
        )


def history_csv(history: NDArray[np.float32]) -> bytes:
    """The rows of a training's history, (iterations, len(HISTORY)), as a table with a head."""
    rows = [[number, *row] for number, row in enumerate(history.tolist(), start=1)]
    return _csv(("iteration", *HISTORY), rows)


def _csv(columns: Sequence[str], rows: Sequence[Sequence[float]]) -> bytes:
    lines = [",".join(columns)]
    lines += [f"{row[0]:.0f}," + ",".join(f"{value:.7g}" for value in row[1:]) for row in rows]
    return ("\n".join(lines) + "\n").encode()
