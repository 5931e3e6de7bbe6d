"""Convolutions in float32, whatever the process has set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def full_precision() -> Iterator[None]:
    """Keep convolutions in float32 on a GPU, too, whatever the process has set."""
    import torch

    backends: Any = torch.backends
    setting = backends.cudnn.conv
    before = setting.fp32_precision
    setting.fp32_precision = "ieee"
    try:
        yield
    finally:
        setting.fp32_precision = before
