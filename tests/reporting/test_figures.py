"""Charts of a report."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusgan_core.calls.section import (
    REAL,
    SYNTHETIC,
    Bars,
    Curves,
    Histograms,
    Measured,
    Series,
)
from lusgan_core.reporting import figures
from lusgan_core.reporting.svg import Chart, nice_ticks
from sample_content import PSNR, SSIM, spread

RNG = np.random.default_rng(0)
TRAINING = (12_300, 8_250, 12_700, 9_000)
HELD_OUT = (2_200, 1_000, 0, 2_250)


def polygon(element) -> np.ndarray:
    """Return the points of a polygon or a polyline."""
    return np.array([p.split(",") for p in element.get("points").split()], float)


def area(points: np.ndarray) -> float:
    """Return the area of a polygon by the shoelace formula."""
    x, y = points.T
    return 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def numbers(values) -> tuple[float | None, ...]:
    """Return values as a section has them: None where they are not finite."""
    return tuple(float(v) if np.isfinite(v) else None for v in values)


def curves(*values, iterations=None, batch=8) -> ET.Element:
    """Return the chart of a discriminator's curve, and of a generator's if there is a second."""
    t = np.arange(1.0, len(values[0]) + 1) if iterations is None else iterations
    figure = Curves(
        title="Training losses",
        label="loss",
        iterations=tuple(t),
        images_seen=tuple(np.asarray(t) * batch),
        series=tuple(
            Series(name=name, kind=kind, values=numbers(ys))
            for (name, kind), ys in zip(
                (("discriminator", "b"), ("generator", "a")), values, strict=False
            )
        ),
    )
    return ET.fromstring(figures.curves(figure))


def histograms(edges, *counts) -> ET.Element:
    """Return the chart of one histogram, or of two."""
    figure = Histograms(
        title="Likeness",
        metric="SSIM",
        label="share of pairs, %",
        edges=tuple(edges),
        series=tuple(
            Series(name=kind, kind=kind, values=tuple(map(float, of)))
            for kind, of in zip("ab", counts, strict=False)
        ),
    )
    return ET.fromstring(figures.histograms(figure))


def steps(root: ET.Element, kind: str) -> np.ndarray:
    """Return the outline of the histogram of one kind."""
    return polygon(next(p for p in root.iter("polygon") if p.get("class") == f"steps {kind}"))


def words(root: ET.Element) -> list[str]:
    """Return all words in a chart."""
    return [element.text for element in root.iter("text")]


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


def bars(*values: tuple[float, ...]) -> ET.Element:
    """Return the chart of frames of training patients, and of held-out ones on top."""
    series = tuple(
        Series(name=f"patients {kind}", kind=kind, values=of)
        for kind, of in zip("ab", values, strict=False)
    )
    return ET.fromstring(figures.bars(Bars(title="Frames", label="frames", series=series)))


def test_bars_are_as_high_as_their_counts():
    """Bar heights of the score distribution are proportional to frames, training under held out."""
    root = bars(TRAINING, HELD_OUT)
    drawn = {
        side: [r for r in root.iter("rect") if r.get("class") == f"bar {side}"] for side in "ab"
    }
    heights = np.array([float(r.get("height")) for r in drawn["a"]])
    np.testing.assert_allclose(heights / heights[0], np.array(TRAINING) / TRAINING[0], atol=0.002)
    assert len(drawn["b"]) == 3  # the held-out patient has no frame of score 2
    above = [float(r.get("height")) for r in drawn["b"]]
    expected = np.array([count for count in HELD_OUT if count]) / TRAINING[0]
    np.testing.assert_allclose(above / heights[0], expected, atol=0.002)
    first, on_top = drawn["a"][0], drawn["b"][0]
    assert float(on_top.get("y")) + above[0] == pytest.approx(float(first.get("y")), abs=0.11)
    assert on_top.get("x") == first.get("x")


def test_bars_state_their_totals():
    """Above each bar and in the chart's description stands the sum of both sides."""
    root = bars(TRAINING, HELD_OUT)
    for score, total in enumerate(("14,500", "9,250", "12,700", "11,250")):
        assert f"score {score}: {total}" in root.get("aria-label")
        assert total in words(root)


@pytest.mark.parametrize("last", [600, 800, 4_000, 25_000])
def test_labels_of_ticks_stay_inside_the_chart(last):
    """No label below an axis leaves the chart on its right, however many images were seen."""
    root = curves(RNG.normal(size=600), iterations=np.linspace(1, last, 600), batch=32)
    ticks = [e for e in root.iter("text") if e.get("text-anchor") == "middle" and e.get("x")]
    assert len(ticks) > 6
    assert (
        max(float(e.get("x")) + 0.5 * 7 * len(e.text) for e in ticks if not e.get("class")) <= 400
    )


