"""Score matrices, in the hospital's form and in others that labs write.

The hospital's form is *cumulative*: a column for each frame, of up to three indicators, 000, 100,
110, 111 for scores 0 to 3; their sum is the score. It may have fewer columns than the clip has
frames: the last ones are unlabelled. Other forms are recognised where they can be nothing else:

- *one-hot*: four indicators a frame, of which one is 1: its place is the score;
- *row*: the scores themselves, 0..3, one a frame;
- *per clip*: a single score, 0..3, for all frames;
- each of the first three *transposed*, with as many rows as the clip has frames.

What could be two of these, with other scores, is refused with both readings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import SCORES, UNLABELLED, ClipError
from lusgan_readers.mat_file import read_array
from lusgan_readers.mat_variable import sizes

INDICATORS = SCORES[-1]
"""Rows of a cumulative matrix."""
TRANSPOSED = (1, INDICATORS, len(SCORES))
"""Columns of a transposed row, cumulative and one-hot matrix."""
EXPECTED = "expected columns 000, 100, 110 or 111 for scores 0 to 3, one a frame"


def read_scores(file: BinaryIO, frames: int) -> tuple[int, ...]:
    """Read the scores of a clip's frames; see ``read_matrix`` and ``to_scores``.

    Args:
        file: The score file, open.
        frames: Number of the clip's frames.

    Returns:
        A score for each frame.
    """
    return to_scores(read_matrix(file), frames)[1]


def read_matrix(file: BinaryIO) -> NDArray[Any]:
    """Read a score matrix.

    Args:
        file: The score file, open. The matrix is its only numeric variable, of any type.

    Returns:
        (K, M), neither of them 0.

    Raises:
        ClipError: The matrix is missing, empty or unreadable.
        OSError: Reading failed.
    """
    matrix_KM = read_array(file)
    if matrix_KM.ndim != 2:
        raise ClipError(f"a score matrix of {sizes(matrix_KM.shape)}, expected rows x frames")
    rows, columns = matrix_KM.shape
    if not rows or not columns:
        raise ClipError(f"an empty score matrix of {rows}x{columns}, expected a column a frame")
    return matrix_KM


def scored_frames(matrix_KM: NDArray[Any]) -> int | None:
    """Tell how many frames a score matrix is for, as far as its shape does; None for a clip."""
    rows, columns = matrix_KM.shape
    if rows == columns == 1:
        return None
    return int(rows if rows > len(SCORES) and columns <= len(SCORES) else columns)


def to_scores(matrix_KM: NDArray[Any], frames: int) -> tuple[str, tuple[int, ...]]:
    """Read a score matrix as scores of a clip's frames.

    Args:
        matrix_KM: The matrix (K, M).
        frames: Number of the clip's frames.

    Returns:
        The form that was recognised, and a score 0..3 for each frame; ``UNLABELLED`` for frames
        beyond the matrix.

    Raises:
        ClipError: It is no score matrix of that clip, or could be read in two ways.
    """
    _check_values(matrix_KM)
    rows, columns = matrix_KM.shape
    if matrix_KM.size == 1:
        return "per clip", (int(matrix_KM[0, 0]),) * frames
    readings: dict[tuple[int, ...], str] = {}
    for form, scores in _readings(matrix_KM, frames):
        full = (*scores.tolist(), *[UNLABELLED] * (frames - len(scores)))
        readings.setdefault(full, form)
    if len(readings) > 1:
        told = " or ".join(f"{form} ({_shown(scores)})" for scores, form in readings.items())
        raise ClipError(
            f"a score matrix of {rows}x{columns} that could be {told}: {EXPECTED}; write it so"
        )
    if not readings:
        raise _unread(matrix_KM, frames)
    ((scores_N, form),) = readings.items()
    return form, scores_N


def _check_values(matrix_KM: NDArray[Any]) -> None:
    if not np.isin(matrix_KM, SCORES).all():
        raise ClipError("a score matrix with values other than 0 and 1, or scores 0 to 3")
    is_row = 1 in matrix_KM.shape
    if not is_row and not np.isin(matrix_KM, (0, 1)).all():
        raise ClipError(
            "a score matrix with values other than 0 and 1, expected indicators, or one row of "
            "scores 0 to 3"
        )


def _readings(matrix_KM: NDArray[Any], frames: int) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """All readings of the matrix, each with a score for each of its frames."""
    rows, columns = matrix_KM.shape
    if columns <= frames:
        yield from _by_column(matrix_KM, "")
    if rows == frames and columns in TRANSPOSED:
        yield from _by_column(matrix_KM.T, ", transposed")


def _by_column(matrix_KM: NDArray[Any], how: str) -> Iterator[tuple[str, NDArray[np.int64]]]:
    rows = len(matrix_KM)
    if rows == 1:
        yield f"row{how}", matrix_KM[0].astype(np.int64)
        return
    if rows > len(SCORES) or not np.isin(matrix_KM, (0, 1)).all():
        return
    total = matrix_KM.sum(axis=0, dtype=np.int64)
    places = matrix_KM.argmax(axis=0)
    one_hot = bool((total == 1).all())
    falling = bool((np.diff(matrix_KM.astype(np.int64), axis=0) <= 0).all())
    if falling and total.max() <= INDICATORS:
        yield f"cumulative{how}", total
    if one_hot and rows == len(SCORES):
        yield f"one-hot{how}", places
    if rows == len(SCORES) and falling and total.min() >= 1 and total.max() <= INDICATORS:
        yield f"cumulative from 1000 for score 0{how}", total - 1
    if rows == INDICATORS and not falling and (total <= 1).all():
        yield f"one-hot of scores 1 to 3{how}", np.where(total == 1, places + 1, 0)
        if one_hot:
            yield f"one-hot of scores 0 to 2{how}", places
        else:
            yield (
                f"one-hot of scores 0 to 2, unscored where 000{how}",
                np.where(total == 1, places, UNLABELLED),
            )


def _unread(matrix_KM: NDArray[Any], frames: int) -> ClipError:
    """The error for a matrix without any reading."""
    rows, columns = matrix_KM.shape
    if columns > frames:
        return ClipError(
            f"a score matrix with {columns} columns for a clip of {frames} frames, expected one "
            "column a frame at most: does it belong to another clip?"
        )
    if rows > len(SCORES):
        return ClipError(
            f"a score matrix of {rows}x{columns} for a clip of {frames} frames, expected at most "
            f"{len(SCORES)} rows and a column a frame: is it transposed?"
        )
    most = int(matrix_KM.sum(axis=0, dtype=np.int64).max())
    if most > INDICATORS:
        return ClipError(
            f"a column of the score matrix sums up to {most}, expected scores "
            f"{SCORES[0]} to {SCORES[-1]}"
        )
    odd = [c for c in matrix_KM.T.astype(np.int64) if (np.diff(c) > 0).any()]
    column = "".join(str(v) for v in (odd or [matrix_KM[:, 0]])[0])
    return ClipError(
        f"a score matrix with a column {column}, which stands for no score: {EXPECTED}"
    )


def _shown(scores: tuple[int, ...]) -> str:
    """The first scores of a reading, for a message."""
    labelled = [str(s) for s in scores if s != UNLABELLED]
    return "scores " + ", ".join(labelled[:6]) + (", ..." if len(labelled) > 6 else "")
