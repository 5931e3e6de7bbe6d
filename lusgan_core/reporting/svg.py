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
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 14, 14, 52

Points = NDArray[np.float64]


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten) within low..high, about ``count`` of them."""
    if not high > low:
        return [low]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


class Chart:
    """A plotting area with a linear scale on each axis; parts are drawn in the order of calls."""

    def __init__(self, x_range: tuple[float, float], y_range: tuple[float, float]) -> None:
        self.x_low, self.x_high = _widened(*x_range)
        self.y_low, self.y_high = _widened(*y_range)
        self.parts: list[str] = []
        self.height = HEIGHT - 14

    def x(self, value: float) -> float:
        """Horizontal position of a value; values off the scale lie on its edge."""
        share = (min(max(value, self.x_low), self.x_high) - self.x_low) / (self.x_high - self.x_low)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """Vertical position of a value, likewise."""
        share = (min(max(value, self.y_low), self.y_high) - self.y_low) / (self.y_high - self.y_low)
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)

    def y_axis(self, label: str, whole: bool = False) -> None:
        """Ticks, faint lines across, and a label that runs upwards."""
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
        """Ticks and a label; ``second`` words another quantity at the same ticks, below them.

        ``whole`` leaves out ticks between whole numbers.
        """
        bottom = HEIGHT - _BOTTOM
        self._line(_LEFT, bottom, WIDTH - _RIGHT, bottom, "axis")
        ticks = nice_ticks(self.x_low, self.x_high, 5)
        for tick in ticks:
            if whole and tick != round(tick):
                continue
            self._line(self.x(tick), bottom, self.x(tick), bottom + 4, "axis")
            self.text(self.x(tick), bottom + 17, compact(tick), "middle")
            if second is not None:
                self.text(self.x(tick), bottom + 31, second(tick), "middle")
        if second:
            self.height = HEIGHT
        names = f"{label} (upper), {second_label} (lower)" if second else label
        below = bottom + 48 if second else bottom + 34
        self.text((_LEFT + WIDTH - _RIGHT) / 2, below, names, "middle label")

    def line(self, xs: Points, ys: Points, kind: str) -> None:
        """A line through the points; it breaks where a y is not finite."""
        for run in _finite_runs(ys):
            points = self._points(xs[run], ys[run])
            self.parts.append(f'<polyline class="line {kind}" points="{points}"/>')

    def band(self, xs: Points, low: Points, high: Points, kind: str) -> None:
        """The area between two lines; it breaks where either is not finite."""
        for run in _finite_runs(low + high):
            there = self._points(xs[run], low[run])
            back = self._points(xs[run][::-1], high[run][::-1])
            self.parts.append(f'<polygon class="band {kind}" points="{there} {back}"/>')

    def steps(self, edges: Points, heights: Points, kind: str) -> None:
        """A histogram: K heights over K + 1 edges, as one filled outline."""
        xs = np.repeat(edges, 2)
        ys = np.concatenate([[0.0], np.repeat(heights, 2), [0.0]])
        self.parts.append(f'<polygon class="steps {kind}" points="{self._points(xs, ys)}"/>')

    def bar(self, x: float, width: float, low: float, high: float, kind: str) -> None:
        """A bar from low to high; ``width`` in units of the x axis."""
        left, right = self.x(x - width / 2), self.x(x + width / 2)
        top, bottom = self.y(high), self.y(low)
        self.parts.append(
            f'<rect class="bar {kind}" x="{left:.1f}" y="{top:.1f}" '
            f'width="{right - left:.1f}" height="{bottom - top:.1f}"/>'
        )

    def mark(self, x: float, kind: str) -> None:
        """A vertical line over the whole height, for a mean or a median."""
        self._line(self.x(x), _TOP, self.x(x), HEIGHT - _BOTTOM, f"mark {kind}")

    def text(self, x: float, y: float, words: str, kind: str) -> None:
        """Words at a position in user units; ``kind`` starts with the anchor."""
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

    def _line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        self.parts.append(
            f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
        )

    def _points(self, xs: Points, ys: Points) -> str:
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in zip(xs, ys, strict=True))


def _finite_runs(values: Points) -> Iterable[slice]:
    """The longest stretches without a value that is infinite or undefined."""
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
