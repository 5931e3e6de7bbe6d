import io

import numpy as np
import pytest
import scipy.io

from lusgan_core.errors import ClipError
from lusgan_readers.scores import read_scores
from matfiles import DTYPES, matrix, v5, v73

MATRIX = np.array([[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]])


def read(data: bytes, frames: int = 4) -> tuple[int, ...]:
    return read_scores(io.BytesIO(data), frames)


@pytest.mark.parametrize("dtype", DTYPES)
def test_column_sums_are_the_scores(dtype: str) -> None:
    """Scores 0 to 3 come out of a matrix of any type, in both formats, under any name."""
    matrix_KM = MATRIX.astype(dtype)
    assert read(v5(matrix(matrix_KM, "Score_matrix"))) == (0, 1, 2, 3)
    assert read(v73(("any", matrix_KM))) == (0, 1, 2, 3)


def test_what_scipy_writes() -> None:
    """A file by an independent writer, doubles narrowed to bytes or not, gives the same scores."""
    file = io.BytesIO()
    scipy.io.savemat(file, {"frames": MATRIX.astype(float)}, do_compression=True)
    assert read(file.getvalue()) == (0, 1, 2, 3)
    assert read(v5(matrix(MATRIX.astype(float), store="uint8"))) == (0, 1, 2, 3)


def test_the_tail_is_unlabelled() -> None:
    """Frames beyond the matrix have the score -1, which is no score."""
    assert read(v5(matrix(MATRIX)), frames=6) == (0, 1, 2, 3, -1, -1)


def test_a_single_row_and_column() -> None:
    """The smallest matrix, which v5 packs into a small element, is read."""
    assert read(v5(matrix(np.ones((1, 1), np.uint8))), frames=2) == (1, -1)


BAD = {
    "more columns": (v5(matrix(MATRIX)), 3, "4 columns for a clip of 3 frames"),
    "other values": (v5(matrix(MATRIX * 2)), 4, "other than 0 and 1"),
    "NaN": (v5(matrix(np.full((3, 4), np.nan))), 4, "other than 0 and 1"),
    "negative": (v5(matrix(-MATRIX)), 4, "other than 0 and 1"),
    "a sum of four": (v5(matrix(np.ones((4, 4)))), 4, "sums up to 4"),
    "many rows": (v5(matrix(np.ones((4, 3)).repeat(5, 0))), 20, "transposed"),
    "no columns": (v5(matrix(np.ones((3, 0)))), 4, "empty score matrix"),
    "no rows": (v5(matrix(np.ones((0, 3)))), 4, "empty score matrix"),
    "three dimensions": (v5(matrix(np.ones((3, 2, 2)))), 4, "3x2x2, expected rows"),
    "two matrices": (v5(matrix(MATRIX), matrix(MATRIX, "b")), 4, "2 numeric variables"),
    "sparse": (v5(matrix(MATRIX, number=5)), 4, "only sparse"),
    "text": (b"0,1,2,3\n" * 30, 4, "not a .mat file"),
    "empty file": (b"", 4, "empty file"),
    "a bomb": (v5(matrix(np.zeros((3, 2_000_000), np.uint8))), 4, "more than"),
    "a v7.3 bomb": (
        v73(("s", np.zeros((3, 2_000_000), np.uint8)), chunks=(100_000, 3), compression="gzip"),
        4,
        "more than",
    ),
}


@pytest.mark.parametrize(("data", "frames", "reason"), BAD.values(), ids=BAD)
def test_bad_matrices_are_refused(data: bytes, frames: int, reason: str) -> None:
    """Whatever is no score matrix of that clip is refused with its reason."""
    with pytest.raises(ClipError, match=reason):
        read(data, frames)
