"""The figures of a report, each a function from facts to something that a page can hold.

Charts are inline SVG (see ``svg.py``); frames are PNG data URIs (see ``images.py``, whose two
public functions are handed on from here). The first series (``a``: synthetic, training, generator)
has the accent colour, the second (``b``: real, held out, discriminator) is neutral.
"""

from __future__ import annotations

import math

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from lusgan_core.domain import SCORES
from lusgan_core.reporting.content import (
    Collapse,
    DataSummary,
    History,
    MetricSummary,
    NearestDistances,
    Spread,
)
from lusgan_core.reporting.images import gif_data_uri, png_data_uri, reduced, sample_grid
from lusgan_core.reporting.svg import Chart
from lusgan_core.reporting.wording import compact, number, ten

__all__ = [
    "collapse_chart",
    "frames_by_score",
    "gif_data_uri",
    "learning_rates",
    "loss_curves",
    "nearest_chart",
    "patients_by_score",
    "png_data_uri",
    "reduced",
    "sample_grid",
    "whisker",
]

MOST_POINTS = 120
"""Points of a curve; longer histories are summarised by their mean and range in as many parts."""

Values = NDArray[np.float64]


def frames_by_score(data: DataSummary) -> Markup:
    """Labelled frames of each score, training and held-out patients stacked."""
    training = [data.count(score, held_out=False) for score in SCORES]
    held_out = [data.count(score, held_out=True) for score in SCORES]
    return _stacked(training, held_out, "labelled frames")


def patients_by_score(data: DataSummary) -> Markup:
    """Patients that have frames of each score, training and held-out ones stacked."""
    training = [len(data.by_patient(score, held_out=False)) for score in SCORES]
    held_out = [len(data.by_patient(score, held_out=True)) for score in SCORES]
    return _stacked(training, held_out, "patients")


def _stacked(training: list[int], held_out: list[int], what: str) -> Markup:
    totals = [a + b for a, b in zip(training, held_out, strict=True)]
    chart = Chart((-0.6, len(SCORES) - 0.4), (0, max(*totals, 1) * 1.12))
    chart.y_axis(what, whole=True)
    bottom = chart.y(0)
    for i, score in enumerate(SCORES):
        if training[i]:
            chart.bar(i, 0.6, 0, training[i], "a")
        if held_out[i]:
            chart.bar(i, 0.6, training[i], totals[i], "b")
        chart.text(chart.x(i), chart.y(totals[i]) - 5, number(totals[i]), "middle strong")
        chart.text(chart.x(i), bottom + 17, str(score), "middle")
    chart.text((chart.x(-0.6) + chart.x(len(SCORES) - 0.4)) / 2, bottom + 34, "severity score",
               "middle label")  # fmt: skip
    words = ", ".join(f"score {s}: {t:,}" for s, t in zip(SCORES, totals, strict=True))
    return chart.render(f"Bar chart of {what} by severity score. {words}.")


def loss_curves(history: History) -> Markup:
    """Discriminator (b) and generator (a) loss over iterations and images seen.

    Each curve is the mean within equal parts of the run, over a band from the smallest to the
    largest value there. The axis leaves out the outermost half per cent of values on either side.
    """
    losses = [("b", history.discriminator_loss), ("a", history.generator_loss)]
    values = np.concatenate([loss for _, loss in losses])
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, [0.5, 99.5]) if values.size else (0.0, 1.0)
    margin = 0.05 * (high - low)
    chart = _over_time(history, (float(low - margin), float(high + margin)), "loss")
    for kind, loss in losses:
        xs, mean, smallest, largest = _summarised(history.iterations, loss)
        if len(loss) > len(xs):
            chart.band(xs, smallest, largest, kind)
        chart.line(xs, mean, kind)
    return chart.render(
        "Line chart of training losses. "
        f"Discriminator: {_ends(history.discriminator_loss)}. "
        f"Generator: {_ends(history.generator_loss)}."
    )


def learning_rates(history: History) -> Markup:
    """Learning rates of discriminator (b) and generator (a) over iterations and images seen."""
    rates = [("b", history.discriminator_lr), ("a", history.generator_lr)]
    highest = max((float(v) for _, rate in rates for v in rate if np.isfinite(v)), default=0.0)
    power = math.floor(math.log10(highest)) if highest > 0 else 0
    chart = _over_time(history, (0.0, highest / 10**power * 1.05), f"learning rate, {ten(power)}")
    for kind, rate in rates:
        xs, mean, _, _ = _summarised(history.iterations, rate)
        chart.line(xs, mean / 10**power, kind)
    return chart.render(
        "Line chart of learning rates. "
        f"Discriminator: {_ends(history.discriminator_lr)}. "
        f"Generator: {_ends(history.generator_lr)}."
    )


