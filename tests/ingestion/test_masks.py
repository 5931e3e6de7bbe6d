import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from campaigns import Campaign
from lusgan_core.errors import ClipError, ExamError
from lusgan_core.ingestion.masks import read_mask
from matfiles import MemorySource

KEEP = np.zeros((20, 30), bool)
KEEP[4:15, 6:25] = True
WHITE = np.where(KEEP, 255, 0).astype(np.uint8)


def png(array: np.ndarray, mode: str | None = None) -> bytes:
    file, image = io.BytesIO(), Image.fromarray(array)
    (image.convert(mode) if mode else image).save(file, "PNG")
    return file.getvalue()


def read(data: bytes, height: int = 20, width: int = 30) -> np.ndarray:
    return read_mask(MemorySource({"mask": data}), "mask", height, width)


def rgba(colour: np.ndarray, alpha: np.ndarray) -> bytes:
    return png(np.dstack([colour] * 3 + [alpha]))


FULL, DARK = np.full_like(WHITE, 255), np.full_like(WHITE, 127)
GOOD = {
    "grey": png(WHITE),
    "black and white": png(WHITE, "1"),
    "palette": png(WHITE, "P"),
    "colour": png(np.dstack([WHITE, WHITE * 0, WHITE * 0])),
    "opaque": rgba(WHITE, FULL),
    "white, shape in alpha": rgba(FULL, WHITE),
    "black, shape in alpha": rgba(WHITE * 0, WHITE),
    "both": rgba(WHITE, WHITE),
    "16 bits": png(WHITE.astype(np.uint16) * 257),
    "soft edge": png(np.where(KEEP, 128, DARK).astype(np.uint8)),
}


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD)
def test_every_kind_of_png_gives_the_same_mask(data: bytes) -> None:
    """Grey, palette, colour, transparent and 16-bit pictures of one shape are the same mask."""
    mask = read(data)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, KEEP)


def test_a_mask_that_keeps_everything() -> None:
    """An all-white mask, opaque or grey, keeps the whole frame."""
    assert read(png(FULL)).all()
    assert read(rgba(FULL, FULL)).all()


def bomb() -> bytes:
    """A PNG that declares 100,000 x 100,000 pixels."""
    head = struct.pack(">II5B", 100_000, 100_000, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return png(WHITE)[:8] + chunk + png(WHITE)[33:]


def jpeg() -> bytes:
    file = io.BytesIO()
    Image.fromarray(WHITE).save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (png(WHITE.T.copy()), "30x20 pixels .*expected 20x30"),
        (png(WHITE * 0), "keeps nothing"),
        (rgba(WHITE * 0, FULL), "keeps nothing"),
        (png(DARK), "keeps nothing"),
        (b"", "no readable PNG"),
        (b"text", "no readable PNG"),
        (jpeg(), "no readable PNG"),
        (png(WHITE)[:-40], "no readable PNG"),
        (bomb(), "100000x100000 pixels|larger than any frame"),
    ],
)
def test_bad_masks_are_refused(data: bytes, reason: str) -> None:
    """Another size, nothing kept, another format, damage and bombs are told apart."""
    with pytest.raises(ClipError, match=reason):
        read(data)


def test_a_vanished_mask_is_told() -> None:
    """A mask that is gone since it was listed is no clip's fault: the run ends."""
    with pytest.raises(ExamError, match="cannot be read: No such file"):
        read_mask(MemorySource({}), "mask", 20, 30)


@pytest.mark.campaign("files")
@pytest.mark.parametrize("name", GOOD)
def test_flipped_bytes_never_surprise(name: str, campaign: Campaign) -> None:
    """Random damage ends in a mask or in a ClipError."""
    rng, refused = campaign.chance(name), 0
    for _ in range(campaign.size):
        data = bytearray(GOOD[name])
        for _ in range(rng.choice([1, 2, 6])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            read(bytes(data))
        except ClipError:
            refused += 1
    campaign.row(file=f"mask, {name}", damaged=campaign.size, refused=refused)


@pytest.mark.campaign("files")
@pytest.mark.parametrize("name", GOOD)
def test_damage_is_never_taken_for_another_mask(name: str, campaign: Campaign) -> None:
    """A picture with a changed byte is refused, unless it gives the very same mask."""
    rng, refused = campaign.chance(f"same {name}"), 0
    for _ in range(campaign.size):
        data = bytearray(GOOD[name])
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        try:
            np.testing.assert_array_equal(read(bytes(data)), KEEP)
        except ClipError:
            refused += 1
    assert refused == campaign.size, "all of a PNG file is under a checksum, or tells what it is"
    campaign.row(file=f"mask, {name}, one bit", damaged=campaign.size, refused=refused)
