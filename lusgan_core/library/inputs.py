"""Checks what a function of the library is given, before any work.

What passes is a plain array; what does not raises ``InputError`` with what was found, what was
expected and what to do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lusgan_core.errors import InputError

FrameSource = ArrayLike | Sequence[Any] | str | Path
"""An array of frames, a list of images (arrays or Pillow's), or a folder of image files."""

EXPECTED = "expected uint8 shaped (N, H, W) grey or (N, H, W, 3) RGB, grey levels 0..255"
SIDES = (32, 64, 128, 256, 512)
"""Sides of the square images that networks take, pixels."""


def check_frames(given: object, what: str = "frames", least: int = 1) -> NDArray[np.uint8]:
    """Take frames as an array.

    Args:
        given: An array of frames, a list of images, or a folder of image files.
        what: What the frames are, for messages.
        least: Smallest number of frames.

    Returns:
        (N, H, W) or (N, H, W, 3) uint8, C-contiguous; the given array itself where it is one.

    Raises:
        InputError: They are no frames, of another type or of several sizes, or there are too few.
        ConfigError: The folder is missing, or holds no readable images of one size.
    """
    if isinstance(given, str | Path):
        return _read_folder(Path(given))
    array = _as_array(given, what)
    if array.dtype != np.uint8:
        raise InputError(f"{what} are {array.dtype} shaped {array.shape}, {EXPECTED}{_why(array)}")
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3):
        raise InputError(
            f"{what} are an array shaped {array.shape}, which looks like one image, {EXPECTED}: "
            "give image[None] for a set of one"
        )
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] != 3):
        raise InputError(f"{what} are an array shaped {array.shape}, {EXPECTED}")
    if len(array) < least or 0 in array.shape:
        raise InputError(
            f"{what}: {len(array)} of {array.shape[1]} x {array.shape[2]} pixels, expected at "
            f"least {least} with pixels"
        )
    return np.ascontiguousarray(array)


def check_square(frames: NDArray[np.uint8], what: str = "frames") -> None:
    """Check that networks take frames of this size. Raises InputError.

    Args:
        frames: (N, H, W) or (N, H, W, 3).
        what: What the frames are, for messages.
    """
    height, width = frames.shape[1:3]
    if height != width or height not in SIDES:
        raise InputError(
            f"{what} are {height} x {width} pixels, networks take squares of "
            f"{', '.join(map(str, SIDES))}: lusgan_core.preprocess makes them of a clip's frames"
        )


def check_number(given: object, what: str, least: int, most: int) -> int:
    """Take a whole number within bounds.

    Args:
        given: The number; one of numpy's will do.
        what: What it is, for messages.
        least: Smallest value.
        most: Largest value.

    Returns:
        The number.

    Raises:
        InputError: It is no whole number, or out of bounds.
    """
    if isinstance(given, int | np.integer) and not isinstance(given, bool):
        number = int(given)
        if least <= number <= most:
            return number
    raise InputError(f"{what} is {given!r}, expected a whole number from {least} to {most:,}")


def check_labels(given: object, count: int, what: str) -> NDArray[Any]:
    """Take labels, one a frame.

    Args:
        given: A list or array of labels.
        count: Number of frames.
        what: What the labels are, for messages.

    Returns:
        (count,) array.

    Raises:
        InputError: There are more or fewer labels than frames.
    """
    labels = np.asarray(given)
    if labels.shape != (count,):
        raise InputError(
            f"{what} are shaped {labels.shape} for {count} frames: expected one label a frame"
        )
    return labels


def settings(section: str, options: Mapping[str, Any]) -> list[str]:
    """Write options by name as the settings that ``config.resolve`` takes.

    Args:
        section: Section of a run's options, e.g. ``training``.
        options: Values by name; whether there are such options is left to ``resolve``.

    Returns:
        Texts such as ``training.batch_size=32``.

    Raises:
        InputError: A value is not of a kind that JSON has.
    """
    found = []
    for name, value in options.items():
        try:
            found.append(f"{section}.{name}={json.dumps(value, default=_plain)}")
        except (TypeError, ValueError) as error:
            raise InputError(f"option {name} is {value!r}, which cannot be used: {error}") from None
    return found


def _plain(value: object) -> Any:
    """A value of numpy's as one of Python's, for JSON."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"expected a number, text, list or dict, not {type(value).__name__}")


def _as_array(given: object, what: str) -> NDArray[Any]:
    """An array of whatever has frames in it; raises InputError."""
    if hasattr(given, "frames") and hasattr(given, "scores"):
        raise InputError(f"{what} are a whole clip: give clip.frames, or lusgan_core.preprocess it")
    try:
        if isinstance(given, Sequence):
            return _stacked([np.asarray(image) for image in given], what)
        return np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{what} are {type(given).__name__}, {EXPECTED}: {error}") from error


def _stacked(images: list[NDArray[Any]], what: str) -> NDArray[Any]:
    """A list of images as one array."""
    if not images:
        raise InputError(f"{what}: an empty list, {EXPECTED}")
    for number, image in enumerate(images):
        if image.dtype != np.uint8:
            raise InputError(
                f"{what}: image {number} is {image.dtype} shaped {image.shape}, expected uint8 "
                f"shaped (H, W) or (H, W, 3), grey levels 0..255{_why(image)}"
            )
        if image.shape != images[0].shape:
            raise InputError(
                f"{what} differ in size: image 0 is {images[0].shape}, image {number} is "
                f"{image.shape}; bring them to one size"
            )
    return np.stack(images)


def _why(array: NDArray[Any]) -> str:
    """What to do about an array of another type."""
    if not array.size or array.dtype.kind not in "fiu":
        return ""
    if array.dtype.kind == "f":
        wrong = int(np.count_nonzero(~np.isfinite(array)))
        if wrong:
            return f"; {wrong:,} values are NaN or infinite"
        if array.min() >= 0 and array.max() <= 1:
            return ": (255 * frames).round().astype(numpy.uint8) converts values 0..1"
    if array.min() >= 0 and array.max() <= 255:
        return ": frames.round().astype(numpy.uint8) converts them"
    return f"; its values go from {array.min():g} to {array.max():g}"


def _read_folder(path: Path) -> NDArray[np.uint8]:
    from lusgan_core.pipeline.image_sets import load_frames

    found = load_frames(path)
    frames = found.block(0, len(found))
    return frames[..., 0] if frames.shape[3] == 1 else frames
