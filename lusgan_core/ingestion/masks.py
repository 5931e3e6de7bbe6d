"""Masks: the part of a clip's frames that shows the patient, as a PNG picture.

White is kept, black is dropped. A mask is grey, coloured or a palette; where it has one colour only
and transparency, the opaque part is kept.
"""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lusgan_core.errors import ClipError
from lusgan_core.ingestion.clip_errors import clip_errors
from lusgan_core.store.source import ExamSource, is_outage, outage, reason

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNK_BYTES = 256 << 20
"""Largest part of a PNG file; the largest frame has 67 million pixels of up to 4 bytes."""
THRESHOLD = 127
"""Grey level, 0..255; brighter pixels are kept."""


def read_mask(source: ExamSource, key: str, height: int, width: int) -> NDArray[np.bool_]:
    """Read the mask of a clip.

    Args:
        source: Where the mask is.
        key: Its key in the source.
        height: Height of the clip's frames, pixels.
        width: Width of the clip's frames, pixels.

    Returns:
        (height, width) bool, true where a pixel is kept.

    Raises:
        ClipError: The file is not a readable PNG picture, is of another size (which is checked
            before anything is decoded), or keeps no pixel.
        ExamError: Disk, network or store failed.
    """
    with clip_errors():
        file = source.open(key)
    with file:
        try:
            check_png(file)
            with Image.open(file, formats=["PNG"]) as image:
                if image.size != (width, height):
                    raise ClipError(
                        f"the mask has {image.height}x{image.width} pixels (height x width), "
                        f"expected {height}x{width} as its clip"
                    )
                mask = _kept(image)
        except ClipError:
            raise
        except (OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error) as error:
            if isinstance(error, OSError) and is_outage(error):
                raise outage(error) from None
            if isinstance(error, OSError) and error.errno:
                raise ClipError(f"the mask cannot be read: {reason(error)}") from None
            # from None: pillow's message names the file, and with it the patient
            raise ClipError("the mask is no readable PNG picture: damaged file") from None
        except Image.DecompressionBombError as error:
            raise ClipError("the mask claims to be larger than any frame") from error
    if not mask.any():
        raise ClipError("the mask keeps nothing: it has no bright pixel")
    return mask


def check_png(file: BinaryIO) -> None:
    """Compare the checksums of all parts of a PNG picture; the file is left at its beginning.

    Pillow skips some of them, and a damaged part can be inflated to other pixels.

    Args:
        file: The picture, open and seekable.

    Raises:
        ClipError: It is no PNG picture, is cut short, or a checksum does not fit.
        OSError: Reading failed.
    """
    if file.read(len(SIGNATURE)) != SIGNATURE:
        raise ClipError("the mask is no readable PNG picture: another format, or damaged")
    kind = b""
    while kind != b"IEND":
        head = file.read(8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if len(head) < 8 or length > MAX_CHUNK_BYTES:
            raise ClipError("the mask is no readable PNG picture: truncated or damaged")
        data, told = file.read(length), file.read(4)
        if len(told) < 4 or zlib.crc32(data, zlib.crc32(kind)) != int.from_bytes(told, "big"):
            raise ClipError(
                "the mask is no readable PNG picture: a checksum does not fit, damaged file"
            )
    file.seek(0)


def _kept(image: Image.Image) -> NDArray[np.bool_]:
    """Decode a picture of any PNG mode: (H, W) bool."""
    if image.mode in ("I;16", "I"):  # 16 bits
        levels = np.asarray(image, np.int64) >> 8
    else:
        rgba = np.asarray(image.convert("RGBA"))
        colour, alpha = rgba[..., :3].max(axis=2), rgba[..., 3]
        one_colour = colour.min() == colour.max() and alpha.min() != alpha.max()
        levels = alpha if one_colour else colour
    kept: NDArray[np.bool_] = levels > THRESHOLD
    return kept
