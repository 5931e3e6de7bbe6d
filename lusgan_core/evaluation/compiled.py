"""numba, with types: compiles a function to machine code and keeps it on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")

FAST = {"contract", "nsz", "arcp"}
"""Liberties with floating point: fused multiply-adds, and nothing that reorders sums.

NaN and infinity keep their meaning, and a pair's value does not depend on what else is computed.
"""


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile on first call, without the GIL; the code is cached for later processes.

    numba caches beside the module, or in the user's cache folder where that cannot be written, or
    in ``NUMBA_CACHE_DIR``. Where there is no such place at all, each process compiles anew.
    """
    return _compile(function, cache=True)


def summing(function: Callable[P, R]) -> Callable[P, R]:
    """The same, and long sums may be added up in lanes: for plain dot products in floats."""
    return _compile(function, cache=True, fastmath=FAST | {"reassoc"})


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """The same for a small function that only compiled ones call: it becomes part of them."""
    return _compile(function, cache=False, forceinline=True)


def _compile(function: Callable[P, R], cache: bool, **options: Any) -> Callable[P, R]:
    njit: Any = numba.njit
    rules = {"nogil": True, "boundscheck": False, "fastmath": FAST, "error_model": "numpy"}
    try:
        made = njit(function, cache=cache, **(rules | options))
    except RuntimeError:  # "no locator available": there is nowhere to keep a cache
        made = njit(function, **(rules | options))
    return cast("Callable[P, R]", made)
