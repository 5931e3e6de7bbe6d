"""Starts the processes that train one model together, and represents them in this process.

``launch`` does in several processes what ``loop.train`` does in this one: the same checkpoints, the
same errors, the same progress.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pydantic import ValidationError
from torch import nn

from lusgan_core import errors
from lusgan_core.api import NetworkSpec
from lusgan_core.calls.interrupts import StopFlag
from lusgan_core.calls.runtime import Runtime
from lusgan_core.errors import ConfigError, LusganError, TrainingError
from lusgan_core.networks.device import check_devices, pick_device
from lusgan_core.progress import Task, track
from lusgan_core.registry import Registry
from lusgan_core.training.job import Trained
from lusgan_core.training.lease import Lease
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.recipe import check_parts
from lusgan_core.training.shared import worker
from lusgan_core.training.shared.worker import TRAINED, Said, SharedJob

LOOK_S = 0.2
"""Polling interval of the stop flag, seconds."""
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
LOST_PEER = re.compile(r"Connection (reset|closed) by peer")
"""How a process finds that another has died: the cause is what the other said, or its silence."""
GRACE_S = 40.0
"""Seconds that processes have to end after one of them failed, before they are killed."""


def check_shared(options: TrainingOptions, runtime: Runtime, registry: Registry) -> None:
    """Check that processes of this machine can share a training; looks at its GPUs.

    Args:
        options: Options of the training.
        runtime: Device and number of processes.
        registry: Registry with the plugins that the options name.

    Raises:
        ConfigError: The batch cannot be shared, a device is missing, or penalties need second
            derivatives that batch norm across GPUs does not have.
    """
    backbone = registry.backbone(options.backbone)
    pack = options.pack or backbone.pack
    check_parts(options, pack, runtime.processes)
    check_devices(runtime)
    gpus = runtime.processes > 1 and pick_device(runtime.device).type == "cuda"
    if gpus and options.penalties:
        check_second_derivatives(options, pack, registry)


def check_second_derivatives(options: TrainingOptions, pack: int, registry: Registry) -> None:
    """Check that penalties are not combined with a batch norm that spans several GPUs.

    Args:
        options: Options with at least one penalty.
        pack: Images that the discriminator sees at once.
        registry: Registry in which the backbone is looked up.

    Raises:
        ConfigError: The discriminator has batch norm.
    """
    backbone = registry.backbone(options.backbone)
    chosen = backbone.options.model_validate(options.backbone_options)
    network = backbone.discriminator(NetworkSpec(32, 1, options.latent_size, pack), chosen)
    if any(isinstance(module, BATCH_NORMS) for module in network.modules()):
        raise ConfigError(
            f"penalties ({', '.join(options.penalties)}) need second derivatives, which batch norm "
            "across several GPUs does not have: choose a discriminator without batch norm "
            "(training.backbone_options.discriminator_norm=none), or runtime.processes=1"
        )


def launch(job: SharedJob, stop: StopFlag) -> Trained:
    """Train in several processes, which load the frames from the store themselves.

    Args:
        job: The training, without pixels; its runtime gives the number of processes.
        stop: Polled while the processes train; a request makes them write a checkpoint and end.

    Returns:
        The result of the first process.

    Raises:
        LusganError: Whatever ``loop.train`` raises, from any of the processes.
        TrainingError: A process died; the others are ended and the last checkpoint is kept.
    """
    where = job.opened()
    with Lease(where.store, where.lease_key):
        pass  # raises, if another process has it, before any process is started
    with _started(job) as processes, track(job.label, job.options.iterations, "it") as task:
        while not processes.over(task):
            if stop.requested:
                processes.ask_to_stop()
        return processes.outcome()


@dataclass
class _Processes:
    """The processes of one training, as seen from outside."""

    wanted: int
    agent: subprocess.Popen[bytes]
    """The torchrun process that supervises them."""
    stderr: IO[bytes]
    said: queue.SimpleQueue[Said] = field(default_factory=queue.SimpleQueue)
    last: dict[int, Said] = field(default_factory=dict)
    """Rank -> its last message that is not about progress."""
    pids: list[int] = field(default_factory=list)
    _failed_at: float | None = None
    _ear: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._ear = threading.Thread(target=self._listen, daemon=True, name="processes")
        self._ear.start()

    def _listen(self) -> None:
        """Put the messages of the processes into the queue, until all of them have ended."""
        assert self.agent.stdout is not None
        for line in self.agent.stdout:
            with contextlib.suppress(ValidationError):  # output of torchrun itself
                self.said.put(Said.model_validate_json(line))

    def over(self, task: Task) -> bool:
        """Wait for a moment, report progress, and return whether all processes have ended."""
        ended = self.agent.poll() is not None
        if ended:
            self._ear.join(timeout=5)
        with contextlib.suppress(queue.Empty):
            while True:
                self._hear(self.said.get(timeout=0 if ended else LOOK_S), task)
        late = self._failed_at is not None and time.monotonic() - self._failed_at > GRACE_S
        return ended or late

    def _hear(self, said: Said, task: Task) -> None:
        if said.what == "progress":
            for text in said.log:
                task.say(text)
            task.update(said.done, said.note)
            return
        if said.what == "here":
            self.pids.append(said.pid)
        if said.what == "failed" and self._failed_at is None:
            self._failed_at = time.monotonic()
        self.last[said.rank] = said

    def ask_to_stop(self) -> None:
        """Let the processes end after this iteration; the first one leaves a checkpoint."""
        assert self.agent.stdin is not None
        self.agent.stdin.close()

    def outcome(self) -> Trained:
        """The result of the first process; raises the error of a process that failed."""
        first = self.last.get(0)
        if first and first.what == "trained":
            return TRAINED.validate_python(first.trained)
        failed = [said for said in self.last.values() if said.what == "failed"]
        for said in failed:
            kind = getattr(errors, said.error, None)
            told = said.text and not LOST_PEER.search(said.text)
            if told and isinstance(kind, type) and issubclass(kind, LusganError):
                raise _made(kind, said.text)
        if os.environ.get("LUSGAN_TRACEBACK"):
            self.stderr.seek(0)
            sys.stderr.buffer.write(self.stderr.read())
        silent = [
            rank
            for rank in range(self.wanted)
            if rank not in self.last or self.last[rank].what == "here"
        ]
        how = "ended without a word (killed, or out of memory)" if silent else "failed"
        which = silent or sorted(said.rank for said in failed)
        kinds = "" if silent else f" ({', '.join(sorted({said.error for said in failed}))})"
        numbers = " and ".join(str(rank + 1) for rank in which)
        raise TrainingError(
            f"process {numbers} of {self.wanted} {how}{kinds}, and the others were ended: the last "
            "checkpoint is kept, and the same command goes on from there, also with another "
            "runtime.processes; LUSGAN_TRACEBACK=1 shows more"
        )

    def end(self) -> None:
        """Make sure that no process is left."""
        self.ask_to_stop()
        if self.agent.poll() is None:
            self.agent.kill()
        if self.agent.wait() < 0:  # killed, so it has not ended the others
            for pid in self.pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._ear.join(timeout=5)


def _made(kind: type[LusganError], text: str) -> LusganError:
    """The error that a process raised; a kind that builds its own message comes as its base."""
    try:
        made = kind(text)
    except TypeError:
        made = ConfigError(text)
    return made


@contextmanager
def _started(job: SharedJob) -> Iterator[_Processes]:
    """Start the processes in a session of their own; this one gets Ctrl-C and passes it on."""
    wanted = job.runtime.processes
    environment = dict(os.environ)
    if "OMP_NUM_THREADS" not in environment:
        environment["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // wanted))
    with (
        tempfile.TemporaryDirectory(prefix="lusgan-") as folder,
        tempfile.TemporaryFile() as stderr,
    ):
        file = Path(folder) / "job.json"
        file.write_text(job.model_dump_json(), encoding="utf-8")
        agent = subprocess.Popen(
            [
                sys.executable, "-m", "torch.distributed.run", "--standalone",
                "--local-addr", "127.0.0.1", "--nproc-per-node", str(wanted),
                "-m", worker.__name__, str(file),
            ],
            env=environment, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
        )  # fmt: skip
        processes = _Processes(wanted, agent, stderr)
        try:
            yield processes
        finally:
            processes.end()