@pytest.mark.parametrize("values", [[TRAINING], [(0.0,) * 4], [(0.0,) * 4, (0.0,) * 4]])
def test_bars_of_one_side_or_of_nothing_are_drawn(values):
    """A chart of one kind of patients, or without any frame, has its axes and no empty bars."""
    root = bars(*values)
    assert len(list(root.iter("rect"))) == np.count_nonzero(values)
    assert [w for w in words(root) if w in ("0", "1", "2", "3", "severity score")]


def test_curves_break_where_a_value_is_missing():
    """A long history is drawn as means in bands; a stretch without a finite loss interrupts it."""
    loss = RNG.normal(0.6, 0.1, 100)
    assert list(curves(loss, loss + 1).iter("polygon")) == []
    broken = loss.copy()
    broken[40:60] = np.nan
    lines = [e.get("class") for e in curves(broken, loss).iter("polyline")]
    assert lines == ["line b", "line b", "line a"]
    long = RNG.normal(0.6, 0.1, 1000)
    drawn = [e.get("class") for e in curves(long, long + 1).iter("polygon")]
    assert drawn == ["band b", "band a"]


def test_a_curve_passes_through_the_means_of_its_parts():
    """Points of a summarised curve are the means of equal parts, at the places they belong."""
    t = np.arange(1.0, 1201.0)
    values = np.sin(t / 100)
    points = polygon(next(curves(values).iter("polyline")))
    for mine, expected, sign in ((0, t, 1), (1, values, -1)):  # upwards on the page
        means = expected.reshape(120, 10).mean(1)
        slope, offset = np.polyfit(means, points[:, mine], 1)
        assert len(points) == 120
        assert np.sign(slope) == sign
        np.testing.assert_allclose(points[:, mine], slope * means + offset, atol=1.0)


def test_a_band_reaches_from_the_smallest_to_the_largest_value():
    """Values that alternate between 1 and 3 are a flat line at 2 in a band from 1 to 3."""
    root = curves(np.tile([1.0, 3.0], 600))
    line, band = polygon(next(root.iter("polyline"))), polygon(next(root.iter("polygon")))
    assert len(set(line[:, 1])) == 1
    low, high = set(band[:120, 1]), set(band[120:, 1])
    assert len(low) == len(high) == 1
    middle = line[0, 1]
    assert low.pop() - middle == pytest.approx(middle - high.pop(), abs=0.11)
    assert band[0, 1] > middle


@pytest.mark.parametrize(
    "values", [[], [0.5], [np.nan, np.nan], [0.0, 0.0], [np.inf, 1.0], [2e-4, 2e-4]]
)
def test_curves_of_odd_histories_are_drawn(values):
    """No entries, one entry, nothing finite and constants all give charts without a nan in them."""
    root = curves(np.array(values), np.array(values))
    assert "loss" in " ".join(words(root))
    assert "nan" not in ET.tostring(root, "unicode")
    drawn = sum(len(polygon(line)) for line in root.iter("polyline"))
    assert drawn == 2 * np.isfinite(values).sum()


def test_small_values_are_drawn_from_zero_in_a_power_of_ten():
    """Learning rates up to 4 in 10,000 have an axis from 0 in units of that, named in its label."""
    rates = np.linspace(4e-4, 1e-4, 50)
    root = curves(rates / 2, rates)
    assert "loss, 10⁻⁴" in words(root)
    ticks = {e.text: float(e.get("y")) for e in root.iter("text") if e.get("text-anchor") == "end"}
    assert list(ticks) == ["0", "2", "4"]
    points = polygon(list(root.iter("polyline"))[1])
    unit = (ticks["0"] - ticks["4"]) / 4
    heights = (ticks["0"] - 4 - points[:, 1]) / unit  # a tick's words stand 4 below it
    np.testing.assert_allclose(heights, rates / 1e-4, atol=0.01)
    assert "discriminator: from 2×10⁻⁴ to 5×10⁻⁵" in root.get("aria-label")


def test_values_that_are_not_all_small_have_an_axis_of_their_own():
    """One value of 0.5 among small ones, and nothing is in powers of ten."""
    root = curves(np.array([1e-4, 2e-4]), np.array([0.5, 0.6]))
    assert "loss" in words(root)


def test_small_values_below_zero_are_on_the_axis():
    """Curves that go below zero are not cut off there, however small they are."""
    values = np.linspace(-0.004, 0.004, 40)
    points = polygon(next(curves(values).iter("polyline")))
    np.testing.assert_allclose(np.diff(points[:, 1]), np.diff(points[:, 1]).mean(), atol=0.11)


def test_both_histograms_cover_the_same_area():
    """Shares are of each series' own total, so 50 pairs and 5,000 fill equal areas."""
    edges = np.linspace(-1, 1, 41)
    few = np.histogram(RNG.normal(0.5, 0.1, 50), edges)[0]
    many = np.histogram(RNG.normal(0.2, 0.1, 5000), edges)[0]
    root = histograms(edges, few, many)
    assert area(steps(root, "a")) == pytest.approx(area(steps(root, "b")), rel=0.01)


