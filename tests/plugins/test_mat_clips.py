"""Clips that cannot be used: each is refused with its reason, and nothing but a ClipError."""

from __future__ import annotations

import io
import struct
import zlib
from typing import BinaryIO

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns import Campaign
from lusgan_core.errors import ClipError, ExamError
from matfiles import (
    COMPLEX,
    MemorySource,
    cine,
    element,
    matrix,
    open_mat,
    pack,
    v5,
    v73,
    verify_mat,
)

GOOD = v5(matrix(cine()))
PLAIN = v5(matrix(cine()), compressed=False)
HDF5 = v73(("frames", cine()), chunks=(1, 3, 18, 24), compression="gzip")


def verify(data: bytes) -> None:
    verify_mat(MemorySource({"clip": data}), "clip")


def v4() -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, {"frames": np.ones((50, 50))}, format="4")
    return file.getvalue()


def coloured(frame: int) -> np.ndarray:
    array = cine()
    array[7, 7, 1, frame] ^= 1
    return array


def inner(*elements: bytes, declared: int | None = None) -> bytes:
    """A matrix element of these, uncompressed, declaring any length."""
    body = b"".join(elements)
    return struct.pack("<II", 14, len(body) if declared is None else declared) + body


FLAGS = element(6, struct.pack("<II", 9, 0))
DIMS = element(5, struct.pack("<4i", 24, 18, 3, 5))
NAME = element(1, b"frames")
SOLE = matrix(cine())
LONG_NAME, LONG_SMALL = struct.pack("<II", 1, 2**32 - 1), struct.pack("<II", 9 << 16 | 5, 0)
THREE_GREY = np.random.default_rng(0).random((16, 16, 3))

BAD = {
    "empty file": (b"", "empty file"),
    "one byte": (b"M", "too short"),
    "text": (b"patient,exam\n" * 100, "not a .mat file"),
    "short text": (b"hello", "too short"),
    "v4": (v4(), "v4"),
    "unknown version": (GOOD[:124] + b"\x00\x07IM" + GOOD[128:], "version 7"),
    "v7.3 header only": (b"MATLAB 7.3".ljust(124) + b"\x00\x02IM" + bytes(600), "without its HDF5"),
    "header only": (GOOD[:128], "no variable at all"),
    "cut in a tag": (GOOD[:132], "truncated"),
    "cut in the data": (GOOD[:-200], "truncated"),
    "cut uncompressed": (PLAIN[:-9], "truncated"),
    "cut v7.3": (HDF5[:-500], "truncated or damaged"),
    "cut stream": (v5(pack(zlib.compress(SOLE)[:-300]), compressed=False), "before the declared"),
    "no checksum": (v5(pack(zlib.compress(SOLE)[:-4]), compressed=False), "without its checksum"),
    "wrong checksum": (GOOD[:-1] + bytes([GOOD[-1] ^ 1]), "hecksum"),
    "goes on": (v5(pack(zlib.compress(SOLE + bytes(9999))), compressed=False), "goes on beyond"),
    "goes on inside": (v5(matrix(cine(), tail=bytes(64))), "64 bytes beyond"),
    "endless": (v5(pack(zlib.compress(bytes(10**6))), compressed=False), "type 0"),
    "inner size beyond deflate": (
        v5(pack(zlib.compress(struct.pack("<II", 14, 2**32 - 8))), compressed=False),
        "declares 4294967288 bytes",
    ),
    "not a variable": (v5(element(9, bytes(64)), compressed=False), "type 9"),
    "no variable inside": (v5(element(9, bytes(64))), "type 9"),
    "too many variables": (v5(*[SOLE] * 1001), "more than 1000"),
    "no flags": (v5(inner(element(5, bytes(8)), NAME)), "without array flags"),
    "no dimensions": (v5(inner(FLAGS, NAME, DIMS)), "without dimensions"),
    "negative dimensions": (v5(matrix(cine(), dims=(-24, 18, -3, 5))), "negative"),
    "4 GB of name": (v5(inner(FLAGS, DIMS, LONG_NAME)), "declares 4294967295"),
    "2 kB of name": (v5(inner(FLAGS, DIMS, element(1, b"x" * 2000))), "2000 bytes, expected"),
    "1000 dimensions": (v5(inner(FLAGS, element(5, bytes(4000)))), "4000 bytes, expected"),
    "small element of 9": (v5(inner(FLAGS, LONG_SMALL)), "small data element"),
    "text as numbers": (v5(inner(FLAGS, DIMS, NAME, element(16, bytes(6480)))), "type 16"),
    "terabytes": (v5(matrix(cine(), dims=(8192, 8192, 3, 100_000))), "made to mislead"),
    "overflowing": (v5(matrix(cine(), dims=(2**31 - 1,) * 4)), "made to mislead"),
    "fewer numbers": (v5(matrix(cine(), dims=(24, 18, 3, 6))), "expected 7776"),
    "two variables": (v5(matrix(cine()), matrix(cine(), "b")), "2 numeric variables"),
    "only private": (v5(matrix(cine(), "__a")), "no numeric variable"),
    "cell": (v5(matrix(cine(), number=1)), "only cell found"),
    "struct": (v5(matrix(cine(), number=2)), "only struct found"),
    "object": (v5(matrix(cine(), number=17)), "only object found"),
    "char": (v5(matrix(cine(), number=4)), "only char found"),
    "sparse": (v5(matrix(cine(), number=5)), "only sparse found"),
    "complex": (v5(matrix(cine(), flags=COMPLEX)), "only complex found"),
    "matrix": (v5(matrix(np.eye(40))), "40x40, expected height"),
    "five dimensions": (v5(matrix(np.ones((16, 16, 3, 2, 2)))), "16x16x3x2x2, expected"),
    "four channels": (v5(matrix(np.ones((16, 16, 4, 2)))), "4 channels"),
    "no frames": (v5(matrix(np.ones((16, 16, 3, 0)))), "holds no frame"),
    "no pixels": (v5(matrix(np.ones((0, 16, 3, 4)))), "holds no frame"),
    "tiny frames": (v5(matrix(np.ones((15, 16, 3, 4)))), "15x16 pixels"),
    "huge frames": (v5(matrix(np.ones((16, 8193, 1, 2), np.uint8))), "16x8193 pixels"),
    "colour": (v5(matrix(coloured(0))), "frame 1 differ"),
    "colour in the last frame": (v5(matrix(coloured(4))), "frame 5 differ"),
    "three grey frames": (v5(matrix(THREE_GREY)), "frame 1 differ"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "reason"), BAD.values(), ids=BAD)
