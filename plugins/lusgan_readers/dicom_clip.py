"""Opens a DICOM object by pydicom and streams its frames, one decoded at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import Clip, ClipError, ClipObjects
from lusgan_readers import dicom_tags, frame_labels
from lusgan_readers.dicom import INSTALL, DicomOptions, pydicom_is_there

GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT")
PALETTE = "PALETTE COLOR"


@contextmanager
def open_dicom(objects: ClipObjects, options: DicomOptions) -> Iterator[Clip]:
    """Open an object and read its tags.

    Args:
        objects: The clip, with its labels among its facts.
        options: Which rater's scores count.

    Returns:
        A context with the open clip. Batches are (1, H, W) or (1, H, W, 3) uint8, red first.

    Raises:
        ClipError: The object is damaged, is no image, or no decoder is there for it.
        OSError: Reading failed.
    """
    if not pydicom_is_there():
        raise ClipError(f"a DICOM object, which lusgan reads by pydicom: {INSTALL}")
    with objects.open() as file:
        tags = dicom_tags.read_header(file)
    with ExitStack() as stack:
        yield _clip(tags, objects, options, stack)


def _clip(tags: Any, objects: ClipObjects, options: DicomOptions, stack: ExitStack) -> Clip:
    height, width = (int(dicom_tags.number(tags, name)) for name in ("Rows", "Columns"))
    count = int(dicom_tags.number(tags, "NumberOfFrames")) if "NumberOfFrames" in tags else 1
    if min(height, width, count) < 1:
        raise ClipError(f"{count} frames of {height}x{width} pixels: it holds no frame")
    if dicom_tags.text(tags, "ConversionType") == "SYN":
        raise ClipError(
            "the object says that its image is synthetic (Conversion Type SYN): synthetic frames "
            "are no exam, take them out"
        )
    convert = _conversion(tags)
    kept, place = dicom_tags.region(tags, height, width)
    syntax = _decodable(tags)
    stored = int(dicom_tags.number(tags, "BitsStored")) or 8
    described = frame_labels.details(objects.facts, options.raters)
    described |= {"transfer_syntax": syntax, "bits_stored": stored}
    described |= dicom_tags.details(tags, place)
    return Clip(
        height=height,
        width=width,
        count=count,
        frames=_passes(objects, convert, (height, width), stack),
        scores=lambda: frame_labels.scores(objects.facts, count, options.raters),
        channels=1 if dicom_tags.text(tags, "PhotometricInterpretation") in GREY else 3,
        dtype="uint8" if stored <= 8 else "uint16",
        details=described,
        region=kept,
        origin=dicom_tags.origin(tags),
    )


def _decodable(tags: Any) -> str:
    """The UID of the transfer syntax; raises ClipError where no decoder is there."""
    from pydicom.pixels.decoders.base import get_decoder

    syntax = getattr(getattr(tags, "file_meta", None), "TransferSyntaxUID", None)
    if syntax is None:
        raise ClipError("no transfer syntax: the object does not say how it is encoded")
    if syntax.is_private or not syntax.is_transfer_syntax:
        raise ClipError("a transfer syntax that DICOM does not know")
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        raise ClipError(f"compressed as {syntax.name}, which is not read") from None
    if not available:
        raise ClipError(f"compressed as {syntax.name}, which takes a decoder: {INSTALL}")
    return str(syntax)


def _conversion(tags: Any) -> Callable[[NDArray[Any]], NDArray[np.uint8]]:
    """The change from decoded numbers to grey levels or colours 0..255. Raises ClipError."""
    kind = dicom_tags.text(tags, "PhotometricInterpretation")
    stored = int(dicom_tags.number(tags, "BitsStored")) or 8
    if dicom_tags.number(tags, "PixelRepresentation"):
        raise ClipError("signed numbers: expected grey levels from 0 on")
    if kind == PALETTE:
        from pydicom.pixels.processing import apply_color_lut

        def colours(frame: NDArray[Any]) -> NDArray[np.uint8]:
            looked_up = apply_color_lut(frame, tags)
            shift = 8 * (looked_up.itemsize - 1)
            return np.asarray(looked_up >> shift, np.uint8)

        return colours
    if kind in COLOUR and stored == 8:
        return lambda frame: np.asarray(frame, np.uint8)
    if kind in GREY and 8 <= stored <= 16:
        inverted = kind == "MONOCHROME1"

        def grey(frame: NDArray[Any]) -> NDArray[np.uint8]:
            levels = (frame >> (stored - 8)).astype(np.uint8)
            return 255 - levels if inverted else levels

        return grey
    raise ClipError(f"{kind if kind in (*GREY, *COLOUR) else 'pixels'} of {stored} bits: not read")


def _passes(
    objects: ClipObjects,
    convert: Callable[[NDArray[Any]], NDArray[np.uint8]],
    size: tuple[int, int],
    stack: ExitStack,
) -> Callable[[], Iterator[NDArray[np.uint8]]]:
    """Start passes over the frames, each with the object opened anew."""
    from pydicom.pixels.utils import iter_pixels

    def frames() -> Iterator[NDArray[np.uint8]]:
        file = objects.open()
        stack.callback(file.close)
        decoded = cast("Generator[NDArray[Any], None, None]", iter_pixels(file))
        stack.callback(decoded.close)  # before the file, in which it seeks once more
        number = 0
        while True:
            number += 1
            try:
                frame = next(decoded, None)
                made = None if frame is None else convert(frame)
            except (OSError, MemoryError):
                raise
            except Exception as error:  # whatever pydicom and its decoders meet
                why = type(error).__name__
                raise ClipError(f"frame {number} cannot be decoded ({why}): damaged") from None
            if made is None:
                break
            if made.shape[:2] != size:
                raise ClipError(f"frame {number} has another size than declared: damaged")
            yield made[None]
        decoded.close()
        file.close()

    return frames
