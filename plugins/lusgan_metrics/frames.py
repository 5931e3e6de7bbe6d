"""Checks the two frames of every built-in metric before sewar sees them.

sewar 0.4.10 does the arithmetic, in float64. For unfit input it fails with a bare assertion or
gives a value that means something else (a shorter product of scales, an empty mean), so such input
is detected here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from lusgan_core.api import ConfigError

if TYPE_CHECKING:
    from lusgan_core.api import Frame


@contextmanager
def checked(a: Frame, b: Frame, *, min_size: int = 1, colours: bool = True) -> Iterator[None]:
    """Check two frames, then silence numpy's warnings of inf and NaN for the length of a block.

    Args:
        a: First frame, uint8, (H, W) or (H, W, 1) grey, (H, W, 3) colour.
        b: Second frame, of the same shape.
        min_size: Shortest side that the metric can work with, pixels.
        colours: Whether the metric takes colour frames.

    Raises:
        ConfigError: A frame is of another type or shape, the shapes differ, or a side is too short.
    """
    for frame in (a, b):
        channels = frame.shape[2] if frame.ndim == 3 else 1
        if frame.dtype != np.uint8 or frame.ndim not in (2, 3) or channels not in (1, 3):
            raise ConfigError(
                f"a metric got {frame.dtype} of shape {frame.shape}: expected uint8, "
                "(H, W) or (H, W, 1) for grey, (H, W, 3) for colour"
            )
        if channels == 3 and not colours:
            raise ConfigError("this metric is for grey frames: convert colour frames first")
    if a.shape != b.shape:
        raise ConfigError(f"a metric got frames of shapes {a.shape} and {b.shape}: expected equal")
    if min(a.shape[:2]) < min_size:
        raise ConfigError(
            f"a metric got frames of {a.shape[0]} x {a.shape[1]} pixels: it needs {min_size} a side"
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        yield
