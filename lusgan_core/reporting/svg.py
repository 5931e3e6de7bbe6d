"""Small charts as inline SVG: axes, lines, bars and histograms in a few hundred bytes each.

A chart carries no colours: its parts have classes (``a``, ``b``, ``axis`` ...) that the page's
style sheet colours, so it follows light and dark. It carries no ids either, so that any number of
charts can share a page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from html import escape

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from lusgan_core.reporting.wording import compact, visible

WIDTH, HEIGHT = 400, 240
"""User units of a chart; text is 12 of them high, and charts are shown at 0.8 to 1.2 px a unit."""
LETTER = 7.5
"""User units that a figure or a letter is wide at most, but for the widest capitals."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 14, 14, 52

Points = NDArray[np.float64]


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Choose round numbers for the ticks of an axis: 1, 2 or 5 times a power of ten.

    Args:
        low: Start of the axis.
        high: End of the axis.
        count: Number of ticks to aim for.

    Returns:
        Rising multiples of one step within low..high; ``low`` alone if the range is empty.
    """
    if not high > low:
        return [low]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


class Chart:
    """A plotting area with a linear scale on each axis; parts are drawn in the order of calls.

    Args:
        x_range: First and last value of the horizontal axis.
        y_range: First and last value of the vertical axis. An empty range is widened.
    """

    def __init__(self, x_range: tuple[float, float], y_range: tuple[float, float]) -> None:
        self.x_low, self.x_high = _widened(*x_range)
        self.y_low, self.y_high = _widened(*y_range)
        self.parts: list[str] = []
        self.height = HEIGHT - 14

    def x(self, value: float) -> float:
        """Horizontal position of a value, in user units; values off the scale lie on its edge."""
        share = (min(max(value, self.x_low), self.x_high) - self.x_low) / (self.x_high - self.x_low)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """Vertical position of a value, in user units; values off the scale lie on its edge."""
        share = (min(max(value, self.y_low), self.y_high) - self.y_low) / (self.y_high - self.y_low)
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)

    def y_axis(self, label: str, whole: bool = False) -> None:
        """Draw ticks, faint lines across the chart, and a label that runs upwards.

        Args:
            label: Text beside the axis.
            whole: Whether to leave out ticks between whole numbers.
        """
        for tick in nice_ticks(self.y_low, self.y_high, 4):
            if whole and tick != round(tick):
                continue
            y = self.y(tick)
            self._line(_LEFT, y, WIDTH - _RIGHT, y, "grid")
            self.text(_LEFT - 6, y + 4, compact(tick), "end")
        middle = (_TOP + HEIGHT - _BOTTOM) / 2
        self.parts.append(
            f'<text class="label" text-anchor="middle" transform="translate(11 {middle:.0f}) '
            f'rotate(-90)">{_words(label)}</text>'
        )

    def x_axis(
        self,
        label: str,
        second_label: str = "",
        second: Callable[[float], str] | None = None,
        whole: bool = False,
    ) -> None:
        """Draw the axis with ticks and a label; a second quantity may be written below the ticks.

        Args:
            label: Text below the axis.
            second_label: Name of the second quantity.
            second: Text of the second quantity at a tick's value; None for a single quantity.
            whole: Whether to leave out ticks between whole numbers.
        """
        bottom = HEIGHT - _BOTTOM
        self._line(_LEFT, bottom, WIDTH - _RIGHT, bottom, "axis")
        ticks = nice_ticks(self.x_low, self.x_high, 5)
        for tick in ticks:
            if whole and tick != round(tick):
                continue
            self._line(self.x(tick), bottom, self.x(tick), bottom + 4, "axis")
            self._below(tick, bottom + 17, compact(tick))
            if second is not None:
                self._below(tick, bottom + 31, second(tick))
        if second:
            self.height = HEIGHT
        names = f"{label} (upper), {second_label} (lower)" if second else label
        below = bottom + 48 if second else bottom + 34
        self.text((_LEFT + WIDTH - _RIGHT) / 2, below, names, "middle label")

    def line(self, xs: Points, ys: Points, kind: str) -> None:
        """Draw a line through points; it breaks where a y is not finite.

        Args:
            xs: Horizontal values, (N,) float64.
            ys: Vertical values, (N,) float64.
            kind: Class that gives the colour: ``a`` (accent) or ``b`` (neutral).
        """
        for run in _finite_runs(ys):
            points = self._points(xs[run], ys[run])
            self.parts.append(f'<polyline class="line {kind}" points="{points}"/>')

    def band(self, xs: Points, low: Points, high: Points, kind: str) -> None:
        """Draw the area between two lines; it breaks where either is not finite.

        Args:
            xs: Horizontal values, (N,) float64.
            low: Lower edge, (N,) float64.
            high: Upper edge, (N,) float64.
            kind: Class that gives the colour: ``a`` (accent) or ``b`` (neutral).
        """
        for run in _finite_runs(low + high):
            there = self._points(xs[run], low[run])
            back = self._points(xs[run][::-1], high[run][::-1])
            self.parts.append(f'<polygon class="band {kind}" points="{there} {back}"/>')

    def steps(self, edges: Points, heights: Points, kind: str) -> None:
        """Draw a histogram as one filled outline.

        Args:
            edges: Edges of the bins, rising, (K + 1,) float64.
            heights: Heights of the bins, (K,) float64.
            kind: Class that gives the colour: ``a`` (accent) or ``b`` (neutral).
        """
        xs = np.repeat(edges, 2)
        ys = np.concatenate([[0.0], np.repeat(heights, 2), [0.0]])
        self.parts.append(f'<polygon class="steps {kind}" points="{self._points(xs, ys)}"/>')

    def bar(self, x: float, width: float, low: float, high: float, kind: str) -> None:
        """Draw a bar.

        Args:
            x: Horizontal value of its middle.
            width: Width, in units of the horizontal axis.
            low: Vertical value of its lower end.
            high: Vertical value of its upper end.
            kind: Class that gives the colour: ``a`` (accent) or ``b`` (neutral).
        """
        left, right = self.x(x - width / 2), self.x(x + width / 2)
        top, bottom = self.y(high), self.y(low)
        self.parts.append(
            f'<rect class="bar {kind}" x="{left:.1f}" y="{top:.1f}" '
            f'width="{right - left:.1f}" height="{bottom - top:.1f}"/>'
        )

    def mark(self, x: float, kind: str) -> None:
        """Draw a vertical line over the whole height, for a mean or a median.

        Args:
            x: Horizontal value.
            kind: Class that gives the colour: ``a`` (accent) or ``b`` (neutral).
        """
        self._line(self.x(x), _TOP, self.x(x), HEIGHT - _BOTTOM, f"mark {kind}")

    def text(self, x: float, y: float, words: str, kind: str) -> None:
        """Write text at a position.

        Args:
            x: Horizontal position, user units.
            y: Vertical position of the baseline, user units.
            words: The text; made safe to stand in markup.
            kind: ``start``, ``middle`` or ``end``, the part of the text that is at x; then, after a
                space, classes.
        """
        anchor, _, more = kind.partition(" ")
        css = f' class="{more}"' if more else ""
        self.parts.append(
            f'<text{css} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_words(words)}</text>'
        )

    def render(self, description: str) -> Markup:
        """The chart; ``description`` is what a screen reader says of it."""
        return Markup(
            f'<svg class="chart" viewBox="0 0 {WIDTH} {self.height}" role="img" '
            f'aria-label="{_words(description)}">{"".join(self.parts)}</svg>'
        )

    def _below(self, tick: float, y: float, words: str) -> None:
        """Write the label of a tick, moved to the left where it would leave the chart."""
        furthest = WIDTH - len(words) * LETTER / 2
        self.text(min(self.x(tick), furthest), y, words, "middle")

    def _line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        self.parts.append(
            f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
        )

    def _points(self, xs: Points, ys: Points) -> str:
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in zip(xs, ys, strict=True))


def _finite_runs(values: Points) -> Iterable[slice]:
    """The longest stretches of finite values, as slices."""
    good = np.concatenate([[False], np.isfinite(values), [False]]).astype(np.int8)
    starts, stops = np.flatnonzero(np.diff(good) == 1), np.flatnonzero(np.diff(good) == -1)
    return [slice(a, b) for a, b in zip(starts, stops, strict=True)]


def _words(text: str) -> str:
    """Text, a plugin's perhaps, made safe to stand in markup."""
    return escape(visible(text))


def _widened(low: float, high: float) -> tuple[float, float]:
    """A range that is not empty."""
    if high > low:
        return low, high
    margin = abs(low) * 0.1 or 0.5
    return low - margin, high + margin
