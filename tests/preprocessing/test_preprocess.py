import tracemalloc

import numpy as np
import pytest
from pydantic import ValidationError
from screens import FANS, make_screen

from lusgan_core.errors import ClipError
from lusgan_core.preprocessing import clip as clip_module
from lusgan_core.preprocessing.clip import preprocess_clip
from lusgan_core.preprocessing.fan import fan_mask
from lusgan_core.preprocessing.geometry import Canvas, bounding_box
from lusgan_core.preprocessing.stage import PreprocessingOptions

CANVAS = Canvas(height=400, width=500)


class Source:
    """Hands out a clip's frames through one reused buffer, and counts the passes."""

    def __init__(self, frames):
        self.stack, self.passes = frames, 0

    def __call__(self):
        self.passes += 1
        buffer = np.empty_like(self.stack[0])
        for frame in self.stack:
            buffer[:] = frame
            yield buffer


def run(frames, mask=None, canvas=CANVAS, **options):
    source = Source(frames)
    clip = preprocess_clip(source, frames.shape[1:], mask, PreprocessingOptions(**options), canvas)
    return clip, np.stack(list(clip.images())), source.passes


def box_of(mask):
    box = bounding_box(mask)
    filled = np.zeros_like(mask)
    filled[box.top : box.bottom, box.left : box.right] = True
    return filled


@pytest.mark.parametrize("intensity", ["none", "percentile", "clahe"])
@pytest.mark.parametrize("geometry", ["paper", "fit"])
@pytest.mark.parametrize("mask", ["fan", "box", "none"])
def test_every_combination_shows_the_fan_and_nothing_else(small_screen, mask, geometry, intensity):
    """Images are N squares, not empty, black outside the region, whose middle is the image's."""
    masks = {"fan": small_screen.truth, "box": box_of(small_screen.truth), "none": None}
    clip, images, _ = run(
        small_screen.frames, masks[mask], geometry=geometry, intensity=intensity, image_size=128
    )
    assert images.shape == (6, 128, 128)
    assert images.dtype == np.uint8
    assert images[:, clip.region].mean() > 10
    assert not images[:, ~clip.region].any()
    box = bounding_box(clip.region)
    assert abs(box.left + box.right - 128) <= 3
    assert abs(box.top + box.bottom - 128) <= 3
    drawn = fan_mask(clip.fan, 128, 128, clip.affine)
    assert (images.max(axis=0)[drawn] > 0).mean() > 0.97


def test_fit_fills_the_square_and_keeps_the_aspect_ratio(small_screen):
    """The fan's longer side fills all but the margins, and its own shape is not stretched."""
    clip, _, _ = run(small_screen.frames, small_screen.truth, geometry="fit", fit_margin=0.05)
    box = bounding_box(clip.region)
    source = bounding_box(small_screen.truth)
    assert max(box.width, box.height) == pytest.approx(0.9 * 256, abs=3)
    assert box.width / box.height == pytest.approx(source.width / source.height, rel=0.02)
    assert clip.affine.scale_x == pytest.approx(clip.affine.scale_y)


def test_paper_scale_depends_on_the_canvas_alone(small_screen):
    """Two clips of different sizes are scaled alike, so the scale cannot tell a score."""
    other = make_screen(*FANS["centred"])
    first, _, _ = run(small_screen.frames, small_screen.truth, geometry="paper")
    second, _, _ = run(other.frames, other.truth, geometry="paper")
    for clip in (first, second):
        assert clip.affine.scale_x == pytest.approx(256 / 500)
        assert clip.affine.scale_y == pytest.approx(256 / 400)


def test_paper_keeps_all_of_a_rectangle_mask(small_screen):
    """Like the report, `paper` keeps what a rectangle mask shows, clutter in it too; `fit` not."""
    frames = small_screen.frames.copy()
    box = bounding_box(small_screen.truth)
    frames[:, box.top : box.top + 8, box.left : box.left + 8] = 255
    mask = box_of(small_screen.truth)
    paper, images, _ = run(frames, mask, geometry="paper")
    assert images[:, paper.region].max() == 255
    corner = bounding_box(paper.region)
    assert images[0, corner.top + 1, corner.left + 1] > 200
    fit, images, _ = run(frames, mask, geometry="fit")
    assert fit.region.sum() < 0.9 * bounding_box(fit.region).width * bounding_box(fit.region).height
    assert images[0][fit.region].mean() < 150


