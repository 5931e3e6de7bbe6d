"""Chooses what computes the kernels.

numba on the CPU, Triton on a GPU, and torch alone for small jobs and anywhere else.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import sys
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Literal

from lusgan_core.errors import ConfigError
from lusgan_core.measures.pairs.formulas import Compat
from lusgan_core.measures.pairs.memory import out_of_memory
from lusgan_core.measures.pairs.runners import Engine

Choice = Literal["auto", "ready", "numba", "triton", "torch"]
"""``auto`` is by the size of the job alone, so that the same job has the same engine everywhere;
``ready`` takes compiled kernels for small jobs, too, if this machine has them already.
"""

COMPILED_TERMS = frozenset({"dot", "rase", "scc", "ssim", "msssim", "uqi", "vif", "angles"})
"""Terms for which the numba engine has kernels; it leaves the rest to torch."""
WORTH_COMPILING = 5000 * 256 * 256
"""Pixels of all pairs from which on the compiled kernels are worth it.

Measured on eight metrics: torch takes a millisecond a pair of 256 x 256, the kernels a seventh or
less, loading them half a second (torch: two), and compiling them, once on a machine, fifteen.
"""
OLDEST_GPU = (8, 0)
"""Lowest compute capability of NVIDIA's GPUs that Triton supports well."""


def check_device(device: str) -> str:
    """The device that a name stands for; ``auto`` is a GPU if there is one.

    Raises ConfigError for a device that torch does not know or this machine does not have.
    """
    if device == "cpu" or (device == "auto" and not _may_have_gpu()):
        return "cpu"
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=torch.device(device))
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device {device!r} cannot be used: {str(error).splitlines()[0]}; "
            "choose cpu, or auto for a GPU where there is one"
        ) from error
    return device


def _may_have_gpu() -> bool:
    """Whether there may be a GPU, so that torch is worth importing; on Linux driver files tell."""
    if sys.platform != "linux":
        return True
    return any(Path(f"/dev/{name}").exists() for name in ("nvidiactl", "nvidia0", "kfd", "dxg"))


def make_engine(
    terms: frozenset[str],
    compat: Compat,
    device: str,
    threads: int | None,
    pixels: int,
    choice: Choice = "auto",
) -> Engine:
    """Choose and build the engine for a job.

    On the CPU this is the numba engine if the job is large enough to compile kernels for, or they
    are compiled already and ``choice`` is ``ready``; on a GPU the Triton engine if it works there;
    else the torch engine. Its name says which it is, and why it is not a faster one on a GPU.

    Args:
        terms: Terms that the job needs, see `formulas`.
        compat: Version of sewar whose values are wanted.
        device: ``cpu`` or a device of torch, as `check_device` returns it.
        threads: Threads on the CPU; None for all cores.
        pixels: Pixels of all pairs together: pairs x height x width.
        choice: Engine to use, or ``auto`` or ``ready``, see `Choice`.

    Returns:
        The engine.

    Raises:
        ConfigError: The engine that ``choice`` names cannot be used here.
    """
    chosen = choice in ("auto", "ready")
    if choice == "triton" or (chosen and device.startswith("cuda")):
        return _triton_engine(terms, compat, device, asked=choice == "triton")
    wanted = choice == "numba" or (
        chosen
        and device == "cpu"
        and terms & COMPILED_TERMS
        and (pixels >= WORTH_COMPILING or (choice == "ready" and terms <= compiled_terms()))
    )
    if not wanted:
        return _torch_engine(terms, compat, device)
    if device != "cpu":
        raise ConfigError(f"the numba engine runs on the CPU, not on {device!r}")
    if importlib.util.find_spec("numba") is None:
        if choice == "numba":
            raise ConfigError("the numba engine needs numba: pip install numba")
        return _torch_engine(terms, compat, device)
    from lusgan_core.measures.pairs.numba_engine.engine import NumbaEngine

    if pixels < WORTH_COMPILING:  # loading the kernels in several threads would take longer
        threads = threads or 1
    return NumbaEngine(terms, compat, threads)


def compiled_terms() -> frozenset[str]:
    """Terms whose kernels were compiled on this machine before, so that they load in no time."""
    try:
        return frozenset(_compiled_list().read_text(encoding="utf-8").split())
    except OSError:
        return frozenset()


def note_compiled(terms: Iterable[str]) -> None:
    """Record that the kernels of terms are compiled; does nothing if that cannot be written."""
    place = _compiled_list()
    known = compiled_terms()
    if not known >= set(terms):
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(" ".join(sorted(known | set(terms))), encoding="utf-8")
        except OSError:
            return


def _compiled_list() -> Path:
    """The file that lists them, in the user's cache."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "lusgan" / f"compiled-{_kernels()}"


@cache
def _kernels() -> str:
    """Digits that stand for these very kernels, this numba and this machine."""
    sources = hashlib.sha256()
    for path in sorted((Path(__file__).parent / "numba_engine").glob("*.py")):
        sources.update(path.read_bytes())
    sources.update(f"{metadata.version('numba')} {platform.node()} {sys.version}".encode())
    return sources.hexdigest()[:16]


def _torch_engine(terms: frozenset[str], compat: Compat, device: str) -> Engine:
    from lusgan_core.measures.pairs.torch_engine.engine import TorchEngine  # seconds to import

    return TorchEngine(terms, compat, device)


def _triton_engine(terms: frozenset[str], compat: Compat, device: str, asked: bool) -> Engine:
    problem = triton_problem(device)
    if problem is None:
        from lusgan_core.measures.pairs.triton_engine.engine import TritonEngine

        return TritonEngine(terms, compat, device)
    if asked:
        raise ConfigError(
            f"the triton engine cannot serve on {device!r}: {problem}; choose the torch engine"
        )
    from lusgan_core.measures.pairs.torch_engine.engine import TorchEngine

    engine = TorchEngine(terms, compat, device)
    engine.name += f", without triton: {problem}"
    return engine


@cache
def triton_problem(device: str) -> str | None:
    """Why Triton cannot be used on a device, found by trying; None if it can."""
    if importlib.util.find_spec("triton") is None:
        return "it is not installed"
    import torch
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
    except out_of_memory():
        raise
    except Exception as error:  # no C compiler, an old driver: anything, and torch does as well
        return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
