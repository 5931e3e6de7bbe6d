"""Frames as images in a page: sheets of several frames, and PNG files as data URIs.

Shapes: N frames, H height, W width; uint8, (H, W) grey or (H, W, 3) RGB.
"""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GAP_LEVEL = 110
"""Grey level between frames: it shows beside black fans, on light pages and on dark ones."""

LARGEST_SIDE = 160
"""Side, in pixels, to which a page's larger frames are reduced; it keeps a report to a few MB."""


def sample_grid(
    frames: NDArray[np.uint8], columns: int, gap: int = 2, gap_level: int = GAP_LEVEL
) -> NDArray[np.uint8]:
    """Lay frames out in rows, left to right and top to bottom.

    Args:
        frames: (N, H, W) or (N, H, W, 3) uint8, N at least 1.
        columns: Frames in a row, at least 1; fewer are taken if N is smaller.
        gap: Pixels between frames.
        gap_level: Grey level of gaps and of places that stay empty, 0..255.

    Returns:
        One image, (H', W') or (H', W', 3) uint8.

    Raises:
        ValueError: There is no frame, no column or another number of dimensions.
    """
    frames = np.asarray(frames)
    if frames.ndim not in (3, 4) or len(frames) == 0 or columns < 1:
        raise ValueError(
            f"a sheet needs frames (N, H, W[, 3]) and a column or more, got {frames.shape} "
            f"and {columns}"
        )
    count, height, width = frames.shape[:3]
    columns = min(columns, count)
    rows = -(-count // columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, *frames.shape[3:])
    sheet = np.full(shape, gap_level, np.uint8)
    for i, frame in enumerate(frames):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        sheet[top : top + height, left : left + width] = frame
    return sheet


def reduced(frames: NDArray[np.uint8], side: int = LARGEST_SIDE) -> NDArray[np.uint8]:
    """Reduce frames by averaging until no side exceeds a number of pixels.

    Args:
        frames: (N, H, W) or (N, H, W, 3) uint8.
        side: Longest side allowed, pixels.

    Returns:
        Frames of the same shape or smaller; the very same ones if they fit.
    """
    height, width = frames.shape[1:3]
    scale = side / max(height, width)
    if scale >= 1 or len(frames) == 0:
        return frames
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.stack(
        [np.asarray(Image.fromarray(f).resize(size, Image.Resampling.BOX)) for f in frames]
    )


def png_data_uri(image: NDArray[np.uint8]) -> str:
    """An image (H, W) or (H, W, 3) uint8 as a lossless PNG in a ``data:`` URI."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def gif_data_uri(gif: bytes) -> str:
    """A GIF file in a ``data:`` URI."""
    return "data:image/gif;base64," + base64.b64encode(gif).decode("ascii")
