"""Frames of a clip as the square images that networks see."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.errors import InputError
from lusgan_core.library.exams import Clip
from lusgan_core.library.inputs import FrameSource, check_frames, check_number, settings
from lusgan_core.presets import DEFAULT_PRESET

MOST = 100_000
"""Largest height or width of a canvas, pixels."""


def preprocess(
    clip: Clip | FrameSource,
    *,
    mask: NDArray[np.bool_] | None = None,
    canvas: tuple[int, int] | None = None,
    preset: str = DEFAULT_PRESET,
    **options: Any,
) -> NDArray[np.uint8]:
    """Turn the frames of one clip into square images of the fan.

    The fan is found from the frames of the clip together (or given by the mask), so give all
    frames of a clip at once, and each clip by itself.

    Args:
        clip: A clip, or its frames (N, H, W) uint8.
        mask: (H, W) bool, true where a pixel is kept; None for the clip's own mask.
        canvas: Height and width of the dataset's largest frame, to which geometry ``paper`` pads;
            None for the size of this clip.
        preset: Preset that options start from.
        **options: Options of preprocessing by name: ``image_size`` (a power of two from 32 to
            512), ``geometry`` (``paper``, ``fit`` or ``polar``), ``intensity`` (``none``,
            ``percentile`` or ``clahe``), ``channels`` (1 or 3) and the section's others.

    Returns:
        (N, S, S) uint8, or (N, S, S, 3) with three channels: a new array.

    Raises:
        InputError: The frames or the mask are of another type or shape.
        ClipError: No fan or no contrast is found in the frames.
        ConfigError: An option is unknown or out of bounds.
    """
    from lusgan_core.config import resolve
    from lusgan_core.preprocessing.clip import preprocess_clip
    from lusgan_core.preprocessing.options import Canvas
    from lusgan_core.registry import installed

    frames = check_frames(clip.frames if isinstance(clip, Clip) else clip)
    if frames.ndim != 3:
        raise InputError(f"frames are shaped {frames.shape}, expected one grey channel: (N, H, W)")
    shape = (frames.shape[1], frames.shape[2])
    if mask is None and isinstance(clip, Clip):
        mask = clip.mask
    if mask is not None:
        mask = np.asarray(mask)
        if mask.dtype != np.bool_ or mask.shape != shape or not mask.any():
            raise InputError(
                f"the mask is {mask.dtype} shaped {mask.shape}, expected bool shaped {shape} with "
                "at least one pixel that is true"
            )
    chosen = resolve(preset, installed(), settings=settings("preprocessing", options)).preprocessing
    height, width = canvas or shape
    whole = Canvas(
        height=check_number(height, "height of the canvas", shape[0], MOST),
        width=check_number(width, "width of the canvas", shape[1], MOST),
    )
    made = preprocess_clip(lambda: iter(frames), shape, mask, chosen, whole)
    return np.stack([image.copy() for image in made.images()])
