"""Arrays whose axes are not in MATLAB's order: read right, or refused with how to declare it."""

from __future__ import annotations

import io
from itertools import permutations

import numpy as np
import pytest
from PIL import Image

from lusgan_core.errors import ClipError, ConfigError
from lusgan_core.ingestion.clip import ClipReader, open_clip
from lusgan_core.ingestion.discover import discover
from lusgan_core.ingestion.readers import choose_readers
from matfiles import MemorySource, matrix, v5, v73
from screens_of_fans import fan_clip

FRAMES = fan_clip(24, 60, 72)
NOISE = np.random.default_rng(3).integers(0, 256, (24, 60, 72), np.uint8)


def opened(
    array: np.ndarray,
    *,
    scored: int = 24,
    mask: tuple[int, int] | None = None,
    axes: str | None = None,
    v7: bool = False,
) -> ClipReader:
    """A clip of this array, with scores for so many frames and a mask of that size."""
    scores = np.zeros((3, scored)) if scored else np.ones((1, 1))
    files = {
        "P/E/convex_P_E_1.mat": v73(("f", array), chunks=array.T.shape, compression="gzip")
        if v7
        else v5(matrix(array)),
        "P/E/convex_P_E_1_score.mat": v5(matrix(scores)),
    }
    if mask:
        picture = io.BytesIO()
        Image.new("L", mask[::-1], 255).save(picture, "PNG")
        files["Binary-Masks/convex_P_E_1_mask.png"] = picture.getvalue()
    source = MemorySource(files)
    readers = choose_readers({"mat": {}}, declared={"axes": axes} if axes else {})
    (exam,) = discover(source, readers=readers).exams
    return open_clip(source, exam.clips[0], readers)


def frames(clip: ClipReader) -> np.ndarray:
    with clip:
        return np.stack(list(clip.frames()))


def ordered(order: str, source: np.ndarray = FRAMES) -> np.ndarray:
    """Frames (N, H, W) with their axes in that order, three equal channels where it has a C."""
    array = source[:, None].repeat(3, 1) if "C" in order else source
    own = "NCHW" if "C" in order else "NHW"
    return np.ascontiguousarray(array.transpose([own.index(axis) for axis in order]))


@pytest.mark.parametrize("v7", [False, True])
@pytest.mark.parametrize("order", ["NHW", "HNW", "HWN", "NHWC", "NCHW", "HWCN", "HWNC", "CHWN"])
def test_the_axis_of_frames_is_found(order: str, v7: bool) -> None:
    """With the height before the width every order is read right, in both formats."""
    clip = opened(ordered(order), v7=v7)
    usual = order in ("HWN", "HWCN")
    assert clip.details.get("axes") == (None if usual else order)
    np.testing.assert_array_equal(frames(clip), FRAMES)


@pytest.mark.parametrize("order", ["NHW", "HNW", "HWN"])
def test_a_clip_scored_in_part_is_told_by_its_steadiness(order: str) -> None:
    """Where no axis is as long as the score matrix, all frames being about equally bright tells."""
    np.testing.assert_array_equal(frames(opened(ordered(order), scored=10)), FRAMES)
    np.testing.assert_array_equal(frames(opened(ordered(order), scored=0)), FRAMES)


@pytest.mark.parametrize("order", ["".join(order) for order in permutations("NHW")])
def test_the_masks_size_tells_height_from_width(order: str) -> None:
    """With a mask pictures that lie on their side are set up."""
    np.testing.assert_array_equal(frames(opened(ordered(order), mask=(60, 72))), FRAMES)


def test_what_is_unclear_is_refused_with_how_to_declare_it() -> None:
    """Noise scored in part could be anything: both readings are told, and the option decides."""
    array = ordered("NHW", NOISE)
    with pytest.raises(ClipError, match=r"could be HWN .*NHW .*ingestion.axes="):
        opened(array, scored=10)
    np.testing.assert_array_equal(frames(opened(array, scored=10, axes="NHW")), NOISE)
    np.testing.assert_array_equal(frames(opened(array, scored=24)), NOISE)


def test_frames_that_are_as_many_as_rows_are_refused_where_signs_disagree() -> None:
    """A score matrix as long as an axis that is no steady one leaves two readings."""
    with pytest.raises(ClipError, match="could be"):
        opened(fan_clip(70, 60, 72).transpose(1, 2, 0), scored=60)


@pytest.mark.parametrize("scored", [2, 3])
def test_three_grey_frames_are_no_colours(scored: int) -> None:
    """H x W x 3 with scores for several frames is three frames; with one it is a colour frame."""
    array = ordered("HWN")[:, :, :3]
    np.testing.assert_array_equal(frames(opened(array, scored=scored)), FRAMES[:3])
    with pytest.raises(ClipError, match=r"differ.*three grey frames, ingestion.axes=HWN"):
        frames(opened(array, scored=1))
    np.testing.assert_array_equal(frames(opened(array, scored=1, axes="hwn")), FRAMES[:3])


@pytest.mark.parametrize("axes", ["NHX", "NH", "HHW", "NHWCC", ""])
def test_an_order_that_is_none_is_refused(axes: str) -> None:
    """Letters other than H, W, N and C, or one twice, are told before anything is read."""
    with pytest.raises(ConfigError, match="no order of axes"):
        choose_readers({"mat": {"axes": axes}})


def test_a_declared_order_must_fit() -> None:
    """Four axes declared for an array of three are refused for that clip."""
    with pytest.raises(ClipError, match="expected 4 axes"):
        opened(ordered("NHW"), axes="NHWC")
