import io
import tracemalloc

import numpy as np
import pytest
import scipy.io

from matfiles import DTYPES, MemorySource, cine, matrix, open_mat, v5


def frames(data: bytes) -> np.ndarray:
    """All frames of a clip, (N, H, W)."""
    with open_mat(MemorySource({"clip": data}), "clip") as clip:
        return np.stack([frame.copy() for frame in clip.frames()])


def by_scipy(data: bytes, name: str = "frames") -> np.ndarray:
    """Channel 0 as scipy reads it, (N, H, W)."""
    return scipy.io.loadmat(io.BytesIO(data))[name][:, :, 0].transpose(2, 0, 1)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_reads_as_scipy_does(dtype: str, compressed: bool, order: str) -> None:
    """Every type that MATLAB writes, in both byte orders, compressed or not, equals scipy's."""
    array = cine(dtype)
    data = v5(matrix(array, order=order), order=order, compressed=compressed)
    expected = by_scipy(data).astype(np.uint8) * (255 if dtype == "bool" else 1)
    with open_mat(MemorySource({"clip": data}), "clip") as clip:
        assert (*clip.details.values(), clip.dtype) == ("v5", "frames", dtype)
        assert (clip.height, clip.width, clip.channels, clip.count) == array.shape
    assert frames(data).dtype == np.uint8
    np.testing.assert_array_equal(frames(data), expected)


@pytest.mark.parametrize("store", ["uint8", "int16", "uint16", "int32"])
def test_narrowed_doubles_read_as_doubles(store: str) -> None:
    """Doubles that MATLAB stored in a smaller type keep their values and their class."""
    array = cine("float64")
    data = v5(matrix(array, store=store))
    np.testing.assert_array_equal(frames(data), by_scipy(data))
    with open_mat(MemorySource({"clip": data}), "clip") as clip:
        assert clip.dtype == "float64"


@pytest.mark.parametrize("compressed", [True, False])
def test_files_that_scipy_writes(compressed: bool) -> None:
    """A file by an independent writer gives back the array that was saved."""
    array, file = cine(shape=(33, 21, 3, 7)), io.BytesIO()
    scipy.io.savemat(file, {"film": array}, do_compression=compressed)
    np.testing.assert_array_equal(frames(file.getvalue()), array[:, :, 0].transpose(2, 0, 1))


def test_private_and_other_variables_are_passed_over() -> None:
    """Nameless, ``__`` and non-numeric variables do not hide the only numeric one."""
    array = cine()
    text = matrix(np.zeros((1, 4), np.uint16), "note", number=4)
    data = v5(matrix(np.eye(3), "__private"), text, matrix(np.eye(2), ""), matrix(array, "a"))
    np.testing.assert_array_equal(frames(data), array[:, :, 0].transpose(2, 0, 1))


@pytest.mark.parametrize("compressed", [True, False])
def test_iterators_are_independent(compressed: bool) -> None:
    """frames() may be called again, and two iterators may run at once over one open file."""
    data = v5(matrix(cine(shape=(64, 50, 3, 9))), compressed=compressed)
    expected = frames(data)
    with open_mat(MemorySource({"clip": data}), "clip") as clip:
        for want, one, two in zip(expected, clip.frames(), clip.frames(), strict=True):
            np.testing.assert_array_equal(one, want)
            np.testing.assert_array_equal(two, want)


@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_memory_is_a_few_frames(dtype: str) -> None:
    """Reading 60 frames holds about five of them, not the clip."""
    height, width = (256, 300) if dtype == "uint8" else (96, 100)
    data = v5(matrix(cine(dtype, (height, width, 3, 60))))
    source, frame = MemorySource({"clip": data}), height * width * np.dtype(dtype).itemsize
    tracemalloc.start()
    try:
        with open_mat(source, "clip") as clip:
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            assert sum(1 for _ in clip.frames()) == 60
            peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < 5 * frame + 500_000
