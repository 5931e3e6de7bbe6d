import math

import cv2
import numpy as np
import pytest
from screens import FANS, make_screen, sector

from lusgan_core.domain import Fan
from lusgan_core.errors import ClipError
from lusgan_core.preprocessing import fan as fan_module
from lusgan_core.preprocessing.fan import (
    fan_mask,
    find_region,
    fit_fan,
    is_rectangle,
)
from lusgan_core.preprocessing.geometry import Box, draw, window_affine


def overlap(a, b):
    """Intersection over union of two masks."""
    return (a & b).sum() / (a | b).sum()


def assert_close(found, true, pixels, degrees):
    """Compare two fans, lengths to so many pixels, angles to so many degrees."""
    assert found is not None
    for name in ("apex_x", "apex_y", "radius_near", "radius_far"):
        assert getattr(found, name) == pytest.approx(getattr(true, name), abs=pixels), name
    for name in ("angle_left", "angle_right"):
        assert math.degrees(getattr(found, name)) == pytest.approx(
            math.degrees(getattr(true, name)), abs=degrees
        ), name


@pytest.mark.parametrize(
    "look", [{}, {"gain": 0.3, "shadow": True}, {"gain": 4.0}], ids=["plain", "dark", "saturated"]
)
def test_region_and_fan_are_found_among_text_and_rulers(whole_fan, look):
    """Region IoU > 0.95, apex and radii to 6 px (0.6% of the largest frame), angles to 0.5 deg."""
    fan, height, width = whole_fan
    screen = make_screen(fan, height, width, **look)
    region = find_region(screen.frames.max(axis=0))
    assert overlap(region, screen.truth) > 0.95
    found = fit_fan(region)
    assert_close(found, fan, pixels=6, degrees=0.5)
    assert overlap(fan_mask(found, height, width), screen.truth) > 0.95


def test_one_frame_is_enough_in_a_bright_clip(small_screen):
    """The region of a single frame, not a clip's maximum, still has IoU > 0.9."""
    assert overlap(find_region(small_screen.frames[0]), small_screen.truth) > 0.9


def test_fan_on_a_grey_screen(whole_fan):
    """A screen of grey level 20 does not count as painted: IoU > 0.85, darker depths are lost."""
    fan, height, width = whole_fan
    screen = make_screen(fan, height, width, screen=20)
    assert overlap(find_region(screen.frames.max(axis=0)), screen.truth) > 0.85


@pytest.mark.parametrize("height_width_top", [(230, 260, 0), (250, 330, 45)])
def test_fan_cut_by_the_frame(height_width_top):
    """A fan that the frame cuts at its sides or top is found: IoU > 0.95, angles to 1 degree."""
    height, width, shift = height_width_top
    fan = Fan(apex_x=width / 2, apex_y=-40 - shift, radius_near=70, radius_far=290,
              angle_left=-0.5, angle_right=0.5)  # fmt: skip
    screen = make_screen(fan, height, width, clutter=False)
    region = find_region(screen.frames.max(axis=0))
    found = fit_fan(region)
    assert overlap(region, screen.truth) > 0.95
    assert overlap(fan_mask(found, height, width), screen.truth) > 0.95
    assert math.degrees(found.angle_left) == pytest.approx(math.degrees(fan.angle_left), abs=1)
    assert math.degrees(found.angle_right) == pytest.approx(math.degrees(fan.angle_right), abs=1)


def test_fit_from_an_exact_mask(whole_fan):
    """From a mask drawn without error, lengths come back to 1.5 px and angles to 0.2 degrees."""
    fan, height, width = whole_fan
    assert_close(fit_fan(sector(fan, height, width)), fan, pixels=1.5, degrees=0.2)


