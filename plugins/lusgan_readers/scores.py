"""Score matrices: a column for each frame, whose sum is that frame's severity score.

The rows are indicators (0 or 1), usually three cumulative ones: 000, 100, 110, 111 for scores 0 to
3. A matrix may have fewer columns than the clip has frames: the last ones are unlabelled.
"""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from lusgan_core.api import SCORES, UNLABELLED, ClipError
from lusgan_readers.mat_file import read_array
from lusgan_readers.mat_variable import sizes

MAX_ROWS = 8
"""A matrix with more rows than this is most likely transposed."""


def read_scores(file: BinaryIO, frames: int) -> tuple[int, ...]:
    """Read the scores of a clip's frames.

    Args:
        file: The score file, open. The matrix (K, M) is its only numeric variable, of any numeric
            type.
        frames: Number of the clip's frames, at least M.

    Returns:
        A score 0..3 for each frame; ``UNLABELLED`` for frames beyond the matrix's columns.

    Raises:
        ClipError: The matrix is missing, empty or unreadable, has more columns than the clip has
            frames, holds anything but 0 and 1, or has a column that sums up to no score.
        OSError: Reading failed.
    """
    matrix_KM = read_array(file)
    if matrix_KM.ndim != 2:
        raise ClipError(f"a score matrix of {sizes(matrix_KM.shape)}, expected rows x frames")
    rows, columns = matrix_KM.shape
    if not rows or not columns:
        raise ClipError(f"an empty score matrix of {rows}x{columns}, expected a column a frame")
    if rows > MAX_ROWS:
        raise ClipError(
            f"a score matrix of {rows}x{columns}, expected at most {MAX_ROWS} rows and a column a "
            "frame: is it transposed?"
        )
    if columns > frames:
        raise ClipError(
            f"a score matrix with {columns} columns for a clip of {frames} frames, expected one "
            "column a frame at most: does it belong to another clip?"
        )
    if not np.isin(matrix_KM, (0, 1)).all():
        raise ClipError("a score matrix with values other than 0 and 1")
    scores = matrix_KM.sum(axis=0, dtype=np.int64)
    if scores.max() > SCORES[-1]:
        raise ClipError(
            f"a column of the score matrix sums up to {scores.max()}, expected scores "
            f"{SCORES[0]} to {SCORES[-1]}"
        )
    return (*scores.tolist(), *[UNLABELLED] * (frames - columns))
