"""PSNR-B: PSNR that also counts 8 x 8 blocks seen in the second frame against it, in dB.

10 log10(255^2 / (MSE + BEF)), where BEF, the blocking effect factor, is positive if grey levels
jump more across the borders of blocks than elsewhere (Yim and Bovik, IEEE TIP 20(1), 2011). Only
the second frame's blocks count, so the order of frames matters; and a blocky frame compared with
itself does not give infinity. Grey frames only: of several channels sewar takes the first, meant to
be luma.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lusgan_core.api import PairMetric
from lusgan_metrics.frames import checked

if TYPE_CHECKING:
    from lusgan_core.api import Frame

MIN_SIZE = 9
"""A smaller frame has no border between blocks."""


def value(a: Frame, b: Frame) -> float:
    """Return the ratio in dB, inf at most; raises ConfigError for unfit frames.

    It may fall below zero: frames of opposite black and white, the second one blocky.
    """
    from sewar import full_ref

    with checked(a, b, min_size=MIN_SIZE, colours=False):
        return float(full_ref.psnrb(a, b))


METRIC = PairMetric(
    name="psnrb",
    version="1",
    title="PSNR-B",
    description="PSNR that counts the second frame's 8 x 8 blocks as noise; order matters",
    better="higher",
    identical=float("nan"),
    value=value,
    unit="dB",
    symmetric=False,
    min_size=MIN_SIZE,
    channels=frozenset({1}),
    kernel="psnrb",
)
