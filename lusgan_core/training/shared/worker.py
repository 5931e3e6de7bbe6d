"""One of several processes that train a model together: started by torchrun with a job file.

    python -m torch.distributed.run --standalone --nproc-per-node 2 \\
        -m lusgan_core.training.shared.worker FILE

FILE is a ``SharedJob`` as JSON. Messages to the parent process go to stdout, one JSON object a line
(``Said``); whatever else is printed goes to stderr. When the parent closes their stdin, or has
ended, they stop as if a stop had been requested.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import TypeAdapter

from lusgan_core.calls.interrupts import StopFlag, stop_on_signals
from lusgan_core.calls.runtime import Runtime
from lusgan_core.domain import Record
from lusgan_core.errors import LusganError
from lusgan_core.networks.device import pick_device
from lusgan_core.progress import Task, listening
from lusgan_core.registry import installed
from lusgan_core.selection.dataset import load_frames
from lusgan_core.selection.stage import ClipFrames
from lusgan_core.store import open_store
from lusgan_core.training.job import Job, Trained
from lusgan_core.training.loop import follow, train
from lusgan_core.training.measuring import load_validation
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.shared.process_group import Group, joined

TRAINED = TypeAdapter(Trained)


class SharedJob(Record):
    """A training as its processes are given it: addresses and options, no pixels."""

    store: str
    folder: str
    identity: str
    label: str
    score: int
    clips: tuple[ClipFrames, ...]
    validation: tuple[ClipFrames, ...] = ()
    options: TrainingOptions
    runtime: Runtime

    def opened(self) -> Job:
        """The job with its store opened."""
        return Job(open_store(self.store), self.folder, self.identity, self.label)


class Said(Record):
    """A message from a process: that it has started, how far it is, or how it ended."""

    rank: int
    what: Literal["here", "progress", "trained", "followed", "failed"]
    pid: int = 0
    done: int = 0
    note: str = ""
    log: tuple[str, ...] = ()
    """Lines for the log, new since the last message."""
    trained: dict[str, Any] | None = None
    error: str = ""
    """Name of the error's class."""
    text: str = ""
    """Its message; empty for an error that lusgan did not raise on purpose."""


class Voice:
    """Writes messages to what was stdout, which is redirected to stderr."""

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self._logged = 0
        self._channel = os.dup(1)
        os.dup2(2, 1)

    def say(self, what: str, **more: Any) -> None:
        """Write one message; does nothing if nobody reads the pipe any more.

        Args:
            what: Kind of the message, see ``Said``.
            **more: Further fields of ``Said``.
        """
        said = Said.model_validate({"rank": self.rank, "what": what, **more})
        line = said.model_dump_json(exclude_defaults=True).encode() + b"\n"
        with contextlib.suppress(BrokenPipeError):
            while line:
                line = line[os.write(self._channel, line) :]

    def __call__(self, task: Task) -> None:
        """Report progress; see ``progress.Listener``."""
        new = task.said[self._logged :]
        self._logged += len(new)
        self.say("progress", done=task.done, note=task.note, log=new)


def _stop_when_left_alone(stop: StopFlag) -> None:
    """Request a stop once stdin is closed: the parent process asks for it, or has ended."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        stop.request()

    threading.Thread(target=wait, daemon=True, name="stdin").start()


def _own_device(runtime: Runtime, rank: int) -> torch.device:
    device = pick_device(runtime.device)
    if device.type == "cuda":
        device = torch.device("cuda", rank)
        torch.cuda.set_device(device)
    return device


def _take_part(job: SharedJob, group: Group, runtime: Runtime, voice: Voice) -> None:
    where, registry = job.opened(), installed()
    frames, _, _ = load_frames(where.store, job.clips, job.score)
    validation = load_validation(where.store, job.validation, job.score, job.options)
    with stop_on_signals() as stop:
        _stop_when_left_alone(stop)
        if group.leads:
            with listening(voice):
                made = train(
                    frames,
                    job.options,
                    where,
                    registry,
                    runtime,
                    stop,
                    group,
                    validation=validation,
                )
            voice.say("trained", trained=TRAINED.dump_python(made, mode="json"))
        else:
            follow(frames, job.options, where, registry, runtime, stop, group)
            voice.say("followed")


def main(path: str) -> int:
    """Train the job in the file at ``path``; returns the exit code."""
    voice = Voice(int(os.environ["RANK"]))
    voice.say("here", pid=os.getpid())
    try:
        job = SharedJob.model_validate(json.loads(Path(path).read_text(encoding="utf-8")))
        device = _own_device(job.runtime, int(os.environ["LOCAL_RANK"]))
        runtime = job.runtime.model_copy(update={"device": str(device)})
        with joined(device) as group:
            _take_part(job, group, runtime, voice)
    except Exception as error:
        text = str(error) if isinstance(error, LusganError) else ""
        voice.say("failed", error=type(error).__name__, text=text)
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stderr.flush()
    os._exit(code)  # where other processes have died, closing their connections can hang
