"""Charts and images of a report."""

import base64
import io
import re
import xml.etree.ElementTree as ET

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sample_content import SSIM, history, sample_content

from lusgan_core.reporting import figures
from lusgan_core.reporting.content import Collapse, History, MetricSummary, NearestDistances, Spread
from lusgan_core.reporting.svg import Chart, nice_ticks

RNG = np.random.default_rng(0)


def polygon(element) -> np.ndarray:
    return np.array([p.split(",") for p in element.get("points").split()], float)


def area(points: np.ndarray) -> float:
    """Area of a polygon by the shoelace formula."""
    x, y = points.T
    return 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


@pytest.mark.parametrize("shape", [(7, 5, 6), (7, 5, 6, 3)])
def test_a_sheet_holds_every_frame_in_reading_order(shape):
    """Each frame is found, unchanged, at its row and column; the empty place is a gap."""
    frames = RNG.integers(0, 256, shape, dtype=np.uint8)
    sheet = figures.sample_grid(frames, columns=4, gap=3, gap_level=9)
    assert sheet.shape[:2] == (2 * 5 + 3, 4 * 6 + 9)
    for i, frame in enumerate(frames):
        top, left = i // 4 * 8, i % 4 * 9
        np.testing.assert_array_equal(sheet[top : top + 5, left : left + 6], frame)
    assert (sheet[8:, 27:] == 9).all()
    assert (sheet[5:8] == 9).all()


def test_a_sheet_of_few_frames_is_no_wider_than_they_are():
    """Two frames in four columns make a sheet of two columns."""
    assert figures.sample_grid(np.zeros((2, 4, 4), np.uint8), 4, gap=2).shape == (4, 10)


def test_a_sheet_of_nothing_is_refused():
    """No frames, or one frame without its axis, is a ValueError that states the shape."""
    for frames in (np.zeros((0, 4, 4), np.uint8), np.zeros((4, 4), np.uint8)):
        with pytest.raises(ValueError, match=re.escape(str(frames.shape))):
            figures.sample_grid(frames, 4)


@pytest.mark.parametrize("shape", [(31, 17), (31, 17, 3)])
def test_a_png_in_the_page_is_the_frame_bit_for_bit(shape):
    """Decoding the data URI gives back every pixel."""
    frame = RNG.integers(0, 256, shape, dtype=np.uint8)
    head, _, data = figures.png_data_uri(frame).partition(",")
    assert head == "data:image/png;base64"
    back = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    np.testing.assert_array_equal(back, frame)


def test_large_frames_are_averaged_down_and_small_ones_left():
    """256 pixels become 128 as OpenCV's area averaging has it, within one grey level."""
    frames = RNG.integers(0, 256, (2, 256, 256), dtype=np.uint8)
    small = figures.reduced(frames, 128)
    for frame, got in zip(frames, small, strict=True):
        expected = cv2.resize(frame, (128, 128), interpolation=cv2.INTER_AREA)
        assert np.abs(got.astype(int) - expected).max() <= 1
    assert figures.reduced(frames, 256) is frames


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_round_and_within_the_axis(low, span):
    """Ticks are equally spaced by 1, 2 or 5 times a power of ten, and two to seven in number."""
    high = low + span
    ticks = nice_ticks(low, high)
    step = np.diff(ticks)
    assert 2 <= len(ticks) <= 7
    assert min(ticks) >= low - 1e-6 * span
    assert max(ticks) <= high + 1e-6 * span
    np.testing.assert_allclose(step, step[0], rtol=1e-3)
    mantissa = step[0] / 10 ** np.floor(np.log10(step[0] * 1.0001))
    assert min(abs(mantissa - m) for m in (1, 2, 5)) < 1e-2


def test_bars_are_as_high_as_their_counts():
    """Bar heights of the score distribution are proportional to frames, training under held out."""
    data = sample_content().data
    root = ET.fromstring(figures.frames_by_score(data))
    bars = {
        side: [r for r in root.iter("rect") if r.get("class") == f"bar {side}"] for side in "ab"
    }
    training = np.array([12_300, 8_250, 12_700, 9_000])
    heights = np.array([float(r.get("height")) for r in bars["a"]])
    np.testing.assert_allclose(heights / heights[0], training / training[0], atol=0.002)
    assert len(bars["b"]) == 3  # the held-out patient has no frame of score 2
    assert float(bars["b"][0].get("height")) / heights[0] == pytest.approx(2200 / 12300, abs=0.002)
    assert "score 0: 14,500" in root.get("aria-label")