def test_bad_clips_are_refused_with_their_reason(data: bytes, reason: str) -> None:
    """Each kind of damage or misuse is told by name."""
    with pytest.raises(ClipError, match=reason):
        verify(data)


def values(*some: float, dtype: str = "float64") -> np.ndarray:
    """A clip of zeros that holds these values in its last frame."""
    array = np.zeros((16, 16, 3, 3), dtype)
    for i, value in enumerate(some):
        array[i, 0, :, 2] = value
    return array


@pytest.mark.parametrize("version", ["v5", "v7.3"])
@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (values(np.nan), "frame 3 holds values that are NaN"),
        (values(np.inf), "NaN or infinite"),
        (values(0.5, 2), "fractional values up to 2"),
        (values(1.5), "fractional values up to 1.5"),
        (values(-1), "values from -1"),
        (values(-1, dtype="int8"), "values from -1"),
        (values(256, dtype="uint16"), "values from 0 to 256"),
        (values(65535, dtype="uint16"), "0 to 65535"),
        (values(2**63, dtype="uint64"), "9.22337e.18"),
    ],
)
def test_values_without_a_plain_range_are_refused(
    array: np.ndarray, reason: str, version: str
) -> None:
    """Numbers that are no grey levels are refused rather than guessed at, whatever the format."""
    data = v5(matrix(array)) if version == "v5" else v73(("frames", array))
    with pytest.raises(ClipError, match=reason):
        verify(data)


def read(data: bytes) -> np.ndarray:
    with open_mat(MemorySource({"clip": data}), "clip") as clip:
        return np.stack([f.copy() for f in clip.frames()])


def test_fractions_are_scaled() -> None:
    """Floats within 0..1 become 0..255, rounded, and a logical true becomes white."""
    levels = np.arange(256).reshape(16, 16, 1, 1) / 255
    for dtype in ("float32", "float64"):
        frames = read(v5(matrix(levels.repeat(3, 2).repeat(2, 3).astype(dtype))))
        np.testing.assert_array_equal(frames[1], np.arange(256).reshape(16, 16))
    assert set(np.unique(read(v5(matrix(cine("bool")))))) == {0, 255}


