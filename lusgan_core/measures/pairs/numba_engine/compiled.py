"""numba, with types: compiles a function to machine code and keeps it on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")

FAST = {"contract", "nsz", "arcp"}
"""Optimisations of floating point: fused multiply-adds, and nothing that reorders sums.

NaN and infinity keep their meaning, and a pair's value does not depend on what else is computed.
"""


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile on first call, without the GIL; the code is cached for later processes.

    numba caches beside the module, or in the user's cache folder where that cannot be written, or
    in ``NUMBA_CACHE_DIR``. Where there is no such place at all, each process compiles anew.
    """
    return _compile(function, keep=True)


def summing(function: Callable[P, R]) -> Callable[P, R]:
    """Like `compiled`, but long sums may be added up in lanes: for plain dot products in floats."""
    return _compile(function, keep=True, fastmath=FAST | {"reassoc"})


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Like `compiled`, for a small function that compiled ones call: it becomes part of them."""
    return _compile(function, keep=False, forceinline=True)


def literal(function: Callable[P, R]) -> Callable[P, R]:
    """Like `compiled`, but every operation rounds as it is written."""
    return _compile(function, keep=True, fastmath=False)


def literally_inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Like `inlined`, for functions that `literal` ones call."""
    return _compile(function, keep=False, fastmath=False, forceinline=True)


def _compile(function: Callable[P, R], keep: bool, **options: Any) -> Callable[P, R]:
    njit: Any = numba.njit
    rules = {"nogil": True, "boundscheck": False, "fastmath": FAST, "error_model": "numpy"}
    try:
        made = njit(function, cache=keep, **(rules | options))
    except RuntimeError:  # "no locator available": there is nowhere to keep a cache
        made = njit(function, **(rules | options))
    # numba takes cached code for valid while the function's own module is unchanged. Kernels call
    # each other across modules, so the stamp is made to cover all of them.
    file: Any = getattr(getattr(made, "_cache", None), "_cache_file", None)
    if hasattr(file, "_source_stamp"):
        file._source_stamp = _sources()
    return cast("Callable[P, R]", made)


@cache
def _sources() -> str:
    """Digest of the source of all kernels, which are those of this package."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
