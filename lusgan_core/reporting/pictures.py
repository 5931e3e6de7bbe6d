"""Loads the pictures that sections name from the store, as ``src`` attributes of a page.

A missing picture is replaced by a grey one or left out: it never stops a report.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lusgan_core.calls.section import FrameAt, FramePair, Sheet, StripPicture
from lusgan_core.preprocessing.shard import read_shard_frames
from lusgan_core.reporting.images import gif_data_uri, png_data_uri, reduced, sample_grid
from lusgan_core.store import Store

LARGEST_GIF = 1_500_000
"""Bytes up to which a progress animation is put into the page."""
SHEET_COLUMNS = 4
BLANK_LEVEL = 110
"""Grey level that replaces a missing picture."""
UNREADABLE = Exception
"""What reading a picture raises where it is gone or damaged: decoders raise all kinds of things."""

Frame = NDArray[np.uint8]


class Pictures:
    """The pictures of one report.

    Args:
        store: Store with the pictures.
        side: Longest side of a frame, pixels; larger frames are reduced to it.
    """

    def __init__(self, store: Store, side: int = 160) -> None:
        self._store, self._side = store, side
        self._file: Callable[[str, int | None], Frame] = lru_cache(maxsize=2)(self._read)

    def sheet(self, sheet: Sheet, columns: int = SHEET_COLUMNS) -> str:
        """Draw a sheet of frames in rows.

        Args:
            sheet: The frames, by their place in the store; those that are missing are grey.
            columns: Frames in a row.

        Returns:
            A PNG as a ``data:`` URI.
        """
        return png_data_uri(sample_grid(self._frames(sheet.frames), columns))

    def one(self, at: FrameAt) -> str:
        """A single frame as a ``data:`` URI; grey if it is missing."""
        return png_data_uri(self._frames([at])[0])

    def pair(self, pair: FramePair) -> str:
        """A synthetic frame, left, beside its nearest real one, as a ``data:`` URI."""
        return png_data_uri(sample_grid(self._frames([pair.synthetic, pair.real]), 2))

    def corner(self, picture: StripPicture, side: int) -> str:
        """Cut out the upper left corner of a picture.

        Args:
            picture: A PNG file in the store; a grey square replaces it if it is missing.
            side: Side of the corner, pixels.

        Returns:
            A PNG as a ``data:`` URI.
        """
        try:
            image = np.asarray(Image.open(io.BytesIO(self._store.get(picture.key))))
        except UNREADABLE:
            image = np.full((side, side), BLANK_LEVEL, np.uint8)
        return png_data_uri(reduced(image[None, :side, :side], self._side)[0])

    def gif(self, key: str) -> str:
        """An animation as a ``data:`` URI; empty if it is missing, damaged or too large."""
        try:
            data = self._store.get(key)
            Image.open(io.BytesIO(data), formats=["GIF"])
        except UNREADABLE:
            return ""
        return gif_data_uri(data) if len(data) <= LARGEST_GIF else ""

    def _frames(self, places: Sequence[FrameAt]) -> Frame:
        """Frames (N, H, W[, 3]), reduced; those that are gone, or of another size, are grey."""
        found = [self._frame(at) for at in places]
        shape = next((frame.shape for frame in found if frame is not None), (self._side,) * 2)
        blank = np.full(shape, BLANK_LEVEL, np.uint8)
        return np.stack(
            [blank if frame is None or frame.shape != shape else frame for frame in found]
        )

    def _frame(self, at: FrameAt) -> Frame | None:
        try:
            frame: Frame = self._file(at.key, at.score)[at.row]
            small: Frame = reduced(frame[None], self._side)[0]
        except UNREADABLE:
            return None
        return small

    def _read(self, key: str, score: int | None) -> Frame:
        with self._store.local_copy(key) as path:
            return read_shard_frames(path, score)
