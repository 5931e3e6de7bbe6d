"""Turns the frames of a scanner's screen into square images of the fan, one clip at a time.

The steps, each a module of its own: find the fan (`fan`), unless a mask gives it; even out its grey
levels (`intensity`); put it into the square (`geometry`). One pass over the frames makes the
images; before it, one finds the brightest value of each pixel (unless the mask already shows the
fan), and one makes the histogram that `percentile` needs. Frames are streamed, a few at a time, and
read again for every pass; those of a clip that is not too long can be kept (`keep_frames`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lusgan_core.domain import Fan
from lusgan_core.errors import ClipError
from lusgan_core.preprocessing.common_fan import CommonFanMap
from lusgan_core.preprocessing.fan import find_region, fit_fan, is_rectangle
from lusgan_core.preprocessing.geometry import (
    Affine,
    Box,
    bounding_box,
    draw,
    fit_window,
    paper_window,
    window_affine,
)
from lusgan_core.preprocessing.intensity import Levels, clahe, percentile_stretch, region_histogram
from lusgan_core.preprocessing.options import Canvas, PreprocessingOptions

Frames = Callable[[], Iterator[NDArray[np.uint8]]]
"""Starts a new pass over a clip's frames, each (H, W) uint8."""
KEPT_BYTES = 256 << 20
"""Largest clip whose frames are kept from one pass to the next: 300 frames of 800 x 1068."""


@dataclass(frozen=True)
class PreprocessedClip:
    """A clip ready to be written to a shard."""

    fan: Fan | None
    """In pixels of the source frames; None where the region is no fan.

    Where x and y are scaled differently the fan is no annulus in the images, so it is kept in
    source pixels with the map beside it: ``fan_mask(fan, S, S, affine)`` draws it in the images.
    """
    affine: Affine | None
    """From source pixels to those of the images; None with geometry `polar`, which bends them."""
    region: NDArray[np.bool_]
    """(S, S): the pixels of the images that may be other than black."""
    kept: NDArray[np.bool_]
    """(H, W): the pixels of the source frames that the images show; all others are black there."""
    found: NDArray[np.bool_]
    """(H, W): the fan in the source frames; less than ``kept`` where geometry `paper` keeps all of
    a mask that is a rectangle."""
    brightest: NDArray[np.uint8] | None
    """(H, W): the brightest value of each pixel over the clip, where that was needed."""
    images: Callable[[], Iterator[NDArray[np.uint8]]]
    """Starts a pass over the images, each (S, S), or (S, S, 3) with three channels."""


def preprocess_clip(
    frames: Frames,
    shape: tuple[int, int],
    mask: NDArray[np.bool_] | None,
    options: PreprocessingOptions,
    canvas: Canvas | None,
) -> PreprocessedClip:
    """Find the fan of one clip, and prepare the conversion of its frames to images.

    Where the mask is a filled rectangle, or None, the fan is found inside it from the brightest
    value of each pixel. Geometry `paper` keeps all of a rectangle, as the report does; the others
    keep the fan. The same input gives the same images.

    Args:
        frames: Starts a pass over the frames, each (H, W) uint8; called once for every pass. Each
            frame is used before the next is read.
        shape: (H, W) of the frames, pixels.
        mask: (H, W) bool, the region to keep; None where the clip has no mask.
        options: Size and channels of the images, geometry and intensity.
        canvas: Largest frame of the dataset; needed by geometry `paper` alone.

    Returns:
        The fan, the map from source pixels to image pixels, and a way to read the images.

    Raises:
        ClipError: The mask or a frame is not of ``shape``, no fan or no contrast is found, the
            region is no convex probe's (geometry `polar`), or the frames are larger than the
            canvas. Reading the images may raise it as well.
        ValueError: Geometry `paper` without a canvas.
    """
    if mask is not None and mask.shape != shape:
        raise ClipError(
            f"the mask is {mask.shape[0]} x {mask.shape[1]} pixels, "
            f"the frames are {shape[0]} x {shape[1]}; expected a mask as large as the frames"
        )
    brightest = None
    if mask is not None and not is_rectangle(mask):
        region = mask
    else:
        brightest = brightest_of(frames, shape)
        region = _found_region(brightest, mask)
    keep = mask if options.geometry == "paper" and mask is not None else region
    fan = fit_fan(region)
    affine, drawn = _placed(bounding_box(keep), fan, shape, options, canvas)
    levels = _levels(frames, shape, region, options)
    shown_bits = np.where(keep, np.uint8(255), np.uint8(0))

    def images() -> Iterator[NDArray[np.uint8]]:
        for frame in _checked(frames, shape):
            evened = frame if levels is None else levels(frame)
            image = drawn(evened & shown_bits)
            yield image if options.channels == 1 else np.repeat(image[..., None], 3, axis=2)

    return PreprocessedClip(
        fan=fan,
        affine=affine,
        region=drawn(shown_bits) > 0,
        kept=keep,
        found=region,
        brightest=brightest,
        images=images,
    )


