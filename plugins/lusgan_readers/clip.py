"""Opens a clip of the hospital's layout and streams its frames, whatever the format of its file.

A few frames are held at a time, however long the clip is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import Clip, ClipError, ClipObjects
from lusgan_readers.grey_scale import Scale, find_scale, known_scale, to_grey
from lusgan_readers.mat_file import open_mat
from lusgan_readers.mat_variable import MatFile, as_cine
from lusgan_readers.scores import read_scores


@contextmanager
def open_clip(objects: ClipObjects) -> Iterator[Clip]:
    """Open a clip and read its header; no pixels yet.

    Args:
        objects: The clip, with its ``scores``.

    Returns:
        A context with the open clip.

    Raises:
        ClipError: The file is not a .mat file with one cine, or is damaged.
        OSError: Reading failed.
    """
    with objects.open() as file, closing(open_mat(file)) as mat:
        cine = as_cine(mat.variable)
        yield Clip(
            height=cine.height,
            width=cine.width,
            count=cine.count,
            frames=_Frames(mat),
            scores=lambda: _scores(objects, cine.count),
            channels=cine.channels,
            dtype=mat.variable.dtype.name,
            details={"mat_version": mat.version, "variable": mat.variable.name},
        )


class _Frames:
    """Starts passes over the frames; the scale of their numbers is found once."""

    def __init__(self, mat: MatFile) -> None:
        self._mat = mat
        self._cine = as_cine(mat.variable)
        self._scale: Scale | None = known_scale(mat.variable)

    def __call__(self) -> Iterator[NDArray[np.uint8]]:
        """The frames one by one, each (1, H, W) uint8, columns first in memory.

        Numbers other than uint8 take one more pass, once, to find their range. Draining the
        iterator verifies the clip: checksums, sizes, NaN, and that the channels are equal, wherever
        they are inflated anyway (v5: every frame; v7.3: at least the first).
        """
        if self._scale is None:
            self._scale = find_scale(self._mat.planes(self._cine))
        for plane in self._mat.planes(self._cine):
            grey = to_grey(plane, self._scale)
            own = grey.copy() if grey is plane else grey  # the next plane takes the same memory
            yield own.T[None]


def _scores(objects: ClipObjects, frames: int) -> tuple[int, ...]:
    if "scores" not in objects.parts:
        raise ClipError("no score file beside it")
    try:
        with objects.open("scores") as file:
            return read_scores(file, frames)
    except ClipError as error:
        raise ClipError(f"score file: {error}") from error
