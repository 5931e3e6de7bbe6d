"""Image files as frames: every page of each, 8 bits a channel, upright.

What would change a pixel without a word is refused instead: more than 8 bits, other colours than
grey and RGB, pixels that are not opaque.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from lusgan_core.errors import ConfigError

IMAGES = (
    ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".ppm", ".pgm", ".pbm",
    ".pnm",
)  # fmt: skip
GREY = frozenset({"1", "L", "LA"})
MODES = GREY | {"P", "PA", "RGB", "RGBA", "RGBX"}
"""Pillow's kinds of pixels that are 8 bits of grey or RGB."""
ON_THEIR_SIDE = (5, 6, 7, 8)
"""EXIF's orientations of pictures whose width and height are exchanged."""
BITS_PER_SAMPLE = 258
"""TIFF's tag."""

Shape = tuple[int, ...]
Page = tuple[Path, int, Shape]
"""A file, the number of one of its pages, and the shape of that: (H, W) or (H, W, 3)."""
UNREADABLE = (
    OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError
)  # fmt: skip
"""What Pillow raises for files that are damaged or no images."""


def pages_of(path: Path) -> list[Page]:
    """Find the pages of an image file from its headers; raises ConfigError if it cannot be read."""
    try:
        with Image.open(path) as image:
            # A second picture in a JPEG is a preview or a depth map, not another frame.
            count = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            grey = _is_grey(image)
            pages = []
            for number in range(count):
                image.seek(number)
                _check(image)
                # Pillow gives every later picture of a GIF in RGB; `decode` sees to grey ones.
                grey = grey if image.format == "GIF" else _is_grey(image)
                pages.append((path, number, _shape(image, grey)))
            return pages
    except UNREADABLE as error:
        raise ConfigError(f"{path} cannot be read as an image: {error}") from error


def _check(image: Image.Image) -> None:
    """Raise OSError unless the pixels are 8 bits of grey or RGB."""
    coding = [(tile[0], tile[3]) for tile in getattr(image, "tile", [])]
    deep = any(";16" in str(args) for _, args in coding)
    deep |= any(
        decoder.startswith("ppm") and isinstance(args, tuple) and int(args[-1]) > 255
        for decoder, args in coding
    )
    bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, (8,))
    deep |= max(bits if isinstance(bits, tuple) else (bits,)) > 8
    if deep or image.mode.startswith(("I", "F")):
        raise OSError(
            "its pixels have more than 8 bits a channel, expected 8 bits: choose which grey levels "
            "become 0 and 255, and save it so"
        )
    if image.mode not in MODES:
        raise OSError(f"its pixels are {image.mode}, expected grey or RGB: save it as such")


def _is_grey(image: Image.Image) -> bool:
    if image.format == "GIF" and image.mode == "P":  # a GIF has colours by a palette alone
        colours = np.reshape(image.getpalette() or [], (-1, 3))
        return bool((colours == colours[:, :1]).all())
    return image.mode in GREY


def _shape(image: Image.Image, grey: bool) -> Shape:
    width, height = image.size
    turned = image.getexif().get(ExifTags.Base.Orientation) in ON_THEIR_SIDE
    if turned and image.format != "TIFF":  # of a TIFF, Pillow gives the size of the upright picture
        width, height = height, width
    return (height, width) if grey else (height, width, 3)


def decode(page: Page) -> NDArray[np.uint8]:
    """Decode a page upright, shaped as it says; raises ConfigError if it cannot be."""
    path, number, shape = page
    try:
        with Image.open(path) as image:
            image.seek(number)
            image.load()
            upright = ImageOps.exif_transpose(image)
            if upright.has_transparency_data:
                _check_opaque(upright)
            if len(shape) == 2 and upright.mode not in GREY:
                _check_grey(upright)
            frame = np.asarray(upright.convert("L" if len(shape) == 2 else "RGB"))
    except UNREADABLE as error:
        raise ConfigError(f"{path} cannot be decoded: {error}") from error
    if frame.shape != shape:
        raise ConfigError(
            f"{path} has changed since it was opened: it was {spell(shape)}, now it is "
            f"{spell(frame.shape)}; leave the images alone while they are compared"
        )
    return frame


def _check_opaque(image: Image.Image) -> None:
    least = np.asarray(image.convert("RGBA").getchannel("A")).min()
    if least < 255:
        raise OSError("some of its pixels are transparent: put it on a background, save it opaque")


def _check_grey(image: Image.Image) -> None:
    channels = np.asarray(image.convert("RGB"))
    if (channels != channels[..., :1]).any():
        raise OSError("its first picture is grey and a later one is not: save them all in RGB")


def spell(shape: Shape) -> str:
    """A shape in words: ``192 x 256 grey``."""
    return " x ".join(map(str, shape[:2])) + (" RGB" if len(shape) > 2 else " grey")


@dataclass(frozen=True)
class ImageFrames:
    """Pages of image files, all of one shape, decoded a block at a time."""

    pages: Sequence[Page]

    def __len__(self) -> int:
        return len(self.pages)

    def __getitem__(self, block: slice) -> NDArray[np.uint8]:
        pages = self.pages[block]
        frames = np.empty((len(pages), *self.pages[0][2]), np.uint8)
        for frame, page in zip(frames, pages, strict=True):
            frame[...] = decode(page)
        return frames
