"""Where a pixel of a source frame lies in the square image that a network sees.

Both geometries come down to one *window*: a rectangle of whole source pixels, which may reach
beyond the frame (black there), stretched to the square. All frames of a clip share it.

- `paper_window` follows the report: frames are padded on the right and below to the canvas (the
  largest frame of the whole dataset), the region's bounding box is moved to the middle, and the
  canvas is stretched to the square. x and y are scaled differently unless the canvas is square, but
  alike in every clip, so that the aspect ratio tells nothing about the score.
- `fit_window` is the square around the region's bounding box: the region fills the image, is
  centred, and keeps its aspect ratio.

Coordinates are those of `domain.Fan`: (0, 0) is the centre of the top left pixel.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lusgan_core.domain import Record
from lusgan_core.errors import ClipError
from lusgan_core.preprocessing.options import Canvas


class Affine(Record):
    """The map from source to output pixels: ``output = (source - (x0, y0)) * (scale_x, scale_y)``.

    ``(x0, y0)`` is the source point under the centre of the output's top left pixel; it may lie
    outside the frame.
    """

    x0: float
    y0: float
    scale_x: float = Field(gt=0)
    scale_y: float = Field(gt=0)


IDENTITY = Affine(x0=0, y0=0, scale_x=1, scale_y=1)
"""Output pixels are source pixels."""


class Box(NamedTuple):
    """A rectangle of whole pixels; ``right`` and ``bottom`` are one past the last."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Pixels in a row."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels in a column."""
        return self.bottom - self.top


def bounding_box(region: NDArray[np.bool_]) -> Box:
    """The smallest rectangle that holds every true pixel of ``region`` (H, W), all components.

    Raises ClipError when no pixel is true.
    """
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    if not len(rows):
        raise ClipError("the region to keep is empty; expected a mask with at least one pixel set")
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def paper_window(box: Box, canvas: Canvas) -> Box:
    """Place a window as large as the canvas around a box, which is in its middle to the pixel.

    Args:
        box: The region's bounding box, source pixels.
        canvas: The largest frame of the dataset, pixels.

    Returns:
        The window, source pixels; it may reach beyond the frame.
    """
    left = box.left - (canvas.width - box.width) // 2
    top = box.top - (canvas.height - box.height) // 2
    return Box(left, top, left + canvas.width, top + canvas.height)


def fit_window(box: Box, margin: float = 0.0) -> Box:
    """Place a square window around a box, which is in its middle to within half a pixel.

    Args:
        box: The region's bounding box, source pixels.
        margin: Smallest share of the window's side that is left free at either end of the box's
            longer side, from 0 to less than 0.5.

    Returns:
        The window, source pixels; it may reach beyond the frame.
    """
    side = math.ceil(max(box.width, box.height) / (1 - 2 * margin))
    left = box.left - (side - box.width) // 2
    top = box.top - (side - box.height) // 2
    return Box(left, top, left + side, top + side)


def window_affine(window: Box, size: int) -> Affine:
    """Make the map that stretches a window to a square image, edge to edge.

    Edges lie half a pixel off centres: ``output + 0.5 = (source + 0.5 - left) * scale``.

    Args:
        window: The window, source pixels.
        size: Side of the image, pixels.

    Returns:
        The map from source to output pixels.
    """
    scale_x, scale_y = size / window.width, size / window.height
    return Affine(
        x0=window.left - 0.5 + 0.5 / scale_x,
        y0=window.top - 0.5 + 0.5 / scale_y,
        scale_x=scale_x,
        scale_y=scale_y,
    )


def draw(image: NDArray[np.uint8], window: Box, size: int) -> NDArray[np.uint8]:
    """Cut a window out of an image, black beyond its edges, and stretch it to a square.

    An axis that shrinks is averaged over the area that each pixel covers (cv2.INTER_AREA), one that
    grows is interpolated linearly.

    Args:
        image: (H, W) uint8.
        window: The window, in pixels of the image; it may reach beyond it.
        size: Side of the square, pixels.

    Returns:
        (size, size) uint8.
    """
    height, width = image.shape
    left, top = max(window.left, 0), max(window.top, 0)
    right, bottom = min(window.right, width), min(window.bottom, height)
    cut = np.zeros((window.height, window.width), np.uint8)
    if right > left and bottom > top:
        inside = cut[top - window.top : bottom - window.top, left - window.left :]
        inside[:, : right - left] = image[top:bottom, left:right]
    shrunk = (min(size, window.width), min(size, window.height))
    smaller = cv2.resize(cut, shrunk, interpolation=cv2.INTER_AREA)
    square = cv2.resize(smaller, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.asarray(square, np.uint8)
