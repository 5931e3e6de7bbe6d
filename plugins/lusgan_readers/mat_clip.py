"""Opens a clip of the hospital's layout and streams its frames, whatever the format of its file.

A few frames are held at a time, however long the clip is; only a clip whose axes are in another
order than MATLAB's is held whole.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import Clip, ClipError, ClipObjects
from lusgan_readers.axes import read_axes
from lusgan_readers.beside import facts_beside
from lusgan_readers.grey_scale import Scale, find_scale, known_scale, to_grey
from lusgan_readers.mat_file import open_mat
from lusgan_readers.mat_variable import (
    MAX_LARGE_BYTES,
    Cine,
    MatFile,
    Variable,
    cine_variable,
    refuse_bomb,
)
from lusgan_readers.options import MatOptions
from lusgan_readers.scores import read_matrix, scored_frames, to_scores


@contextmanager
def open_clip(objects: ClipObjects, options: MatOptions) -> Iterator[Clip]:
    """Open a clip and read its header and its score matrix.

    No pixels are read, unless the shape of the array alone does not tell its axes.

    Args:
        objects: The clip, with its ``scores``.
        options: What was declared of it.

    Returns:
        A context with the open clip.

    Raises:
        ClipError: The file is not a .mat file with one cine, or is damaged.
        OSError: Reading failed.
    """
    with objects.open() as file, closing(open_mat(file)) as mat:
        variable = cine_variable(mat, options.variable)
        mat.check(variable)
        refuse_bomb(variable, file.seek(0, os.SEEK_END))
        table = _Scores(objects)
        frames = _Frames(mat, variable, options)
        cine = read_axes(
            variable,
            lambda: frames.volume,
            declared=options.axes,
            scored=table.frames,
            mask=_mask_size(objects),
        )
        frames.cine = cine
        details: dict[str, str | int | float] = {
            "mat_version": mat.version,
            "variable": variable.name,
        }
        if not cine.is_usual:
            details["axes"] = cine.order
        if table.form(cine.count):
            details["score_form"] = table.form(cine.count)
        yield Clip(
            height=cine.height,
            width=cine.width,
            count=cine.count,
            frames=frames,
            scores=lambda: table.scores(cine.count),
            channels=cine.channels,
            dtype=variable.dtype.name,
            details=details | facts_beside(mat, variable.name, cine.count),
        )


class _Frames:
    """Starts passes over the frames; the scale of their numbers is found once."""

    cine: Cine

    def __init__(self, mat: MatFile, variable: Variable, options: MatOptions) -> None:
        self._mat, self._variable = mat, variable
        self._scale: Scale | None = known_scale(variable, options.grey_range)

    @cached_property
    def volume(self) -> NDArray[Any]:
        """All numbers in the variable's own shape."""
        if self._variable.size > MAX_LARGE_BYTES:
            raise ClipError(
                f"{self._variable.size >> 20} MB whose axes are not height x width x 3 x frames, "
                f"expected {MAX_LARGE_BYTES >> 20} MB at most: save it in that order"
            )
        return self._mat.array(self._variable, MAX_LARGE_BYTES)

    def __call__(self) -> Iterator[NDArray[np.uint8]]:
        """The frames one by one, each (1, H, W), or (1, H, W, 3) where its channels differ.

        Numbers other than uint8 take one more pass, once, to find their range. Draining the
        iterator verifies the clip: checksums, sizes and NaN.
        """
        if self._scale is None:
            self._scale = find_scale(self._planes())
        for plane in self._planes():  # the next one takes the same memory
            grey = to_grey(plane, self._scale)
            # OpenCV transposes seven times as fast as numpy
            own = cv2.transpose(grey) if grey.ndim == 2 else np.ascontiguousarray(grey.T)
            yield np.asarray(own, np.uint8)[None]

    def _planes(self) -> Iterator[NDArray[Any]]:
        """The frames as stored, each (W, H), or (C, W, H) where its channels differ."""
        if self.cine.is_usual:
            yield from self._mat.planes(self._variable, self.cine)
            return
        order = self.cine.order
        wanted = "NCWH" if "C" in order else "NWH"
        for frame in self.volume.transpose([order.index(axis) for axis in wanted]):
            several = frame if frame.ndim == 3 else frame[None]
            is_grey = all(np.array_equal(several[0], channel) for channel in several[1:])
            yield np.ascontiguousarray(several[0] if is_grey else several)


class _Scores:
    """The score matrix of a clip; what is wrong with it is told when scores are asked for."""

    def __init__(self, objects: ClipObjects) -> None:
        self._matrix: NDArray[Any] | None = None
        self._error: ClipError | None = None
        if "scores" not in objects.parts:
            self._error = ClipError("no score file beside it")
            return
        try:
            with objects.open("scores") as file:
                self._matrix = read_matrix(file)
        except ClipError as error:
            self._error = ClipError(f"score file: {error}")

    @property
    def frames(self) -> int | None:
        """Frames that it is for; None where that is unknown."""
        return None if self._matrix is None else scored_frames(self._matrix)

    def form(self, count: int) -> str:
        """Which form the matrix has; empty where there is none."""
        try:
            return self._read(count)[0]
        except ClipError:
            return ""

    def scores(self, count: int) -> tuple[int, ...]:
        """A score for each of ``count`` frames; raises ClipError."""
        return self._read(count)[1]

    def _read(self, count: int) -> tuple[str, tuple[int, ...]]:
        if self._matrix is None:
            raise self._error or ClipError("no scores")
        try:
            return to_scores(self._matrix, count)
        except ClipError as error:
            raise ClipError(f"score file: {error}") from error


def _mask_size(objects: ClipObjects) -> tuple[int, int] | None:
    """Height and width of the clip's mask, if it has one and that is a PNG picture."""
    if "mask" not in objects.parts:
        return None
    with objects.open("mask") as file:
        head = file.read(24)
    if len(head) < 24 or not head.startswith(b"\x89PNG"):
        return None  # which is told when the mask is read
    width, height = struct.unpack(">II", head[16:24])
    return height, width
