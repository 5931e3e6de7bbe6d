import cv2
import numpy as np
import pytest

from lusgan_core.errors import ClipError
from lusgan_core.preprocessing.geometry import (
    Box,
    Canvas,
    bounding_box,
    draw,
    fit_window,
    paper_window,
    window_affine,
)


def test_bounding_box_holds_every_component():
    """Two separate parts of a mask share one box: the report's code used the last part only."""
    region = np.zeros((40, 60), bool)
    region[3:6, 50:55] = region[20:30, 4:9] = True
    assert bounding_box(region) == Box(left=4, top=3, right=55, bottom=30)


def test_empty_region_is_refused():
    """A mask without a pixel is a clip's fault, said as such."""
    with pytest.raises(ClipError, match="at least one pixel"):
        bounding_box(np.zeros((4, 4), bool))


def test_paper_window_is_the_canvas_with_the_box_in_the_middle():
    """Padding, centring and the stretch of the report, done step by step, give the same pixels."""
    rng = np.random.default_rng(0)
    frame = np.zeros((50, 70), np.uint8)
    frame[5:31, 8:48] = rng.integers(1, 255, (26, 40))
    canvas = Canvas(height=64, width=96)

    padded = np.pad(frame, ((0, 14), (0, 26)))
    centred = np.roll(padded, ((64 - 26) // 2 - 5, (96 - 40) // 2 - 8), (0, 1))
    expected = cv2.resize(centred, (32, 32), interpolation=cv2.INTER_AREA)

    window = paper_window(bounding_box(frame > 0), canvas)
    np.testing.assert_array_equal(draw(frame, window, 32), expected)


@pytest.mark.parametrize("box", [Box(10, 5, 90, 45), Box(3, 7, 34, 88), Box(0, 0, 33, 33)])
def test_fit_window_is_square_centred_and_keeps_the_margin(box):
    """The fan's box lies in the middle of a square to half a pixel, margins on its longer side."""
    window = fit_window(box, margin=0.1)
    assert window.width == window.height
    assert abs((window.left + window.right) - (box.left + box.right)) <= 1
    assert abs((window.top + window.bottom) - (box.top + box.bottom)) <= 1
    longer = max(box.width, box.height)
    assert 0.1 - 1 / window.width <= (window.width - longer) / 2 / window.width <= 0.1 + 0.03


@pytest.mark.parametrize(
    ("size", "window"), [(64, Box(-20, 10, 180, 110)), (256, Box(5, 5, 69, 69))]
)
def test_affine_says_where_a_spot_is_drawn(size, window):
    """A Gaussian spot's centre of mass lands where the affine says, to a tenth of a pixel."""
    y, x = np.mgrid[:120, :160].astype(float)
    spot = 250 * np.exp(-((x - 40.3) ** 2 + (y - 42.7) ** 2) / 50)
    drawn = draw(spot.astype(np.uint8), window, size).astype(float)
    v, u = np.mgrid[:size, :size]
    affine = window_affine(window, size)
    assert (u * drawn).sum() / drawn.sum() == pytest.approx(
        (40.3 - affine.x0) * affine.scale_x, abs=0.1
    )
    assert (v * drawn).sum() / drawn.sum() == pytest.approx(
        (42.7 - affine.y0) * affine.scale_y, abs=0.1
    )


def test_shrinking_averages():
    """A shrunk image keeps the mean: each pixel is the average of the area it covers."""
    image = np.random.default_rng(1).integers(0, 256, (128, 128), dtype=np.uint8)
    blocks = image.reshape(32, 4, 32, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(draw(image, Box(0, 0, 128, 128), 32), blocks, atol=0.51)


def test_window_off_the_frame_is_black():
    """What sticks out of the frame is black, even all of it."""
    image = np.full((20, 20), 200, np.uint8)
    assert not draw(image, Box(30, 30, 62, 62), 32).any()
    drawn = draw(image, Box(-16, 0, 16, 32), 32)
    assert (drawn[:20, 16:] == 200).all()
    assert not drawn[:, :16].any()
    assert not drawn[20:].any()
