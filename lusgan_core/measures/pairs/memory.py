"""Running out of memory, on the CPU and on a GPU, without importing torch to find out."""

from __future__ import annotations

import sys


def out_of_memory(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """The errors that mean so, and others; torch's own only where something has imported torch."""
    torch = sys.modules.get("torch")
    own = () if torch is None else (torch.OutOfMemoryError,)
    return (*others, MemoryError, *own)


def free_cache() -> None:
    """Give back what torch keeps of a GPU's memory for later, if it has any."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
