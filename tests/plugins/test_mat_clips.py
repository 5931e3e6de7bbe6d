"""Clips that cannot be used: each is refused with its reason, and nothing but a ClipError."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import BinaryIO

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns import Campaign
from lusgan_core.errors import ClipError, ExamError
from lusgan_core.ingestion.clip import open_clip
from lusgan_core.ingestion.readers import choose_readers
from matfiles import (
    COMPLEX,
    MemorySource,
    as_clip,
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
    array[7, 7, 1, frame] ^= 128
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
    "two cines": (v5(matrix(cine()), matrix(cine(), "b")), "2 numeric variables.*variable=NAME"),
    "two vectors": (v5(matrix(np.ones((1, 9))), matrix(np.ones((1, 9)), "b")), "2 numeric"),
    "html": (b"<!DOCTYPE html><html>" + bytes(300), "HTML"),
    "git lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
    "gzip": (b"\x1f\x8b\x08" + bytes(300), "a gzip file"),
    "0 and 1 alone": (v5(matrix(cine("bool").astype(float))), "0 and 1 alone.*grey_range"),
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
    "tiny frames": (v5(matrix(np.ones((15, 16, 3, 4)) * 9)), "15x16 pixels"),
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


def test_a_variable_above_4_gb_says_so() -> None:
    """Octave writes more than v5 can hold, with the length cut to 32 bits: save it as v7.3."""
    array = np.zeros((16, 16), np.uint8)
    data = v5(matrix(array, dims=(16, 16, 1, 1 + 2**24)))  # 256 bytes and 2^32
    with pytest.raises(ClipError, match=r"larger than the 4 GB that v5 can hold.*-v7.3"):
        verify(data)


def test_padding_behind_the_last_variable_is_passed_over() -> None:
    """Zeros at the end of a file, as block devices and some tools leave, are no damage."""
    verify(GOOD + bytes(512))
    with pytest.raises(ClipError, match="type 0"):
        verify(GOOD + bytes(511) + b"x")


def test_dimensions_may_be_unsigned() -> None:
    """Type uint32 for dimensions is valid; scipy reads it since its issue 3288."""
    signed, unsigned = struct.pack("<II", 5, 16), struct.pack("<II", 6, 16)
    data = v5(matrix(cine()).replace(signed, unsigned, 1))
    np.testing.assert_array_equal(read(data), read(GOOD))


@pytest.mark.parametrize("write", [lambda *v: v5(*(matrix(a, n) for n, a in v)), v73])
def test_numbers_beside_the_frames_are_kept(write: Callable[..., bytes]) -> None:
    """One variable can be the cine; frame rate and scale beside it go into the record, the rest
    (empty ones, vectors) does not matter."""
    clip = ("frames", cine())
    beside = [("FrameRate", np.array([[25.0]])), ("pixels_per_cm", np.array([[40.0]]))]
    data = write(*beside, clip, ("note", np.zeros((0, 0))), ("t", np.arange(7.0)[None]))
    np.testing.assert_array_equal(read(data), read(GOOD))
    with open_mat(MemorySource({"clip": data}), "clip") as opened:
        assert opened.details["frame_rate_hz"] == 25
        assert opened.details["pixels_per_cm"] == 40
        assert opened.details["variable"] == "frames"
    timed = write(clip, ("time_s", np.arange(5.0)[None] / 20))
    with open_mat(MemorySource({"clip": timed}), "clip") as opened:
        assert opened.details["frame_rate_hz"] == 20


def declared(data: bytes, **options: object) -> np.ndarray:
    """The frames of a clip, of which something is declared."""
    source, readers = MemorySource({"clip": data}), choose_readers({"mat": {}}, declared=options)
    with open_clip(source, as_clip("clip"), readers) as clip:
        return np.stack(list(clip.frames()))


def test_the_variable_can_be_named() -> None:
    """Of two cines the one that is named is read; a name that is not there lists what is."""
    data = v5(matrix(cine(), "a"), matrix(cine() ^ 255, "b"))
    np.testing.assert_array_equal(declared(data, variable="b"), 255 - read(GOOD))
    with pytest.raises(ClipError, match=r"no numeric variable c.*a of 24x18x3x5"):
        declared(data, variable="c")


def test_the_grey_range_can_be_declared() -> None:
    """12 and 16 bits and decibels become grey levels by the values that are black and white."""
    twelve = np.array([0, 2047, 4095, 5000], np.uint16).repeat(64).reshape(16, 16, 1, 1)
    frames = declared(v5(matrix(twelve)), grey_range=(0, 4095))
    assert np.unique(frames).tolist() == [0, 127, 255]
    decibels = np.array([-80.0, -60, -30, 0]).repeat(64).reshape(16, 16, 1, 1)
    frames = declared(v5(matrix(decibels)), grey_range=(-60, 0))
    assert np.unique(frames).tolist() == [0, 128, 255]
    black_white = declared(v5(matrix(cine("bool").astype(float))), grey_range=(0, 1))
    np.testing.assert_array_equal(black_white, read(v5(matrix(cine("bool")))))


@pytest.mark.parametrize("write", [lambda a: v5(matrix(a)), lambda a: v73(("frames", a))])
@pytest.mark.parametrize("frame", [0, 4])
def test_channels_that_rounding_parts_are_grey(write: Callable[..., bytes], frame: int) -> None:
    """One rule for all formats: up to 8 levels are taken, and told; more is a colour overlay."""
    array = cine() // 2
    array[3, 3, 2, frame] += 8
    with open_mat(MemorySource({"clip": write(array)}), "clip") as clip:
        frames = np.stack(list(clip.frames()))
        assert clip.colour_gap == 8
    expected = np.rint(array.mean(axis=2)).transpose(2, 0, 1)
    np.testing.assert_array_equal(frames, expected)
    array[3, 3, 2, frame] += 1
    with pytest.raises(
        ClipError,
        match=f"frame {frame + 1} differ by up to 9 grey levels, 0.* by more than the 8 .*Doppler",
    ):
        verify(write(array))


@pytest.mark.parametrize("version", ["v5", "v7.3"])
def test_what_would_take_long_to_inflate_is_refused(version: str) -> None:
    """1.6 GB in a file of 2 MB would be half a minute of work: it is refused at once."""
    array = np.zeros((1024, 1024, 1, 1600), np.uint8)
    if version == "v5":
        packer = zlib.compressobj(1)
        head = matrix(array[..., :0], dims=array.shape)[:-8] + struct.pack("<II", 2, array.nbytes)
        head = head[:4] + struct.pack("<I", len(head) - 8 + array.nbytes) + head[8:]
        packed = packer.compress(head)
        for _ in range(1600):
            packed += packer.compress(bytes(1 << 20))
        data = v5(pack(packed + packer.flush()), compressed=False)
    else:
        data = v73(("frames", array), chunks=(100, 1, 1024, 1024), compression="gzip")
    assert len(data) < 8 << 20
    with pytest.raises(ClipError, match="1678 MB would be inflated"):
        open_mat(MemorySource({"clip": data}), "clip")


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
