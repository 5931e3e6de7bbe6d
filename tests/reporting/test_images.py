"""Frames as images in a page."""

from __future__ import annotations

import base64
import io
import re

import cv2
import numpy as np
import pytest
from PIL import Image

from lusgan_core.reporting.images import png_data_uri, reduced, sample_grid

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(7, 5, 6), (7, 5, 6, 3)])
def test_a_sheet_holds_every_frame_in_reading_order(shape):
    """Each frame is found, unchanged, at its row and column; the empty place is a gap."""
    frames = RNG.integers(0, 256, shape, dtype=np.uint8)
    sheet = sample_grid(frames, columns=4, gap=3, gap_level=9)
    assert sheet.shape[:2] == (2 * 5 + 3, 4 * 6 + 9)
    for i, frame in enumerate(frames):
        top, left = i // 4 * 8, i % 4 * 9
        np.testing.assert_array_equal(sheet[top : top + 5, left : left + 6], frame)
    assert (sheet[8:, 27:] == 9).all()
    assert (sheet[5:8] == 9).all()


def test_a_sheet_of_few_frames_is_no_wider_than_they_are():
    """Two frames in four columns make a sheet of two columns."""
    assert sample_grid(np.zeros((2, 4, 4), np.uint8), 4, gap=2).shape == (4, 10)


def test_a_sheet_of_nothing_is_refused():
    """No frames, or one frame without its axis, is a ValueError that states the shape."""
    for frames in (np.zeros((0, 4, 4), np.uint8), np.zeros((4, 4), np.uint8)):
        with pytest.raises(ValueError, match=re.escape(str(frames.shape))):
            sample_grid(frames, 4)


@pytest.mark.parametrize("shape", [(31, 17), (31, 17, 3)])
def test_a_png_in_the_page_is_the_frame_bit_for_bit(shape):
    """Decoding the data URI gives back every pixel."""
    frame = RNG.integers(0, 256, shape, dtype=np.uint8)
    head, _, data = png_data_uri(frame).partition(",")
    assert head == "data:image/png;base64"
    back = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    np.testing.assert_array_equal(back, frame)


@pytest.mark.parametrize("colour", [(), (3,)])
def test_large_frames_are_averaged_down_and_small_ones_left(colour):
    """256 pixels become 128 as OpenCV's area averaging has it, within one grey level."""
    frames = RNG.integers(0, 256, (2, 256, 256, *colour), dtype=np.uint8)
    small = reduced(frames, 128)
    for frame, got in zip(frames, small, strict=True):
        expected = cv2.resize(frame, (128, 128), interpolation=cv2.INTER_AREA)
        assert np.abs(got.astype(int) - expected).max() <= 1
    assert reduced(frames, 256) is frames


def test_a_frame_that_is_not_square_keeps_its_shape():
    """The longer side is reduced to the limit, the shorter one in proportion."""
    assert reduced(np.zeros((1, 40, 80), np.uint8), 20).shape == (1, 10, 20)