def test_passes_are_skipped_where_nothing_needs_them(small_screen):
    """A fan mask needs one pass; finding the fan adds one, percentiles another."""
    truth = small_screen.truth
    assert run(small_screen.frames, truth)[2] == 1
    assert run(small_screen.frames, truth, intensity="percentile")[2] == 2
    assert run(small_screen.frames, None)[2] == 2
    assert run(small_screen.frames, box_of(truth), intensity="percentile")[2] == 3


def test_percentiles_do_not_depend_on_the_fans_size_or_gain(small_screen):
    """A clip at half the gain comes out the same, to 3 grey levels on average."""
    frames = small_screen.frames
    bright = run(frames, small_screen.truth, intensity="percentile")[1]
    dim = run(frames // 2, small_screen.truth, intensity="percentile")[1]
    assert np.abs(bright.astype(int) - dim).mean() < 3


def test_three_channels_are_equal(small_screen):
    """RGB images repeat the grey image, and everything comes out twice alike."""
    grey = run(small_screen.frames, None)[1]
    colour = run(small_screen.frames, None, channels=3)[1]
    assert colour.shape == (6, 256, 256, 3)
    np.testing.assert_array_equal(colour, np.repeat(grey[..., None], 3, axis=3))


def test_memory_is_bounded_by_a_few_frames():
    """240 large frames, made on the fly, pass through in the memory of 12."""
    screen = make_screen(*FANS["full screen"], frames=1)
    frame = screen.frames[0]

    def frames():
        for _ in range(240):
            yield frame

    tracemalloc.start()
    clip = preprocess_clip(frames, frame.shape, None, PreprocessingOptions(geometry="fit"), None)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    count = sum(1 for _ in clip.images())
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert count == 240
    assert peak < 12 * frame.nbytes


def test_unusable_input_is_refused_with_the_reason(small_screen):
    """Wrong mask or frame sizes, a canvas too small or absent: said, with both sizes."""
    frames = small_screen.frames
    with pytest.raises(ClipError, match="mask is 10 x 20 pixels, the frames are 300 x 420"):
        run(frames, np.ones((10, 20), bool))
    with pytest.raises(ClipError, match="exceed the canvas of 299 x 500"):
        run(frames, None, canvas=Canvas(height=299, width=500))
    with pytest.raises(ValueError, match="needs the canvas"):
        run(frames, None, canvas=None)
    with pytest.raises(ClipError, match="no fan found"):
        run(np.zeros_like(frames))
    mask = np.tri(300, 421, dtype=bool)
    clip = preprocess_clip(Source(frames), mask.shape, mask, PreprocessingOptions(), CANVAS)
    with pytest.raises(ClipError, match="frame 0 is"):
        next(clip.images())


@pytest.mark.parametrize(
    "options",
    [{"image_size": 100}, {"image_size": 16}, {"channels": 2}, {"geometry": "cylinder"},
     {"intensity": "histogram"}, {"fit_margin": 0.5}, {"clahe_clip": 0}, {"percentile_low": 50}],
    ids=str,
)  # fmt: skip
def test_options_out_of_bounds_are_refused(options):
    """Every option has bounds, and a form shows a description of each."""
    with pytest.raises(ValidationError):
        PreprocessingOptions(**options)
    assert all(f.description for f in PreprocessingOptions.model_fields.values())


def test_frames_are_kept_from_a_whole_pass_alone(small_screen, monkeypatch):
    """A clip is read once where it fits; a pass that broke off keeps nothing; a long clip is read
    again, and the images are the same."""
    source = Source(small_screen.frames)
    shape, count = source.stack.shape[1:], len(source.stack)

    def own():
        return (frame.copy() for frame in source())

    kept = clip_module.keep_frames(own, shape, count)
    next(kept())
    for _ in range(3):
        np.testing.assert_array_equal(np.stack(list(kept())), source.stack)
    assert source.passes == 2
    monkeypatch.setattr(clip_module, "KEPT_BYTES", source.stack.nbytes - 1)
    assert clip_module.keep_frames(own, shape, count) is own
