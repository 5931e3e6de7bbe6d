"""Frames inside structs and cells of v5 files, as scipy writes them."""

from __future__ import annotations

import io

import numpy as np
import pytest
import scipy.io

from lusgan_core.errors import ClipError
from lusgan_core.ingestion.clip import ClipReader, open_clip
from lusgan_core.ingestion.readers import choose_readers
from matfiles import MemorySource, as_clip, cine

CINE = cine()
GREY = CINE[:, :, 0].transpose(2, 0, 1)


def saved(compressed: bool = True, **variables: object) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, variables, do_compression=compressed)
    return file.getvalue()


def opened(data: bytes, name: str | None = None, **options: object) -> ClipReader:
    readers = choose_readers({"mat": {"variable": name, **options}})
    return open_clip(MemorySource({"c.mat": data}), as_clip("c.mat"), readers)


def cells(arrays: list[np.ndarray]) -> np.ndarray:
    cell = np.empty((1, len(arrays)), object)
    for i, array in enumerate(arrays):
        cell[0, i] = array
    return cell


def movie() -> np.ndarray:
    """What MATLAB's getframe gives: a struct array of cdata and an empty colormap."""
    frames = np.zeros((1, CINE.shape[3]), [("cdata", object), ("colormap", object)])
    for i in range(CINE.shape[3]):
        frames[0, i] = (CINE[..., i], np.zeros((0, 0)))
    return frames


KINDS = {
    "a field": ({"exam": {"fps": 25.0, "cine": CINE, "note": "text"}}, "exam.cine"),
    "a movie": ({"mov": movie()}, "mov.cdata"),
    "a cell of a cine": ({"c": cells([CINE])}, "c"),
    "a cell of frames": ({"c": cells(list(CINE.transpose(3, 0, 1, 2)))}, "c"),
    "a cell of grey frames": ({"c": cells(list(GREY))}, "c"),
    "one of several in a cell": ({"c": cells([np.ones((1, 2)), CINE])}, "c.2"),
    "beside numbers": ({"fps": np.ones((3, 4)), "exam": {"cine": CINE}}, "exam.cine"),
}


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_frames_inside_are_read_where_they_are_named(kind: str, compressed: bool) -> None:
    """The frames are those that were written, twice, and their checksum is looked at."""
    variables, name = KINDS[kind]
    with opened(saved(compressed, **variables), name) as clip:
        for _ in range(2):
            np.testing.assert_array_equal(np.stack(list(clip.frames())), GREY)
        assert clip.details["variable"] == name


def test_the_names_are_told_where_none_was_given() -> None:
    """A struct, a movie and a cell say how to name what is in them; a wrong name is told, too."""
    for kind in ("a field", "a movie", "a cell of frames"):
        variables, name = KINDS[kind]
        with pytest.raises(ClipError, match=rf"--set ingestion.variable={name}$"):
            opened(saved(**variables))
    with pytest.raises(ClipError, match=r"no numeric variable exam.b, .* exam.cine of 24x18x3x5"):
        opened(saved(**KINDS["a field"][0]), "exam.b")


def test_frames_of_several_sizes_are_no_movie() -> None:
    """Arrays that differ in shape are not joined; each of a cell can be named by its number."""
    frames = movie()
    frames[0, 1]["cdata"] = CINE[:20, ..., 1]
    with pytest.raises(ClipError, match="only struct found"):
        opened(saved(mov=frames))
    with opened(saved(c=cells([CINE, CINE[:20]])), "c.2") as clip:
        assert (clip.height, clip.count) == (20, 5)


@pytest.mark.parametrize(("low", "high"), [(0, 4095), (-60.0, 0.0)])
def test_a_range_goes_with_a_field(low: float, high: float) -> None:
    """12 bits and dB in a struct are scaled from the declared range to 0..255."""
    stored = (low + CINE / 255 * (high - low)).astype(np.float64)
    data = saved(exam={"cine": stored})
    with opened(data, "exam.cine", grey_range=(low, high)) as clip:
        np.testing.assert_array_equal(np.stack(list(clip.frames())), GREY)
    with opened(data, "exam.cine") as clip, pytest.raises(ClipError, match="grey_range"):
        list(clip.frames())


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_or_changed_struct_never_surprises(kind: str) -> None:
    """Damage ends in the very same frames or in a ClipError, where the stream has a checksum."""
    variables, name = KINDS[kind]
    good, rng = saved(**variables), np.random.default_rng(1)
    for _ in range(60):
        data = bytearray(good)
        data[int(rng.integers(136, len(data)))] ^= int(rng.integers(1, 256))
        try:
            with opened(bytes(data), name) as clip:
                np.testing.assert_array_equal(np.stack(list(clip.frames())), GREY)
        except ClipError:
            pass
    with pytest.raises(ClipError):
        opened(good[: len(good) // 2], name)
