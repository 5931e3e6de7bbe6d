"""Draws a report: ``render_report(content, pictures)`` gives one HTML page that needs nothing else.

The templates walk through the content section by section; every kind of figure has one way of being
drawn. Nothing is fetched from anywhere: style, charts and images are inside the page, and it is
complete without scripts, of which it has none. Text from outside (file names, reasons, options) is
escaped by jinja2, and what is invisible in it is made visible on its way out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lusgan_core.calls.section import Cell, ExamFile, Measured, Patient, Range, plural
from lusgan_core.reporting import figures
from lusgan_core.reporting.content import ReportContent
from lusgan_core.reporting.patients import PatientNames
from lusgan_core.reporting.pictures import Pictures
from lusgan_core.reporting.wording import compact, duration, number, span, visible

Row = Mapping[str, Measured]
"""The statistics of one kind of pairs, by name."""


def render_report(content: ReportContent, pictures: Pictures) -> str:
    """The whole page as text, to be written as UTF-8.

    Args:
        content: What it shows. Patients appear as ``content.patients`` names them.
        pictures: Loads the pictures that its sections name.

    Returns:
        HTML.
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
        cell=lambda cell: _cell(cell, content.patients),
    )
    environment.globals.update(
        charts=figures,
        pictures=pictures,
        names=content.patients,
        style=Markup(environment.get_template("style.css").render()),
        by_metric=by_metric,
        plural=plural,
        is_number=lambda cell: isinstance(cell, int | float | Range),
    )
    return environment.get_template("base.html").render(report=content)


def by_metric(values: Iterable[Measured]) -> list[tuple[Measured, list[Row]]]:
    """Values put into rows: for each metric, the statistics of each kind of pairs.

    Values between no sides are left out: they are no comparison of frames. So are single values,
    such as distances between sets and what decided a gate: they are no statistics of pairs.
    """
    metrics: dict[str, dict[tuple[str, ...], dict[str, Measured]]] = {}
    for value in values:
        if value.between and value.statistic != "value":
            kinds = metrics.setdefault(value.metric, {})
            kinds.setdefault(value.between, {})[value.statistic] = value
    found = []
    for kinds in metrics.values():
        rows: list[Row] = [row for row in kinds.values() if row.keys() >= set(figures.WHISKER)]
        if rows:
            found.append((rows[0]["mean"], rows))
    return found


def _cell(cell: Cell, names: PatientNames) -> str:
    """A cell as text; patients as the report names them."""
    if isinstance(cell, Patient):
        return names.name(cell.code)
    if isinstance(cell, ExamFile):
        return names.file(cell.file, cell.patient, cell.exam)
    if isinstance(cell, str):
        return names.scrub(cell)
    if isinstance(cell, Range):
        return span(cell.low, cell.high)
    return number(cell)


def _utc(moment: datetime) -> str:
    """A moment as ``2024-05-01 13:45 UTC``; one without a time zone is taken for UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _finalize(value: object) -> object:
    """Make the invisible visible in whatever a template writes, except ready-made markup."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
