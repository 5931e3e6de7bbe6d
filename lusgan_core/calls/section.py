"""What is shown of a stage, as data: measured values, verdicts, figures. Only reporting draws it.

A *section* is what a report shows of one stage. It names pictures by their keys in the store and
patients by their codes; the reader decides how either is shown. Measured values are handed on from
``lusgan_core.measured``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lusgan_core.domain import Record
from lusgan_core.measured import HELD_OUT as HELD_OUT
from lusgan_core.measured import REAL as REAL
from lusgan_core.measured import SYNTHETIC as SYNTHETIC
from lusgan_core.measured import TRAINING as TRAINING
from lusgan_core.measured import Measured as Measured
from lusgan_core.measured import find as find


def plural(count: int, one: str) -> str:
    """Write a count with its noun, e.g. ``3 frames``.

    Args:
        count: The number, written with commas between thousands.
        one: The noun in the singular; its plural is made with an s.

    Returns:
        The text.
    """
    return f"{count:,} {one if count == 1 else one + 's'}"


class Distribution(Record):
    """How the values of one metric spread over pairs of frames."""

    metric: str
    between: tuple[str, ...]
    edges: tuple[float, ...]
    """Edges of the bins, ascending: one more than counts."""
    counts: tuple[int, ...]
    """Pairs in each bin."""


class FrameAt(Record):
    """A frame, by its place in the store."""

    key: str
    """Key of a shard, or of a file laid out as one."""
    row: int
    """Its number among the frames of ``score`` in that file, from 0."""
    score: int | None = None
    """None: ``row`` counts all frames of the file."""


class Sheet(Record):
    """Frames in rows."""

    kind: Literal["sheet"] = "sheet"
    name: str
    """What they are, in a word: ``synthetic``."""
    title: str
    frames: tuple[FrameAt, ...]


class StripPicture(Record):
    """One picture of a strip."""

    key: str
    """Key of a PNG file in the store."""
    caption: str


class Strip(Record):
    """Pictures side by side, from first to last; each shows its upper left corner where large."""

    kind: Literal["strip"] = "strip"
    title: str
    pictures: tuple[StripPicture, ...]
    side: int
    """Pixels of the corner that is shown."""
    caption: str = ""


class Animation(Record):
    """An animated picture."""

    kind: Literal["animation"] = "animation"
    title: str
    key: str
    """Key of a GIF file in the store."""
    caption: str = ""


class FramePair(Record):
    """A synthetic frame, and the real frame most like it."""

    value: float
    synthetic: FrameAt
    number: int
    """Number of the synthetic frame in its sample set, from 0."""
    real: FrameAt
    patient: str
    """Code of the patient that the real frame is of."""
    held_out: bool


class FramePairs(Record):
    """Synthetic frames beside real ones, the closest match first."""

    kind: Literal["pairs"] = "pairs"
    name: str = "nearest"
    """What they are, in a word, for keys of artifacts."""
    about: str = "synthetic frames beside the real ones nearest to them"
    """The same in a few words."""
    title: str
    metric: str
    """Title of the metric by which they were matched."""
    unit: str = ""
    pairs: tuple[FramePair, ...]
    caption: str = ""


class Series(Record):
    """Numbers of one kind: ``a`` for what a model made or did, ``b`` for the reference."""

    name: str
    kind: Literal["a", "b"]
    values: tuple[float | None, ...]


class Curves(Record):
    """Curves over the iterations of a training."""

    kind: Literal["curves"] = "curves"
    title: str
    label: str
    """Label of the vertical axis."""
    iterations: tuple[float, ...]
    images_seen: tuple[float, ...]
    """The horizontal axis in images seen, one for each of ``iterations``."""
    series: tuple[Series, ...]


class Histograms(Record):
    """Histograms over the same bins, each in percent of its own total."""

    kind: Literal["histograms"] = "histograms"
    title: str
    metric: str
    """Title of the metric, for the horizontal axis."""
    label: str
    """Label of the vertical axis."""
    edges: tuple[float, ...]
    series: tuple[Series, ...]
    caption: str = ""


class Bars(Record):
    """Stacked bars, one a severity score."""

    kind: Literal["bars"] = "bars"
    title: str
    label: str
    series: tuple[Series, ...]


class IntervalRow(Record):
    """A value with its range; ``kind`` as in ``Series``."""

    name: str
    kind: Literal["a", "b"]
    value: float | None
    interval: tuple[float, float] | None = None


class Intervals(Record):
    """Values with their ranges, one below the other on one scale."""

    kind: Literal["intervals"] = "intervals"
    title: str
    label: str
    """Label of the horizontal axis."""
    rows: tuple[IntervalRow, ...]


class Patient(Record):
    """A cell that names a patient, by code."""

    code: str


class ExamFile(Record):
    """A cell that names a file of an exam source."""

    file: str
    patient: str = ""
    exam: str = ""


class Range(Record):
    """A cell that holds a range of numbers."""

    low: float
    high: float

    @classmethod
    def of(cls, bounds: tuple[float, float] | None) -> Range | None:
        """The cell of two numbers; None for None."""
        return None if bounds is None else cls(low=bounds[0], high=bounds[1])


Cell = str | int | float | Patient | ExamFile | Range | None


class Table(Record):
    """A table; cells that are numbers are set as such."""

    kind: Literal["table"] = "table"
    name: str = ""
    """For keys of artifacts; empty where only reports show it."""
    title: str
    caption: str = ""
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    totals: tuple[tuple[Cell, ...], ...] = ()
    """Rows at the foot."""


Figure = Annotated[
    Sheet | Strip | Animation | FramePairs | Curves | Histograms | Bars | Intervals | Table,
    Field(discriminator="kind"),
]


class Callout(Record):
    """A sentence that a reader should not miss."""

    state: Literal["good", "warn", "bad"]
    text: str


class Group(Record):
    """Figures that belong together below one heading."""

    title: str = ""
    text: str = ""
    figures: tuple[Figure, ...] = ()
    caption: str = ""


class Claim(Record):
    """What is claimed of a score, for the first screen of a report."""

    question: str
    """``Realistic?``"""
    answer: str
    """``Yes``, ``Partly``, ``No`` or ``Cannot say``, or a word more."""
    state: Literal["good", "warn", "bad", "unknown"]
    text: str
    """One sentence with the number that the answer rests on, its floor and its interval."""


class Section(Record):
    """What a report shows of one stage."""

    name: str
    """For anchors and keys of artifacts: ``evaluation``."""
    title: str
    claims: tuple[Claim, ...] = ()
    advice: tuple[str, ...] = ()
    """What to do next, a sentence each; beside the claims."""
    callouts: tuple[Callout, ...] = ()
    facts: tuple[tuple[str, Cell], ...] = ()
    """Names and values, the most important first."""
    values: tuple[Measured, ...] = ()
    text: str = ""
    """One paragraph before the figures."""
    groups: tuple[Group, ...] = ()
    notes: tuple[str, ...] = ()
    """Remarks that hold for the whole report; each is shown once."""
