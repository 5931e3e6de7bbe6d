"""Grey levels evened out between clips, measured inside the fan alone.

Gain and dynamic range differ a lot between clips, and most of a frame may be black screen, so
limits taken from whole frames would follow the fan's size. Two ways are offered: `percentile`, one
linear stretch for the whole clip, which keeps changes between its frames; and `clahe`, contrast
limited adaptive histogram equalisation (Zuiderveld, Graphics Gems IV, 1994), frame by frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from lusgan_core.errors import ClipError
from lusgan_core.preprocessing.geometry import bounding_box

Levels = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""Changes the grey levels of a frame, (H, W) uint8; returns a new one."""


def region_histogram(
    frames: Iterable[NDArray[np.uint8]], region: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Count how often each grey level occurs inside a region, over all frames.

    Args:
        frames: (H, W) uint8 each; read once.
        region: (H, W) bool, true where pixels count.

    Returns:
        (256,) int64.
    """
    counts = np.zeros(256, np.int64)
    for frame in frames:
        counts += np.bincount(frame[region], minlength=256)
    return counts


def percentile_stretch(counts: NDArray[np.int64], low: float, high: float) -> Levels:
    """Make the linear stretch that maps two percentiles to black (0) and white (255).

    A percentile is the smallest level at or below which lies at least that share of all pixels
    (numpy's method ``inverted_cdf``). Levels beyond the two are clipped.

    Args:
        counts: (256,) the clip's histogram of grey levels.
        low: Percentile that becomes black, 0..100.
        high: Percentile that becomes white, 0..100.

    Returns:
        The stretch of a frame's grey levels.

    Raises:
        ClipError: Both percentiles are the same grey level.
    """
    share = np.cumsum(counts) / max(1, counts.sum())
    tiny = 1e-12  # less than one pixel's share: makes 0 the darkest level, and forgives rounding
    black, white = (int(np.searchsorted(share, max(p / 100, tiny) - tiny / 2)) for p in (low, high))
    if white <= black:
        raise ClipError(
            f"the fan has no contrast: its percentiles {low:g} and {high:g} are both grey level "
            f"{black}; expected an ultrasound image, or use intensity 'none'"
        )
    scaled = (np.arange(256) - black) * (255 / (white - black))
    table = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)

    def stretch(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.take(table, frame)

    return stretch


def clahe(region: NDArray[np.bool_], clip: float, tiles: int) -> Levels:
    """Make the equalisation of local contrast (CLAHE) inside a region; all else becomes black.

    Source: Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems IV, 1994.

    Args:
        region: (H, W) bool, true where pixels are kept.
        clip: Height at which a tile's histogram is cut, as a multiple of a flat one's.
        tiles: Tiles along each side of the region's bounding box.

    Returns:
        The equalisation of a frame's grey levels.

    Raises:
        ClipError: The region is empty.
    """
    box = bounding_box(region)
    rows, columns = slice(box.top, box.bottom), slice(box.left, box.right)
    inside = region[rows, columns]
    equaliser = cv2.createCLAHE(clipLimit=clip, tileGridSize=(tiles, tiles))

    def equalise(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        output = np.zeros_like(frame)
        # black outside, so that a name beside the fan changes nothing inside
        cut = equaliser.apply(np.where(inside, frame[rows, columns], np.uint8(0)))
        output[rows, columns] = np.where(inside, cut, 0)
        return output

    return equalise
