"""Chooses what computes the kernels: numba on the CPU, torch anywhere else and for small jobs."""

from __future__ import annotations

import importlib.util
from typing import Literal

import torch

from lusgan_core.errors import ConfigError
from lusgan_core.evaluation.formulas import Compat
from lusgan_core.evaluation.runners import Engine
from lusgan_core.evaluation.torch_engine import TorchEngine

Choice = Literal["auto", "numba", "torch"]

COMPILED_TERMS = frozenset({"dot", "rase", "scc", "ssim", "msssim", "uqi"})
"""Terms that the numba engine has kernels for; it leaves the rest to torch."""
WORTH_COMPILING = 5000 * 256 * 256
"""Pixels of all pairs from which on the compiled kernels are worth it.

Measured on eight metrics: torch takes a millisecond a pair of 256 x 256, the kernels a seventh or
less, loading them half a second, and compiling them, once on a machine, fifteen.
"""


def check_device(device: str) -> str:
    """The device that a name stands for; ``auto`` is a GPU where there is one.

    Raises ConfigError for a device that torch does not know or this machine does not have.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(device)
        if kind.type != "cpu":
            torch.empty(1, device=kind)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device {device!r} cannot be used: {str(error).splitlines()[0]}; "
            "choose cpu, or auto for a GPU where there is one"
        ) from error
    return device


def make_engine(
    terms: frozenset[str],
    compat: Compat,
    device: str,
    threads: int | None,
    pixels: int,
    choice: Choice = "auto",
) -> Engine:
    """The engine for a job: on the CPU the compiled one if the job is worth loading it.

    ``pixels`` are those of all pairs.

    Raises ConfigError when numba is asked for by name and cannot serve.
    """
    wanted = choice == "numba" or (
        choice == "auto"
        and device == "cpu"
        and pixels >= WORTH_COMPILING
        and terms & COMPILED_TERMS
    )
    if not wanted:
        return TorchEngine(terms, compat, device)
    if device != "cpu":
        raise ConfigError(f"the numba engine runs on the CPU, not on {device!r}")
    if importlib.util.find_spec("numba") is None:
        if choice == "numba":
            raise ConfigError("the numba engine needs numba: pip install numba")
        return TorchEngine(terms, compat, device)
    from lusgan_core.evaluation.numba_engine import NumbaEngine

    return NumbaEngine(terms, compat, threads)
