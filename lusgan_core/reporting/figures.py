"""The charts of a report: each a function from a figure's specification to inline SVG.

The first kind of series (``a``: synthetic, training, generator) has the accent colour, the second
(``b``: real, held out, discriminator) is neutral. See ``svg`` for how charts are made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from lusgan_core.calls.section import Bars, Curves, Histograms, Intervals, Measured, Series
from lusgan_core.domain import SCORES
from lusgan_core.reporting.svg import Chart
from lusgan_core.reporting.wording import compact, number, ten

MOST_POINTS = 120
"""Points of a curve; longer histories are summarised by their mean and range in as many parts."""
SMALL = 0.01
"""Curves that stay below this are drawn from zero, in units of a power of ten."""
WHISKER = ("mean", "sd", "min", "max")
"""Statistics that a whisker needs."""

Values = NDArray[np.float64]


def bars(figure: Bars) -> Markup:
    """Stacked bars, one a severity score."""
    stacks = [_numbers(series) for series in figure.series]
    totals = np.sum(stacks, axis=0)
    chart = Chart((-0.6, len(SCORES) - 0.4), (0, max(float(totals.max()), 1) * 1.12))
    chart.y_axis(figure.label, whole=True)
    bottom = chart.y(0)
    for place, score in enumerate(SCORES):
        low = 0.0
        for series, values in zip(figure.series, stacks, strict=True):
            if values[place]:
                chart.bar(place, 0.6, low, low + values[place], series.kind)
            low += float(values[place])
        words = number(int(totals[place]))
        chart.text(chart.x(place), chart.y(low) - 5, words, "middle strong")
        chart.text(chart.x(place), bottom + 17, str(score), "middle")
    chart.text((chart.x(-0.6) + chart.x(len(SCORES) - 0.4)) / 2, bottom + 34, "severity score",
               "middle label")  # fmt: skip
    words = ", ".join(f"score {s}: {int(t):,}" for s, t in zip(SCORES, totals, strict=True))
    return chart.render(f"Bar chart of {figure.label} by severity score. {words}.")


def curves(figure: Curves) -> Markup:
    """Curves over iterations and images seen.

    Each is the mean within equal parts of the run, over a band from the smallest to the largest
    value there. The axis leaves out the outermost half per cent of values on either side; where all
    values are small it has zero on it, mostly as its end, and a power of ten.
    """
    iterations = np.array(figure.iterations)
    lines = [(series, _numbers(series)) for series in figure.series]
    values = np.concatenate([ys for _, ys in lines])
    values = values[np.isfinite(values)]
    label, factor = figure.label, 1.0
    highest = float(np.abs(values).max()) if values.size else 1.0
    if 0 < highest < SMALL:
        power = math.floor(math.log10(highest))
        label, factor = f"{label}, {ten(power)}", 10.0**power
        low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
        limits = (low / factor * 1.05, high / factor * 1.05)
    else:
        low, high = np.percentile(values, [0.5, 99.5]) if values.size else (0.0, 1.0)
        margin = 0.05 * (high - low)
        limits = (float(low - margin), float(high + margin))
    chart = _over_time(figure, limits, label)
    for series, ys in lines:
        xs, mean, smallest, largest = _summarised(iterations, ys / factor)
        if len(ys) > len(xs):
            chart.band(xs, smallest, largest, series.kind)
        chart.line(xs, mean, series.kind)
    words = ". ".join(f"{series.name}: {_ends(ys)}" for series, ys in lines)
    return chart.render(f"Line chart, {figure.title}. {words}.")


def histograms(figure: Histograms) -> Markup:
    """Histograms over the same bins, each as percentages of its own total."""
    edges = np.array(figure.edges)
    heights = [_numbers(series) for series in figure.series]
    filled = np.flatnonzero(np.sum(heights, axis=0))
    if filled.size:  # leave out the empty ends of the scale
        first, last = max(filled[0] - 1, 0), min(filled[-1] + 1, len(edges) - 2)
        edges = edges[first : last + 2]
        heights = [h[first : last + 1] for h in heights]
    shares = [100 * h / h.sum() if h.sum() else h for h in heights]
    top = max((float(share.max()) for share in shares if share.size), default=0.0)
    chart = Chart((float(edges[0]), float(edges[-1])), (0, top * 1.1))
    chart.y_axis(figure.label)
    words = []
    centres = (edges[:-1] + edges[1:]) / 2
    for series, share in sorted(zip(figure.series, shares, strict=True), key=_neutral_first):
        if share.sum():
            chart.steps(edges, share, series.kind)
            mean = float((centres * share).sum() / share.sum())
            chart.mark(mean, series.kind)
            words.append(f"{series.name}: mean about {number(mean)}")
    chart.x_axis(figure.metric)
    return chart.render(f"Histograms of {figure.metric}. {'; '.join(words) or 'No values'}.")


def intervals(figure: Intervals) -> Markup:
    """Values with their ranges, one below the other: a bar from end to end, a tick at the value."""
    known = [(row, row.value) for row in figure.rows if row.value is not None]
    ends = [end for row, value in known for end in (*(row.interval or ()), value)]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.5
    chart = Chart((low - margin, high + margin), (0, max(len(known), 1)))
    thick, words = 0.11, []
    for place, (row, value) in enumerate(known):
        middle = len(known) - place - 0.7
        first, last = row.interval or (value, value)
        chart.bar((first + last) / 2, last - first, middle - thick, middle + thick, row.kind)
        tick = (chart.x_high - chart.x_low) / 150
        chart.bar(value, tick, middle - 2 * thick, middle + 2 * thick, row.kind)
        chart.text(chart.x(chart.x_low), chart.y(middle + 0.35), row.name, "start")
        ends_ = f" ({number(first)} to {number(last)})" if row.interval else ""
        words.append(f"{row.name}: {number(value)}{ends_}")
    chart.x_axis(figure.label)
    return chart.render(f"{figure.title}. {'; '.join(words) or 'No values'}.")


def whisker(row: Mapping[str, Measured], rows: Sequence[Mapping[str, Measured]]) -> Markup:
    """Draw a row's range: a line from min to max, a block of mean ± sd, a tick at the mean.

    Args:
        row: The statistics of one kind of pairs, by name.
        rows: Those of all kinds of pairs of the same metric, which share one scale.

    Returns:
        Inline SVG; empty if there is no finite value.
    """
    ends = [v for other in rows for v in (_value(other, "min"), _value(other, "max"))]
    known = [v for v in ends if v is not None]
    mean, sd, smallest, largest = (_value(row, statistic) for statistic in WHISKER)
    if not known or mean is None or sd is None or smallest is None or largest is None:
        return Markup("")
    low, span = min(known), (max(known) - min(known)) or 1.0

    def x(value: float) -> float:
        return 4 + 112 * min(max((value - low) / span, 0.0), 1.0)

    kind = "a" if "synthetic" in row["mean"].between else "b"
    left, right = x(mean - sd), x(mean + sd)
    return Markup(
        f'<svg class="whisker {kind}" viewBox="0 0 120 14" aria-hidden="true">'
        f'<line x1="{x(smallest):.1f}" y1="7" x2="{x(largest):.1f}" y2="7"/>'
        f'<rect x="{left:.1f}" y="3" width="{right - left:.1f}" height="8"/>'
        f'<line class="mean" x1="{x(mean):.1f}" y1="1" x2="{x(mean):.1f}" y2="13"/></svg>'
    )


def _value(row: Mapping[str, Measured], statistic: str) -> float | None:
    found = row.get(statistic)
    return None if found is None else found.value


def _numbers(series: Series) -> Values:
    return np.array([math.nan if v is None else v for v in series.values], np.float64)


def _neutral_first(pair: tuple[Series, Values]) -> bool:
    return pair[0].kind == "a"


def _over_time(figure: Curves, limits: tuple[float, float], label: str) -> Chart:
    """An empty chart over iterations, which are worded as images seen too."""
    last = figure.iterations[-1] if figure.iterations else 1.0
    chart = Chart((0.0, last), limits)
    chart.y_axis(label)
    times, seen = np.array([0.0, *figure.iterations]), np.array([0.0, *figure.images_seen])
    chart.x_axis(
        "iterations",
        "images seen",
        lambda tick: compact(round(float(np.interp(tick, times, seen)))),
        whole=True,
    )
    return chart


def _summarised(xs: Values, ys: Values) -> tuple[Values, Values, Values, Values]:
    """Mean x, and mean, smallest and largest finite y, in at most MOST_POINTS equal parts."""
    rows = []
    for part in np.array_split(np.arange(len(ys)), min(MOST_POINTS, len(ys)) or 1):
        good = ys[part][np.isfinite(ys[part])]
        values = (good.mean(), good.min(), good.max()) if good.size else (np.nan,) * 3
        if part.size:
            rows.append((xs[part].mean(), *values))
    table = np.array(rows, np.float64).reshape(-1, 4)
    return table[:, 0], table[:, 1], table[:, 2], table[:, 3]


def _ends(values: Values) -> str:
    if not values.size:
        return "no values"
    return f"from {number(float(values[0]))} to {number(float(values[-1]))}"