def _placed(
    box: Box,
    fan: Fan | None,
    shape: tuple[int, int],
    options: PreprocessingOptions,
    canvas: Canvas | None,
) -> tuple[Affine | None, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]]:
    """The map from source to image pixels, if it is affine, and what draws a frame."""
    size = options.image_size
    if options.geometry == "polar":
        if fan is None:
            raise ClipError(
                "no fan with two slanting sides, as a convex probe paints it, explains what is "
                "shown; geometry polar needs one: geometry fit keeps this clip"
            )
        return None, CommonFanMap.of(fan, size, options.fit_margin).draw
    if options.geometry == "paper":
        window = paper_window(box, _checked_canvas(canvas, shape))
    else:
        window = fit_window(box, options.fit_margin)
    return window_affine(window, size), lambda frame: draw(frame, window, size)


def _levels(
    frames: Frames, shape: tuple[int, int], region: NDArray[np.bool_], options: PreprocessingOptions
) -> Levels | None:
    """The change of grey levels that the options ask for; `percentile` takes one pass."""
    if options.intensity == "percentile":
        counts = region_histogram(_checked(frames, shape), region)
        return percentile_stretch(counts, options.percentile_low, options.percentile_high)
    if options.intensity == "clahe":
        return clahe(region, options.clahe_clip, options.clahe_tiles)
    return None


def keep_frames(frames: Frames, shape: tuple[int, int], count: int) -> Frames:
    """Let the first pass over a clip's frames keep them for the next ones, if they are few enough.

    Args:
        frames: Starts a pass over the frames, each (H, W) uint8 in memory of its own.
        shape: (H, W) of the frames, pixels.
        count: Number of frames.

    Returns:
        Starts such a pass as well; ``frames`` itself beyond ``KEPT_BYTES``.
    """
    if count * shape[0] * shape[1] > KEPT_BYTES:
        return frames
    kept: list[NDArray[np.uint8]] = []

    def passes() -> Iterator[NDArray[np.uint8]]:
        if not kept:
            read: list[NDArray[np.uint8]] = []
            for frame in frames():
                read.append(frame)
                yield frame
            kept.extend(read)  # at the end: the pass was whole, and found nothing wrong
        else:
            yield from kept

    return passes


def brightest_of(frames: Frames, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Find the brightest value of each pixel over a clip: one pass.

    Args:
        frames: Starts a pass over the frames, each (H, W) uint8.
        shape: (H, W) of the frames, pixels.

    Returns:
        (H, W).

    Raises:
        ClipError: A frame is of another shape, or cannot be read.
    """
    brightest = np.zeros(shape, np.uint8)
    for frame in _checked(frames, shape):
        np.maximum(brightest, frame, out=brightest)
    return brightest


def _found_region(
    brightest: NDArray[np.uint8], mask: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    """Find the region from the clip's brightest values, inside the mask's rectangle."""
    if mask is None:
        return find_region(brightest)
    box = bounding_box(mask)
    inside = np.s_[box.top : box.bottom, box.left : box.right]
    region = np.zeros(brightest.shape, bool)
    region[inside] = find_region(np.ascontiguousarray(brightest[inside])) & mask[inside]
    return region


def _checked(frames: Frames, shape: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    """One pass over the frames, each checked to be uint8 of that shape."""
    for number, frame in enumerate(frames()):
        if frame.shape != shape or frame.dtype != np.uint8:
            raise ClipError(
                f"frame {number} is {frame.shape} {frame.dtype}, expected {shape} uint8"
            )
        yield frame


def _checked_canvas(canvas: Canvas | None, shape: tuple[int, int]) -> Canvas:
    if canvas is None:
        raise ValueError("geometry 'paper' needs the canvas, the largest frame of the dataset")
    if shape[0] > canvas.height or shape[1] > canvas.width:
        raise ClipError(
            f"frames of {shape[0]} x {shape[1]} pixels exceed the canvas of {canvas.height} x "
            f"{canvas.width}; resolve the canvas from the whole dataset again"
        )
    return canvas
