"""Geometry `polar`: the fan of every clip on one common fan."""

from __future__ import annotations

import math

import numpy as np
import pytest
from screens import FANS, make_screen

from lusgan_core.domain import Fan
from lusgan_core.errors import ClipError
from lusgan_core.preprocessing.clip import PreprocessedClip, preprocess_clip
from lusgan_core.preprocessing.common_fan import HALF_ANGLE, CommonFanMap, common_fan
from lusgan_core.preprocessing.fan import fan_mask, polar
from lusgan_core.preprocessing.geometry import IDENTITY, Box
from lusgan_core.preprocessing.options import PreprocessingOptions

SIZE = 128


def prepared(frames: np.ndarray, mask: np.ndarray | None) -> tuple[PreprocessedClip, np.ndarray]:
    options = PreprocessingOptions(image_size=SIZE, geometry="polar")
    clip = preprocess_clip(lambda: iter(frames), frames.shape[1:], mask, options, None)
    return clip, np.stack(list(clip.images()))


@pytest.mark.parametrize("margin", [0.0, 0.02, 0.25])
def test_the_common_fan_lies_in_the_middle(margin: float) -> None:
    """It fills the image from left to right but for the margins, and is centred up and down."""
    mask = fan_mask(common_fan(256, margin), 256, 256)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    assert len(columns) == pytest.approx(256 * (1 - 2 * margin), abs=3)
    assert columns[0] + columns[-1] == pytest.approx(255, abs=1)
    assert rows[0] + rows[-1] == pytest.approx(255, abs=3)


@pytest.mark.parametrize("name", FANS)
@pytest.mark.parametrize("has_mask", [True, False], ids=["mask", "found"])
def test_every_fan_comes_to_lie_on_it(name: str, has_mask: bool) -> None:
    """Whatever its place and size on the screen: black around it, painted inside it."""
    screen = make_screen(*FANS[name], frames=4)
    clip, images = prepared(screen.frames, screen.truth if has_mask else None)
    common = fan_mask(common_fan(SIZE, 0.02), SIZE, SIZE)
    assert clip.affine is None
    assert not images[:, ~clip.region].any()
    assert (clip.region & ~common).sum() < 0.06 * common.sum()  # pixels at the edge, half covered
    angles = min(HALF_ANGLE, screen.fan.angle_right) - max(-HALF_ANGLE, screen.fan.angle_left)
    painted = (clip.region & common).sum() / common.sum()
    assert painted > 0.9 * angles / (2 * HALF_ANGLE)


@pytest.mark.parametrize(
    ("radii", "apex"), [((60.0, 300.0), (200.0, -20.0)), ((150.0, 700.0), (500.0, -110.0))]
)
def test_a_spot_is_drawn_at_its_beam_and_depth(
    radii: tuple[float, float], apex: tuple[float, float]
) -> None:
    """A reflector at 12 degrees and 60% of the depth comes to the same place from any scanner."""
    near, far = radii
    fan = Fan(
        apex_x=apex[0], apex_y=apex[1], radius_near=near, radius_far=far,
        angle_left=-0.6, angle_right=0.6,
    )  # fmt: skip
    height, width = int(far + apex[1]) + 20, int(2 * apex[0])
    radius, angle = polar(IDENTITY, fan.apex_x, fan.apex_y, Box(0, 0, width, height))
    distance = np.hypot(radius - (near + 0.6 * (far - near)), radius * (angle - math.radians(12)))
    frame = (255 * np.exp(-((distance / (0.02 * far)) ** 2))).astype(np.uint8)
    image = CommonFanMap.of(fan, SIZE, 0.02).draw(frame).astype(float)
    y, x = (np.average(axis, weights=image) for axis in np.mgrid[:SIZE, :SIZE])
    common = common_fan(SIZE, 0.02)
    at = common.radius_near + 0.6 * (common.radius_far - common.radius_near)
    assert x == pytest.approx(common.apex_x + at * math.sin(math.radians(12)), abs=0.3)
    assert y == pytest.approx(common.apex_y + at * math.cos(math.radians(12)), abs=0.3)


def test_a_fan_that_is_cut_stays_cut() -> None:
    """Its beams keep their angles: what a mask hides at one side is black there."""
    fan, height, width = FANS["centred"]
    screen = make_screen(fan, height, width, frames=2)
    _, whole = prepared(screen.frames, screen.truth)
    _, angle = polar(IDENTITY, fan.apex_x, fan.apex_y, Box(0, 0, width, height))
    _, cut = prepared(screen.frames, screen.truth & (angle < math.radians(15)))
    common = common_fan(SIZE, 0.02)
    _, beams = polar(IDENTITY, common.apex_x, common.apex_y, Box(0, 0, SIZE, SIZE))
    left, right = beams < math.radians(12), beams > math.radians(18)
    assert not cut[:, right].any()
    assert np.abs(cut[:, left].astype(int) - whole[:, left]).mean() < 3


def test_a_picture_that_is_no_fan_is_refused() -> None:
    """As a linear probe's: with what to do."""
    frames = np.random.default_rng(0).integers(60, 200, (3, 200, 300), np.uint8)
    mask = np.zeros((200, 300), bool)
    mask[20:180, 40:260] = True
    with pytest.raises(ClipError, match=r"geometry polar needs one: geometry fit keeps this clip"):
        prepared(frames, mask)
