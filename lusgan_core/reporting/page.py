"""Puts a report together: ``render_report(content)`` gives one HTML page that needs nothing else.

The templates walk through the content section by section and call ``figures`` where a picture
belongs. Nothing is fetched from anywhere: style, charts and images are inside the page, and it is
complete without scripts, of which it has none. Text from outside (file names, reasons, options) is
escaped by jinja2, and what is invisible in it is made visible on its way out.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lusgan_core.domain import SCORES
from lusgan_core.reporting import figures, images
from lusgan_core.reporting.content import (
    Frames,
    NearestDistances,
    NearestPair,
    ReportContent,
    Samples,
    TrainingSummary,
)
from lusgan_core.reporting.wording import compact, duration, number, visible

LARGEST_GIF = 1_500_000
"""Bytes up to which a progress animation is put into the page."""

SHEET_COLUMNS = 4


def render_report(content: ReportContent) -> str:
    """The whole page as text, to be written as UTF-8.

    Patients appear as ``content.patients`` names them. Raises ValueError where frames have a
    shape that is no image's.
    """
    environment = Environment(
        loader=PackageLoader("lusgan_core.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=number,
        compact=compact,
        duration=duration,
        utc=_utc,
        scrub=content.patients.scrub,
    )
    environment.globals.update(
        charts=figures,
        pictures=_Pictures(),
        names=content.patients,
        scores=SCORES,
        style=Markup(environment.get_template("style.css").render()),
        closer=_closer,
        isfinite=math.isfinite,
    )
    return environment.get_template("base.html").render(report=content)


class _Pictures:
    """Turns frames of the content into ``src`` attributes."""

    def sheet(self, samples: Samples, which: str) -> str:
        """The real or the synthetic frames in rows."""
        frames = images.reduced(getattr(samples, which))
        return images.png_data_uri(images.sample_grid(frames, SHEET_COLUMNS))

    def columns(self, count: int) -> int:
        """Frames in the first row of a sheet."""
        return min(count, SHEET_COLUMNS)

    def one(self, frame: Frames) -> str:
        """A single frame."""
        return images.png_data_uri(images.reduced(frame[None])[0])

    def pair(self, pair: NearestPair) -> str:
        """A synthetic frame, left, beside its nearest real one."""
        both = images.reduced(np.stack([pair.synthetic, pair.real]))
        return images.png_data_uri(images.sample_grid(both, 2))

    def gif(self, training: TrainingSummary) -> str:
        """The progress animation, or nothing where it is missing or too large for the page."""
        fits = 0 < len(training.gif) <= LARGEST_GIF
        return images.gif_data_uri(training.gif) if fits else ""


def _closer(distances: NearestDistances, better: str) -> float:
    """Share of synthetic frames whose best training match beats their best held-out match."""
    sign = 1 if better == "higher" else -1
    return float(np.mean(sign * distances.training > sign * distances.held_out))


def _utc(moment: datetime) -> str:
    """A moment as ``2024-05-01 13:45 UTC``; one without a time zone is taken for UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _finalize(value: object) -> object:
    """Make the invisible visible in whatever a template writes, except ready-made markup."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
