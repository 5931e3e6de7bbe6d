"""Which processor trains, and whether there are enough of them."""

from __future__ import annotations

import torch

from lusgan_core.errors import ConfigError, TrainingError
from lusgan_core.training.options import Runtime


def pick_device(name: str) -> torch.device:
    """The device of that name; ``auto`` is a GPU where there is one. Raises TrainingError."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise TrainingError(
            f"no device {name!r} here ({str(error).splitlines()[0]}); use runtime.device=cpu"
        ) from error
    return device


def device_name(device: torch.device) -> str:
    """``cpu``, or what the GPU calls itself."""
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
