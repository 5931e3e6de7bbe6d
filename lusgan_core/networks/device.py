"""Which processor runs the networks, and whether enough of them are available."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from lusgan_core.calls.provenance import peak_rss_mb
from lusgan_core.calls.runtime import Runtime, torch_name
from lusgan_core.errors import ConfigError, MissingError
from lusgan_core.registry import IN_CONTAINER


def pick_device(name: str) -> torch.device:
    """The device of that name; ``auto`` is a GPU where there is one, else the CPU.

    Raises MissingError, which says what to do, where the device is not available.
    """
    name = torch_name(name)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        raise MissingError(
            f"runtime.device is {name!r}, and there is no such device here: {_advice()}; or set "
            "runtime.device=cpu"
        ) from None
    return device


def _advice() -> str:
    """How to make a GPU available here."""
    if torch.version.cuda is None:
        return f"this PyTorch ({torch.__version__}) is built without CUDA: use the GPU image"
    if torch.cuda.is_available():
        return f"there are {torch.cuda.device_count()} GPUs, counted from 0 (cuda:0)"
    if os.environ.get(IN_CONTAINER):
        return (
            "give the container one (`docker run --gpus all`; in a work pool `device_requests` for "
            "docker, `gpus` for kubernetes), on a machine with NVIDIA's driver and container "
            f"toolkit, for CUDA {torch.version.cuda}"
        )
    return f"`nvidia-smi` must list it, with a driver for CUDA {torch.version.cuda}"


@contextmanager
def free_gpu(device: torch.device) -> Iterator[torch.device]:
    """Choose, of several GPUs, one on which no other training of this machine runs.

    Where a GPU is asked for by number, or all of them are taken, it is the device given.
    """
    count = torch.cuda.device_count() if device == torch.device("cuda") else 0
    if count < 2:
        yield device
        return
    names = [str(torch.cuda.get_device_properties(number).uuid) for number in range(count)]
    with first_free(names) as number:
        yield device if number is None else torch.device("cuda", number)


@contextmanager
def first_free(names: Sequence[str]) -> Iterator[int | None]:
    """Hold the first of some named things that no other process of this machine holds.

    A process that is killed holds nothing any more.

    Args:
        names: Names of the things, part of the names of lock files.

    Yields:
        The number of the thing in ``names``, from 0; None where all are held.
    """
    folder = Path(tempfile.gettempdir())
    for number, name in enumerate(names):
        lock = FileLock(folder / f"lusgan-{name}.lock", blocking=False)
        try:
            held = lock.acquire()
        except (Timeout, OSError):  # held, or made by another user who does not share it
            continue
        with held:
            yield number
        return
    yield None


def device_name(device: torch.device) -> str:
    """``cpu``, or the model of the GPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def check_devices(runtime: Runtime) -> None:
    """Raise ConfigError where this machine cannot run as many training processes as asked for.

    Each needs a GPU of its own, so a numbered GPU cannot serve several; on the CPU they share it.
    """
    wanted = runtime.processes
    if wanted == 1:
        return
    device = pick_device(runtime.device)
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(
            f"runtime.processes={wanted} does not work on {device.type}: use 1, or "
            "runtime.device=cpu"
        )
    if device.type == "cuda" and device.index is not None:
        raise ConfigError(
            f"runtime.processes={wanted} with runtime.device={runtime.device}: each process needs "
            "a GPU of its own, so use runtime.device=cuda, or runtime.processes=1"
        )
    there = torch.cuda.device_count()
    if device.type == "cuda" and wanted > there:
        raise ConfigError(
            f"runtime.processes={wanted}, but this machine has {there} GPU{'s' * (there != 1)} and "
            f"each process needs one: use at most {there}, or runtime.device=cpu"
        )


def peak_memory_mb(device: torch.device) -> float:
    """Largest memory in use so far, 10^6 bytes: of the GPU, or of this process on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return peak_rss_mb()
