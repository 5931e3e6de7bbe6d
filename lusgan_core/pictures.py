"""Frames as picture files. Shapes: H height, W width; uint8, (H, W) grey or (H, W, 3) RGB."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def png_bytes(image: NDArray[np.uint8]) -> bytes:
    """A PNG file of an image (H, W) or (H, W, 3)."""
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()
