"""Lack of memory, on the CPU and on a GPU, without importing torch to find out."""

from __future__ import annotations

import sys


def out_of_memory(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """The errors that mean lack of memory, and others; torch's own only if torch is imported."""
    torch = sys.modules.get("torch")
    own = () if torch is None else (torch.OutOfMemoryError,)
    return (*others, MemoryError, *own)


def free_cache() -> None:
    """Release the GPU memory that torch keeps for later, if there is any."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
