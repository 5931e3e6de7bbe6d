"""Chooses what computes the kernels.

numba on the CPU, Triton on a GPU, and torch alone for small jobs and anywhere else.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import Literal

import torch

from lusgan_core.errors import ConfigError
from lusgan_core.measures.pairs.formulas import Compat
from lusgan_core.measures.pairs.runners import Engine
from lusgan_core.measures.pairs.torch_engine.engine import TorchEngine

Choice = Literal["auto", "numba", "triton", "torch"]

COMPILED_TERMS = frozenset({"dot", "rase", "scc", "ssim", "msssim", "uqi", "vif", "angles"})
"""Terms that the numba engine has kernels for; it leaves the rest to torch."""
WORTH_COMPILING = 5000 * 256 * 256
"""Pixels of all pairs from which on the compiled kernels are worth it.

Measured on eight metrics: torch takes a millisecond a pair of 256 x 256, the kernels a seventh or
less, loading them half a second, and compiling them, once on a machine, fifteen.
"""
OLDEST_GPU = (8, 0)
"""Compute capability of NVIDIA's GPUs from which on Triton serves them well."""


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
    """The engine for a job; its name says which it is, and why not a faster one on a GPU.

    On the CPU it is the compiled one if the job is worth loading it; ``pixels`` are those of all
    pairs. Raises ConfigError when an engine is asked for by name and cannot serve.
    """
    if choice == "triton" or (choice == "auto" and torch.device(device).type == "cuda"):
        return _triton_engine(terms, compat, device, asked=choice == "triton")
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
    from lusgan_core.measures.pairs.numba_engine.engine import NumbaEngine

    return NumbaEngine(terms, compat, threads)


def _triton_engine(terms: frozenset[str], compat: Compat, device: str, asked: bool) -> Engine:
    problem = triton_problem(device)
    if problem is None:
        from lusgan_core.measures.pairs.triton_engine.engine import TritonEngine

        return TritonEngine(terms, compat, device)
    if asked:
        raise ConfigError(
            f"the triton engine cannot serve on {device!r}: {problem}; choose the torch engine"
        )
    engine = TorchEngine(terms, compat, device)
    engine.name += f", without triton: {problem}"
    return engine


@cache
def triton_problem(device: str) -> str | None:
    """Why Triton cannot be used on a device, or None: it is tried out."""
    if importlib.util.find_spec("triton") is None:
        return "it is not installed"
    import triton

    kind = torch.device(device)
    if kind.type != "cuda" and not triton.knobs.runtime.interpret:
        return "it needs a GPU"
    if kind.type == "cuda" and torch.version.hip is None:
        found = torch.cuda.get_device_capability(kind)
        if found < OLDEST_GPU:
            return "it needs compute capability {}.{}, this GPU has {}.{}".format(
                *OLDEST_GPU, *found
            )
    try:
        from lusgan_core.measures.pairs.triton_engine.engine import current
        from lusgan_core.measures.pairs.triton_engine.kernels import probe

        out = torch.zeros(1, dtype=torch.int32, device=kind)
        with current(kind):
            probe[(1,)](out)
        return None if int(out.item()) == 1 else "what it compiles does not run"
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # no C compiler, an old driver: anything, and torch does as well
        return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
