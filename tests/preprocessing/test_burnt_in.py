"""A name that is burnt into the frames outside of the fan is in no image, whatever the options."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from screens import FANS, make_screen

from lusgan_core.preprocessing.clip import preprocess_clip
from lusgan_core.preprocessing.options import Canvas, PreprocessingOptions

NAMES = ("DOE JANE 1950-01-01", "ID 0815")


def with_names(frames: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """The frames with names written in white, in two sizes, wherever there is no fan."""
    text = np.zeros(frames.shape[1:], np.uint8)
    for row, name in enumerate(NAMES * 4):
        place = (4 + 40 * (row % 3), 18 + row * text.shape[0] // 8)
        cv2.putText(text, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4 + 0.2 * (row % 2), 255, 1)
    written = (text > 0) & outside
    assert written.sum() > 300
    return np.where(written, text, frames)


@pytest.mark.parametrize("intensity", ["none", "percentile", "clahe"])
@pytest.mark.parametrize("geometry", ["paper", "fit", "polar"])
@pytest.mark.parametrize("is_found", [True, False], ids=["found", "mask"])
@pytest.mark.parametrize("name", FANS)
def test_names_outside_the_fan_reach_no_image(
    name: str, is_found: bool, geometry: str, intensity: str
) -> None:
    """Images of a clip with names are, bit for bit, those of the clip without them."""
    fan, height, width = FANS[name]
    screen = make_screen(fan, height, width, frames=3, clutter=False)
    mask = None if is_found else screen.truth
    options = PreprocessingOptions(image_size=64, geometry=geometry, intensity=intensity)

    def images(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ready = preprocess_clip(
            lambda: iter(frames), (height, width), mask, options, Canvas(height=height, width=width)
        )
        return np.stack(list(ready.images())), ready.kept

    plain, kept = images(screen.frames)
    margin = cv2.dilate(kept.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    named = with_names(screen.frames, ~(margin | screen.truth))
    pictures, kept_with_names = images(named)
    np.testing.assert_array_equal(kept_with_names, kept)
    np.testing.assert_array_equal(pictures, plain)
    assert (named > screen.frames).any()
