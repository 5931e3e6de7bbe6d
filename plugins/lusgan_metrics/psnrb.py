"""PSNR-B: PSNR that counts visible 8 x 8 blocks of the second frame as noise, in dB.

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
    """Compute the peak signal-to-noise ratio, with the second frame's blocks as noise.

    Args:
        a: The reference frame, uint8 0..255, (H, W), grey alone, no side shorter than 9 pixels.
        b: The frame that is compared with it, of the same shape.

    Returns:
        dB; infinity at most, and below 0 dB where frames are opposite black and white and the
        second one is blocky.

    Raises:
        ConfigError: The frames are not uint8 of such a shape, differ in shape, or are too small.
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