@pytest.mark.parametrize("version", ["v5", "v7.3"])
@pytest.mark.parametrize(
    ("shape", "channels", "count"),
    [
        ((24, 18, 3, 5), 3, 5),
        ((24, 18, 1, 5), 1, 5),
        ((24, 18, 5), 1, 5),
        ((24, 18, 2), 1, 2),
        ((24, 18, 3), 3, 1),
    ],
)
def test_shapes(version: str, shape: tuple[int, ...], channels: int, count: int) -> None:
    """H x W x 3 x N, one channel, no channels, and one colour frame are read as such."""
    array = cine(shape=(24, 18, channels, count)).reshape(shape, order="F")
    storage = [{"chunks": array.T.shape, "compression": "gzip"}, {}]
    for data in [v5(matrix(array))] if version == "v5" else [
        v73(("frames", array), **s) for s in storage
    ]:  # fmt: skip
        with open_mat(MemorySource({"clip": data}), "clip") as clip:
            assert (clip.height, clip.width) == (24, 18)
            assert (clip.channels, clip.count) == (channels, count)
        expected = array.reshape(24, 18, channels, count, order="F")[:, :, 0]
        np.testing.assert_array_equal(read(data), expected.transpose(2, 0, 1))


class Failing(io.BytesIO):
    """A file on a disk that breaks after so many bytes."""

    def __init__(self, data: bytes, good: int) -> None:
        super().__init__(data)
        self.good = good

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() + (size or 0) > self.good:
            raise OSError(5, "Input/output error", "/exams/secret")
        return super().read(size)

    def readinto(self, target: bytearray) -> int:  # type: ignore[override]
        data = self.read(len(target))
        target[: len(data)] = data
        return len(data)


class FailingSource(MemorySource):
    def open(self, key: str) -> BinaryIO:
        return Failing(self.files[key], 1000)


@pytest.mark.parametrize("data", [GOOD, PLAIN, HDF5], ids=["v5", "plain", "v7.3"])
def test_a_failing_disk_is_told_without_the_path(data: bytes) -> None:
    """An input/output error amid reading is nobody's clip, and its text names no file."""
    with pytest.raises(ExamError, match=r"cannot be read: .*run the same command") as caught:
        verify_mat(FailingSource({"clip": data}), "clip")
    assert "secret" not in str(caught.value)


def test_a_vanished_clip_is_told_without_the_path() -> None:
    """A file that is gone when it is opened ends the run, without its path anywhere."""
    with pytest.raises(ExamError, match="cannot be read: No such file") as caught:
        open_mat(MemorySource({}), "P1/E1/convex_P1_E1_1.mat")
    assert "P1" not in str(caught.value)
    assert caught.value.__suppress_context__


BASES = {
    "v5": GOOD,
    "plain": PLAIN,
    "big": v5(matrix(cine("float64") / 255, order=">"), order=">"),
    "v7.3": HDF5,
    "shuffle": v73(("frames", cine()), chunks=(2, 1, 7, 24), compression="gzip", shuffle=True),
    "contiguous": v73(("frames", cine("float64"))),
}


def survive(data: bytes) -> bool:
    """Whether it is read to the end, or else refused; anything else fails the test."""
    try:
        verify(data)
    except ClipError:
        return False
    return True


@pytest.mark.campaign("files")
@pytest.mark.parametrize("name", BASES)
def test_flipped_bytes_never_surprise(name: str, campaign: Campaign) -> None:
    """Random damage, most of it in the headers, ends in frames or in a ClipError."""
    base, rng, read = BASES[name], campaign.chance(name), 0
    for _ in range(campaign.size):
        data = bytearray(base)
        for _ in range(rng.choice([1, 1, 2, 8])):
            reach = rng.choice([256, 2048, len(data)])
            data[rng.randrange(min(reach, len(data)))] = rng.choice([0, 1, 255, rng.randrange(256)])
        read += survive(bytes(data[: rng.choice([len(data)] * 9 + [rng.randrange(len(data))])]))
    campaign.row(file=name, damaged=campaign.size, refused=campaign.size - read)


words = st.integers(0, 2**32 - 1) | st.sampled_from([1, 2, 5, 6, 9, 14, 15, 0x40005, 2**31, 24, 56])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(words, max_size=40), st.booleans())
def test_made_up_headers_never_surprise(numbers: list[int], compressed: bool) -> None:
    """Any sequence of words where a v5 variable should be ends in a ClipError."""
    survive(v5(inner(struct.pack(f"<{len(numbers)}I", *numbers)), compressed=compressed))