def test_a_histogram_has_a_mark_at_its_mean():
    """With all pairs in one bin the mark stands in its middle, and the description states it."""
    root = histograms([0.0, 0.25, 0.5, 0.75, 1.0], [0, 7, 0, 0])
    points = steps(root, "a")
    high = points[points[:, 1] == points[:, 1].min()]
    mark = next(e for e in root.iter("line") if e.get("class") == "mark a")
    assert float(mark.get("x1")) == pytest.approx(high[:, 0].mean(), abs=0.11)
    assert "a: mean about 0.3750" in root.get("aria-label")


@pytest.mark.parametrize("counts", [[], [[0, 0]], [[0, 0], [0, 0]], [[3, 1], [0, 0]]])
def test_histograms_without_values_do_not_stop_the_chart(counts):
    """A series of which nothing is finite has no outline; without any the chart says so."""
    root = histograms([20.0, 25.0, 30.0], *counts)
    drawn = sum(e.get("class").startswith("steps") for e in root.iter("polygon"))
    assert drawn == sum(sum(of) > 0 for of in counts)
    assert ("No values" in root.get("aria-label")) == (drawn == 0)
    assert "nan" not in ET.tostring(root, "unicode")


def by_statistic(values: tuple[Measured, ...]) -> dict[str, Measured]:
    """Return values as a row of a table."""
    return {value.statistic: value for value in values}


def test_whiskers_of_one_metric_share_a_scale():
    """The same value lies at the same place in each row, and undefined rows stay empty."""
    low = by_statistic(spread(SSIM, (SYNTHETIC, SYNTHETIC), 9, 0.2, 0.1, 0.0, 0.5))
    high = by_statistic(spread(SSIM, (REAL, REAL), 9, 0.8, 0.1, 0.5, 1.0))
    nothing = by_statistic(
        spread(SSIM, (REAL, SYNTHETIC), 9, None, None, None, None, undefined=9.0)
    )
    rows = [low, high, nothing]
    first, second = (ET.fromstring(figures.whisker(row, rows)) for row in (low, high))
    assert next(first.iter("line")).get("x2") == next(second.iter("line")).get("x1")
    assert figures.whisker(nothing, rows) == ""
    assert first.get("class") == "whisker a"
    assert second.get("class") == "whisker b"


def test_a_whisker_shows_range_deviation_and_mean_in_proportion():
    """On a scale from 10 to 30 a mean of 15 ± 2 lies at a quarter, its block a fifth wide."""
    row = by_statistic(spread(PSNR, (REAL, SYNTHETIC), 9, 15.0, 2.0, 10.0, 30.0, infinite=3.0))
    root = ET.fromstring(figures.whisker(row, [row]))
    whole, mean = root.iter("line")
    block = next(root.iter("rect"))
    left, right = float(whole.get("x1")), float(whole.get("x2"))
    span = right - left
    assert (float(mean.get("x1")) - left) / span == pytest.approx(0.25, abs=0.002)
    assert float(block.get("width")) / span == pytest.approx(0.2, abs=0.002)


def test_a_whisker_of_equal_values_is_drawn():
    """Where all pairs have one value the scale has no length, and still there is a tick."""
    row = by_statistic(spread(SSIM, (REAL, REAL), 9, 1.0, 0.0, 1.0, 1.0))
    assert len(list(ET.fromstring(figures.whisker(row, [row])).iter("line"))) == 2


def test_words_in_a_chart_are_escaped():
    """A metric's title with markup or control characters cannot leave its text element."""
    chart = Chart((0, 1), (0, 1))
    chart.x_axis("</text><script>\x07")
    root = ET.fromstring(chart.render('"><b>'))
    assert [e.tag for e in root.iter() if e.tag in ("script", "b")] == []
    assert any(e.text == "</text><script>\\x07" for e in root.iter("text"))


NASTY = "\"'></text></svg><script>\x07"


@pytest.mark.parametrize("kind", ["bars", "curves", "histograms"])
def test_words_of_every_kind_of_chart_are_escaped(kind):
    """Titles, labels and names of series with markup in them leave a chart well formed."""
    series = (Series(name=NASTY, kind="a", values=(1.0, 2.0, 3.0, 4.0)),)
    chart = {
        "bars": Bars(title=NASTY, label=NASTY, series=series),
        "curves": Curves(
            title=NASTY, label=NASTY, iterations=(1.0, 2.0, 3.0, 4.0),
            images_seen=(8.0, 16.0, 24.0, 32.0), series=series,
        ),
        "histograms": Histograms(
            title=NASTY, metric=NASTY, label=NASTY, edges=(0.0, 1.0, 2.0, 3.0, 4.0), series=series,
        ),
    }[kind]  # fmt: skip
    root = ET.fromstring(getattr(figures, kind)(chart))
    shown = NASTY.replace("\x07", "\\x07")
    assert shown in words(root)
    assert shown in root.get("aria-label")
    assert [e.tag for e in root.iter() if e.tag == "script"] == []
