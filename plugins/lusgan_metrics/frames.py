"""What every built-in metric asks of its two frames before sewar sees them.

sewar 0.4.10 does the arithmetic, in float64. It says little when its input makes no sense (an
assertion, a shorter product of scales, an empty mean), so that is found out here.
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
    """Check two frames, then compute in silence: inf and NaN are documented values here.

    Raises ConfigError unless both are uint8 (H, W) or (H, W, 1), or (H, W, 3) where ``colours``
    are allowed, of equal shape and no side shorter than ``min_size`` pixels.
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
