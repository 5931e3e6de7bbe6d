import io

import numpy as np
import pytest
import scipy.io

from campaigns import Campaign
from lusgan_core.errors import ClipError
from lusgan_readers.scores import read_scores, to_scores
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


def test_a_single_score_is_the_clips() -> None:
    """The smallest matrix, which v5 packs into a small element, labels all frames."""
    assert read(v5(matrix(np.full((1, 1), 3, np.uint8))), frames=2) == (3, 3)


ONE_HOT = np.eye(4, dtype=int)[:, [0, 3, 1, 1, 2]]
FORMS = {
    "cumulative": (MATRIX, 4, "cumulative", (0, 1, 2, 3)),
    "the score 1 alone": ([[1, 1], [0, 0], [0, 0]], 4, "cumulative", (1, 1, -1, -1)),
    "one-hot": (ONE_HOT, 6, "one-hot", (0, 3, 1, 1, 2, -1)),
    "row": ([[0, 2, 3, 1]], 4, "row", (0, 2, 3, 1)),
    "row of 0 and 1": ([[0, 1, 1]], 4, "row", (0, 1, 1, -1)),
    "column": ([[0], [2], [3], [1], [1]], 5, "row, transposed", (0, 2, 3, 1, 1)),
    "per clip": ([[2]], 3, "per clip", (2, 2, 2)),
    "transposed": (MATRIX.T.repeat(3, 0), 12, "cumulative, transposed", (0,) * 3 + (1,) * 3
                   + (2,) * 3 + (3,) * 3),
    "one-hot, transposed": (ONE_HOT.T, 5, "one-hot, transposed", (0, 3, 1, 1, 2)),
    "a square that says the same both ways": (np.eye(4), 4, "one-hot", (0, 1, 2, 3)),
}  # fmt: skip


@pytest.mark.parametrize(("given", "frames", "form", "scores"), FORMS.values(), ids=FORMS)
def test_forms_are_recognised_and_named(
    given: object, frames: int, form: str, scores: tuple[int, ...]
) -> None:
    """Each form that can be nothing else is read, and its name is known."""
    assert to_scores(np.array(given), frames) == (form, scores)


TWO_READINGS = {
    "one-hot of 0, or cumulative": ([[1, 1], [0, 0], [0, 0], [0, 0]], 2, "cumulative.*one-hot"),
    "four rows that fall": ([[1, 1], [0, 1], [0, 0], [0, 0]], 2, "1, 2.*0, 1"),
    "one-hot of three": ([[0, 1], [1, 0], [0, 0]], 2, "scores 1 to 3.*scores 0 to 2"),
    "one-hot of three with gaps": ([[0, 0], [1, 0], [0, 0]], 2, "scores 1 to 3.*unscored"),
    "a square": ([[1, 1, 1], [0, 0, 0], [0, 0, 0]], 3, "1, 1, 1.*3, 0, 0"),
}


@pytest.mark.parametrize(("given", "frames", "told"), TWO_READINGS.values(), ids=TWO_READINGS)
def test_what_could_be_two_things_is_refused_with_both(
    given: object, frames: int, told: str
) -> None:
    """A matrix with two readings that give other scores is nobody's guess."""
    with pytest.raises(ClipError, match=f"could be .*{told}"):
        to_scores(np.array(given), frames)


def test_v4_matrices_are_read() -> None:
    """The oldest format, which scipy still writes, holds matrices of any type."""
    for dtype in ("float64", "uint8"):
        file = io.BytesIO()
        scipy.io.savemat(file, {"other": "text", "s": MATRIX.astype(dtype)}, format="4")
        assert read(file.getvalue()) == (0, 1, 2, 3)
    with pytest.raises(ClipError, match="truncated"):
        read(file.getvalue()[:-1])


BAD = {
    "more columns": (v5(matrix(MATRIX)), 3, "4 columns for a clip of 3 frames"),
    "other values": (v5(matrix(MATRIX * 2)), 4, "other than 0 and 1"),
    "NaN": (v5(matrix(np.full((3, 4), np.nan))), 4, "other than 0 and 1"),
    "negative": (v5(matrix(-MATRIX)), 4, "other than 0 and 1"),
    "a sum of four": (v5(matrix(np.ones((4, 4)))), 4, "sums up to 4"),
    "many rows": (v5(matrix(np.ones((4, 3)).repeat(5, 0))), 30, "transposed"),
    "eight rows": (v5(matrix(np.eye(8)[:, :2])), 4, "at most 4 rows"),
    "a gap": (v5(matrix(np.array([[0, 1], [1, 1], [1, 0]]))), 4, "column 011"),
    "a row with 4": (v5(matrix(np.array([[0, 4]]))), 4, "scores 0 to 3"),
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


@pytest.mark.campaign("files")
@pytest.mark.parametrize("form", ["v4", "v5", "v7.3"])
def test_damage_never_changes_scores_that_have_a_checksum(form: str, campaign: Campaign) -> None:
    """A flipped bit ends in a ClipError or in the same scores; v4 and v7.3 have no checksum, and
    end in scores or a ClipError."""
    file, rng, refused = io.BytesIO(), campaign.chance(f"scores {form}"), 0
    scipy.io.savemat(file, {"s": MATRIX.astype(float)}, format="4")
    base = {"v4": file.getvalue(), "v5": v5(matrix(MATRIX)), "v7.3": v73(("s", MATRIX))}[form]
    for _ in range(campaign.size):
        data = bytearray(base)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        try:
            scores = read(bytes(data))
        except ClipError:
            refused += 1
        else:
            assert form != "v5" or scores == (0, 1, 2, 3)
            assert len(scores) == 4
    campaign.row(file=f"scores, {form}", damaged=campaign.size, refused=refused)