def collapse_chart(collapse: Collapse) -> Markup:
    """Similarity among synthetic frames (a) beside that among real ones of different clips (b)."""
    return _two_histograms(
        collapse.edges,
        collapse.synthetic.astype(np.float64),
        collapse.real.astype(np.float64),
        collapse.metric.title,
        ("pairs of synthetic frames", "pairs of real frames of different clips"),
        "share of pairs, %",
    )


def nearest_chart(distances: NearestDistances, title: str) -> Markup:
    """Best value of each synthetic frame with training patients (a) and held-out ones (b)."""
    training = distances.training[np.isfinite(distances.training)]
    held_out = distances.held_out[np.isfinite(distances.held_out)]
    edges = np.histogram_bin_edges(np.concatenate([training, held_out]), bins=30)
    return _two_histograms(
        edges,
        np.histogram(training, edges)[0].astype(np.float64),
        np.histogram(held_out, edges)[0].astype(np.float64),
        title,
        ("nearest training frame", "nearest held-out frame"),
        "share of synthetic frames, %",
    )


def _two_histograms(
    edges: Values, a: Values, b: Values, title: str, names: tuple[str, str], share: str
) -> Markup:
    """Two histograms over the same edges, each as percentages of its own total."""
    filled = np.flatnonzero(a + b)
    if filled.size:  # leave out the empty ends of the scale
        first, last = max(filled[0] - 1, 0), min(filled[-1] + 1, len(a) - 1)
        edges, a, b = edges[first : last + 2], a[first : last + 1], b[first : last + 1]
    shares = [100 * h / h.sum() if h.sum() else h for h in (a, b)]
    chart = Chart(
        (float(edges[0]), float(edges[-1])), (0, float(max(s.max() for s in shares)) * 1.1)
    )
    chart.y_axis(share)
    words = []
    centres = (edges[:-1] + edges[1:]) / 2
    for kind, heights, name in (("b", shares[1], names[1]), ("a", shares[0], names[0])):
        if heights.sum():
            chart.steps(edges, heights, kind)
            mean = float((centres * heights).sum() / heights.sum())
            chart.mark(mean, kind)
            words.append(f"{name}: mean about {number(mean)}")
    chart.x_axis(title)
    return chart.render(f"Histograms of {title}. {'; '.join(words) or 'No values'}.")


def whisker(spread: Spread, summary: MetricSummary, kind: str) -> Markup:
    """A row's range in a table: a line from min to max, a block of mean ± sd, a tick at the mean.

    All rows of one metric share their scale.
    """
    spreads = (summary.real_synthetic, summary.synthetic_synthetic, summary.real_real)
    ends = [v for s in spreads if s is not None for v in (s.min, s.max) if np.isfinite(v)]
    if not ends or not np.isfinite(spread.mean):
        return Markup("")
    low, span = min(ends), (max(ends) - min(ends)) or 1.0

    def x(value: float) -> float:
        return 4 + 112 * min(max((value - low) / span, 0.0), 1.0)

    box = x(spread.mean - spread.sd), x(spread.mean + spread.sd)
    return Markup(
        f'<svg class="whisker {kind}" viewBox="0 0 120 14" aria-hidden="true">'
        f'<line x1="{x(spread.min):.1f}" y1="7" x2="{x(spread.max):.1f}" y2="7"/>'
        f'<rect x="{box[0]:.1f}" y="3" width="{box[1] - box[0]:.1f}" height="8"/>'
        f'<line class="mean" x1="{x(spread.mean):.1f}" y1="1" '
        f'x2="{x(spread.mean):.1f}" y2="13"/></svg>'
    )


def _over_time(history: History, y_range: tuple[float, float], label: str) -> Chart:
    """An empty chart over iterations, which are worded as images seen too."""
    last = float(history.iterations[-1]) if history.iterations.size else 1.0
    chart = Chart((0.0, last), y_range)
    chart.y_axis(label)
    times = np.concatenate([[0.0], history.iterations])
    seen = np.concatenate([[0.0], history.images_seen])
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
