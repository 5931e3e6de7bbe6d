"""The audit's statistic: how much nearer a frame is to one training patient than to any other.

The distance of a frame to its nearest training frame, over its distance to the nearest frame of
another training patient than that frame's. It is about 1 for a frame that resembles nobody in
particular and near 0 for a copy, and needs no held-out patient, who serve to calibrate it.

Shapes: M frames in question, N training frames, D features.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ratios:
    """The statistic of some frames."""

    values: Floats
    """(M,), 0..1."""
    nearest: NDArray[np.int64]
    """(M,), which training frame is the nearest."""


def ratios(distances_MN: Floats, patients: Sequence[str]) -> Ratios:
    """Compute the statistic from all distances.

    Args:
        distances_MN: Distances of frames to training frames, 0 or more; NaN counts as infinite.
        patients: Whose each training frame is; two patients at least.

    Returns:
        The statistic; 1 where neither patient is nearer than the other, even at distance 0.
    """
    codes = np.unique(np.array(patients), return_inverse=True)[1]
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    distances = np.nan_to_num(distances_MN, nan=np.inf, posinf=np.inf)
    by_patient = np.minimum.reduceat(distances[:, order], starts, axis=1)
    nearest, rows = distances.argmin(1), np.arange(len(distances))
    by_patient[rows, codes[nearest]] = np.inf
    own, other = distances[rows, nearest], by_patient.min(1)
    values = np.ones(len(distances))
    np.divide(own, other, out=values, where=(other > own) & (own < np.inf))
    return Ratios(values, nearest)


def feature_distances(a_MD: Floats, b_ND: Floats) -> Floats:
    """Euclidean distances of every row of one matrix to every row of another.

    Args:
        a_MD: Features of frames.
        b_ND: Features of other frames.

    Returns:
        Distances (M, N).
    """
    centre = b_ND.mean(0)
    a, b = a_MD - centre, b_ND - centre
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None, :] - 2 * a @ b.T
    found: Floats = np.sqrt(np.maximum(squares, 0))
    return found


def merge_patients(marks: Sequence[tuple[str, Set[Hashable]]]) -> dict[str, str]:
    """Take patients who share something for one, so that a clip under two codes is one patient's.

    Args:
        marks: Codes of patients, each with what its frames are known by, e.g. digests; a code may
            come several times.

    Returns:
        Each code -> the first code, in order, of those it is connected with.
    """
    first: dict[str, str] = {code: code for code, _ in sorted(marks, key=lambda mark: mark[0])}

    def root(code: str) -> str:
        while first[code] != code:
            code = first[code]
        return code

    owner: dict[Hashable, str] = {}
    for code, own in marks:
        for mark in own:
            one, two = sorted((root(owner.setdefault(mark, code)), root(code)))
            first[two] = one
    return {code: root(code) for code in first}