def test_loss_curves_break_where_a_value_is_missing():
    """A long history is drawn as means in bands; a stretch without a finite loss interrupts it."""
    whole = history(400)
    assert len(list(ET.fromstring(figures.loss_curves(whole)).iter("polygon"))) == 0
    loss = whole.discriminator_loss.copy()
    loss[40:60] = np.nan
    t = whole.iterations
    broken = History(t, t, loss, whole.generator_loss, whole.discriminator_lr, whole.generator_lr)
    lines = [e.get("class") for e in ET.fromstring(figures.loss_curves(broken)).iter("polyline")]
    assert lines == ["line b", "line b", "line a"]
    assert len(list(ET.fromstring(figures.loss_curves(history())).iter("polygon"))) == 2


def test_a_curve_passes_through_the_means_of_its_parts():
    """Points of a summarised curve are the means of equal parts, at the places they belong."""
    t = np.arange(1.0, 1201.0)
    values = np.sin(t / 100)
    line = History(t, t * 8, values, values, values * 0 + 2e-4, values * 0 + 4e-4)
    root = ET.fromstring(figures.loss_curves(line))
    points = polygon(next(root.iter("polyline")))
    means = values.reshape(120, 10).mean(1)
    assert len(points) == 120
    slope, offset = np.polyfit(means, points[:, 1], 1)
    np.testing.assert_allclose(points[:, 1], slope * means + offset, atol=1.0)
    assert slope < 0  # upwards on the page


@pytest.mark.parametrize("make", [figures.loss_curves, figures.learning_rates])
def test_curves_of_odd_histories_are_drawn(make):
    """No entries, one entry, nothing finite and a constant rate all give well-formed charts."""
    for values in ([], [0.5], [np.nan, np.nan], [0.0, 0.0], [np.inf, 1.0]):
        v = np.array(values, np.float64)
        t = np.arange(1.0, len(v) + 1)
        ET.fromstring(make(History(t, t, v, v, v, v)))


def test_both_histograms_cover_the_same_area():
    """Shares are of each series' own total, so 50 pairs and 5,000 fill equal areas."""
    edges = np.linspace(-1, 1, 41)
    few = np.histogram(RNG.normal(0.5, 0.1, 50), edges)[0]
    many = np.histogram(RNG.normal(0.2, 0.1, 5000), edges)[0]
    root = ET.fromstring(figures.collapse_chart(Collapse(SSIM, edges, few, many)))
    a, b = (
        area(polygon(next(p for p in root.iter("polygon") if p.get("class") == f"steps {kind}")))
        for kind in "ab"
    )
    assert a == pytest.approx(b, rel=0.01)


def test_nearest_values_that_are_infinite_or_absent_do_not_stop_the_chart():
    """Identical frames (PSNR ∞) and a score without held-out frames are drawn without a warning."""
    for training in ([np.inf, np.inf], [30.0, np.inf], [20.0, 20.0]):
        for held_out in ([], [25.0]):
            distances = NearestDistances(np.array(training), np.array(held_out))
            ET.fromstring(figures.nearest_chart(distances, "PSNR"))


def test_whiskers_of_one_metric_share_a_scale():
    """The same value lies at the same place in each row, and undefined rows stay empty."""
    low, high = Spread(9, 0.2, 0.1, 0.0, 0.5), Spread(9, 0.8, 0.1, 0.5, 1.0)
    summary = MetricSummary(SSIM, low, high)
    first, second = (ET.fromstring(figures.whisker(s, summary, "a")) for s in (low, high))
    assert next(first.iter("line")).get("x2") == next(second.iter("line")).get("x1")
    nothing = Spread(9, float("nan"), float("nan"), float("nan"), float("nan"), undefined=9)
    assert figures.whisker(nothing, summary, "a") == ""


def test_words_in_a_chart_are_escaped():
    """A metric's title with markup or control characters cannot leave its text element."""
    chart = Chart((0, 1), (0, 1))
    chart.x_axis("</text><script>\x07")
    root = ET.fromstring(chart.render('"><b>'))
    assert [e.tag for e in root.iter() if e.tag in ("script", "b")] == []
    assert any(e.text == "</text><script>\\x07" for e in root.iter("text"))