def test_fan_with_a_dark_corner_is_still_fitted(small_screen):
    """A far corner lost in darkness leaves apex and angles alone: 3 px, 1 degree."""
    cut = small_screen.truth.copy()
    y, x = np.mgrid[: cut.shape[0], : cut.shape[1]]
    cut[x + y > 510] = False
    assert 0.02 < 1 - cut.sum() / small_screen.truth.sum() < 0.15
    assert_close(fit_fan(cut), small_screen.fan, pixels=3, degrees=1)


@pytest.mark.parametrize("kind", ["rectangle", "triangle down", "disc", "one side"])
def test_what_is_no_fan_gives_none(kind):
    """Rectangles and shapes without two slanting sides that meet above are no fans."""
    y, x = np.mgrid[:200, :200]
    mask = {
        "rectangle": (x > 30) & (x < 170) & (y > 20) & (y < 150),
        "triangle down": (y > 20) & (abs(x - 100) < (180 - y) / 2),
        "disc": np.hypot(x - 100, y - 100) < 80,
        "one side": (y > 20) & (y < 180) & (x > 100 - y / 2) & (x < 150),
    }[kind]
    assert fit_fan(mask) is None
    assert is_rectangle(mask) == (kind == "rectangle")


def test_no_mask_breaks_the_fit():
    """Of 200 random polygons and specks, all give a fan or None, never an error."""
    rng = np.random.default_rng(9)
    for _ in range(200):
        mask = np.zeros(rng.integers(16, 90, 2), np.uint8)
        corners = rng.integers(-10, 100, (rng.integers(1, 7), 2)).astype(np.int32)
        cv2.fillPoly(mask, [corners], 1)
        mask[rng.integers(mask.shape[0]), rng.integers(mask.shape[1])] = 1
        found = fit_fan(mask.astype(bool))
        assert found is None or found.radius_near < found.radius_far


@pytest.mark.parametrize("clutter", [False, True])
def test_black_clip_is_refused(clutter):
    """A screen that shows text and a ruler alone, or nothing, has no fan."""
    fan, height, width = FANS["centred"]
    screen = make_screen(fan, height, width, gain=0.0, clutter=clutter)
    with pytest.raises(ClipError, match="no fan found"):
        find_region(screen.frames.max(axis=0))


def test_fan_that_fills_the_frame_is_the_whole_frame():
    """With the fan beyond all edges, and no screen to see, everything is kept."""
    rng = np.random.default_rng(3)
    brightest = np.clip(rng.normal(45, 2, (200, 200)), 0, 255).astype(np.uint8)
    assert find_region(brightest).mean() > 0.98


def test_mask_drawn_under_an_affine_agrees_with_the_resized_mask(whole_fan):
    """Drawing the fan on a stretched image equals stretching its mask: IoU > 0.98."""
    fan, height, width = whole_fan
    window = Box(-10, -5, width + 30, height + 5)
    stretched = draw(sector(fan, height, width).astype(np.uint8) * 255, window, 128) > 127
    assert overlap(fan_mask(fan, 128, 128, window_affine(window, 128)), stretched) > 0.98


def test_the_hull_of_outlines_is_that_of_all_pixels():
    """Of 200 drawings with several parts, holes and single pixels, both hulls fill the same."""
    rng = np.random.default_rng(3)
    for _ in range(200):
        height, width = (int(n) for n in rng.integers(20, 120, 2))
        drawn = np.zeros((height, width), np.uint8)
        for _ in range(rng.integers(1, 5)):
            corners = rng.integers(0, [width, height], (rng.integers(1, 7), 2))
            cv2.fillPoly(drawn, [corners.astype(np.int32)], 1)
        drawn[tuple(rng.integers(0, [[height], [width]], (2, 3)))] = 1
        filled = [np.zeros_like(drawn), np.zeros_like(drawn)]
        cv2.fillConvexPoly(filled[0], fan_module._convex_hull(drawn), 1)
        cv2.fillConvexPoly(filled[1], cv2.convexHull(cv2.findNonZero(drawn)), 1)
        np.testing.assert_array_equal(*filled)
