"""What a report shows: plain data, gathered by the report stage and drawn by ``html.py``.

Whoever gathers it thinks of facts (which patient, how many frames, which value); whoever draws it
thinks of the page. Whatever a run did not produce is left out (``None``, an empty tuple), and
the page says so: a score that failed has a ``failure`` and nothing else.

Patients are carried as codes throughout and named by ``ReportContent.patients`` at the moment of
drawing, so that no other module has to remember to hide them.

Shapes: N frames, H height, W width, T points in time, K bins. Frames are uint8, 0..255,
(N, H, W) grey or (N, H, W, 3) RGB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import PairMetric
from lusgan_core.domain import Rejection
from lusgan_core.reporting.patients import PatientNames

__all__ = [
    "Collapse",
    "DataSummary",
    "Evaluation",
    "History",
    "MetricSummary",
    "NearestDistances",
    "NearestPair",
    "Option",
    "PatientNames",
    "Preview",
    "Provenance",
    "ReportContent",
    "Samples",
    "ScoreReport",
    "Spread",
    "TableOne",
    "TrainingSummary",
]

Frames = NDArray[np.uint8]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class DataSummary:
    """What went in: the labelled frames of each patient, and what could not be used."""

    exams: int
    clips: int
    """Usable clips; those rejected are not among them."""
    frames: Mapping[int, Mapping[str, int]]
    """Score -> patient code -> labelled frames."""
    held_out: frozenset[str] = frozenset()
    """Codes of the patients that no score trains on."""
    unlabelled: int = 0
    """Frames beyond the score matrix of their clip."""
    rejected: tuple[Rejection, ...] = ()
    source: str = ""
    """Where the exams came from; shown as it is, so leave it out if it tells too much."""

    @property
    def patients(self) -> tuple[str, ...]:
        """Codes of all patients with a labelled frame, sorted."""
        return tuple(sorted({code for by_code in self.frames.values() for code in by_code}))

    def count(self, score: int, held_out: bool | None = None) -> int:
        """Frames of a score: of training patients, of held-out ones, or (None) of both."""
        return sum(self.by_patient(score, held_out).values())

    def by_patient(self, score: int, held_out: bool | None = None) -> dict[str, int]:
        """Patients with frames of a score and how many, by code; sides as in ``count``."""
        return {
            code: count
            for code, count in sorted(self.frames.get(score, {}).items())
            if count and held_out in (None, code in self.held_out)
        }


@dataclass(frozen=True, eq=False)
class History:
    """Course of one training: one entry a logged step, all arrays (T,) float64."""

    iterations: Values
    images_seen: Values
    discriminator_loss: Values
    generator_loss: Values
    discriminator_lr: Values
    generator_lr: Values


@dataclass(frozen=True, eq=False)
class Preview:
    """What the generator made of the same noise after so many iterations."""

    iteration: int
    frame: Frames
    """(H, W) or (H, W, 3); shown at 160 pixels at most, so a sheet of many gets small."""


@dataclass(frozen=True, eq=False)
class TrainingSummary:
    """What one training did. ``frames``, ``clips`` and ``patients`` count what it learnt from."""

    model: str
    """The model's name, e.g. ``RaSGAN-pacgan2-256px-...-1f3a90c2``."""
    iterations: int
    images_seen: int
    frames: int
    clips: int
    patients: int
    planned_iterations: int = 0
    """What was asked for; 0 or equal to ``iterations`` where the training ran to its end."""
    seconds: float = 0.0
    device: str = ""
    history: History | None = None
    previews: tuple[Preview, ...] = ()
    gif: bytes = b""
    """The progress animation, a whole GIF file."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Frames to look at: some the model was trained on, and the first ones it made."""

    real: Frames
    """(N, H, W[, 3])"""
    synthetic: Frames
    """(N, H, W[, 3]), of the same size"""


@dataclass(frozen=True)
class Spread:
    """Values of one metric over many pairs. Mean, sd and extremes are over the finite ones."""

    count: int
    """Pairs compared, those with infinite and undefined values among them."""
    mean: float
    sd: float
    min: float
    max: float
    infinite: int = 0
    undefined: int = 0
    """Pairs whose value is NaN."""


@dataclass(frozen=True)
class MetricSummary:
    """One metric over the three kinds of pairs; a kind that was not compared is None."""

    metric: PairMetric
    real_synthetic: Spread | None = None
    """Every real frame (first argument) with every synthetic one."""
    synthetic_synthetic: Spread | None = None
    """Each pair of different synthetic frames."""
    real_real: Spread | None = None
    """The floor: pairs of real frames from different clips."""


@dataclass(frozen=True)
class TableOne:
    """The report's Table 1: the first synthetic frame against itself and the next nine."""

    metric: PairMetric
    values: tuple[float, ...]
    """The first is the perfect match with itself."""
    average: float
    """Mean without that perfect match."""


@dataclass(frozen=True, eq=False)
class NearestPair:
    """A synthetic frame and the real frame most like it."""

    synthetic_index: int
    """Number of the frame in its sample set, from 0."""
    synthetic: Frames
    """(H, W) or (H, W, 3)"""
    real: Frames
    """Of the same size."""
    value: float
    patient: str
    """Code of the patient that the real frame is of."""
    held_out: bool


@dataclass(frozen=True, eq=False)
class NearestDistances:
    """For each synthetic frame, its best value with any training and any held-out frame."""

    training: Values
    """(N,)"""
    held_out: Values
    """(N,), or (0,) where no patient is held out."""


@dataclass(frozen=True, eq=False)
class Collapse:
    """How alike synthetic frames are among themselves, beside real frames of different clips."""

    metric: PairMetric
    edges: Values
    """(K + 1,) bin edges, ascending, shared by both histograms."""
    synthetic: NDArray[np.int64]
    """(K,) pairs of synthetic frames in each bin."""
    real: NDArray[np.int64]
    """(K,) pairs of real frames of different clips; all 0 where there was only one clip."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was measured on one score's samples."""

    real: int
    """Real frames compared."""
    synthetic: int
    """Synthetic frames compared."""
    metrics: tuple[MetricSummary, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    """Title of a metric that was asked for but does not apply -> the reason."""
    table_one: TableOne | None = None
    collapse: Collapse | None = None
    nearest_metric: PairMetric | None = None
    """What ``nearest`` and ``nearest_distances`` are measured by."""
    nearest: tuple[NearestPair, ...] = ()
    """Best match first."""
    nearest_distances: NearestDistances | None = None
    engine: str = ""
    """Which path of the all-pairs engine did the work."""
    among: int = 0
    """Real frames that were compared with each other, across clips."""


@dataclass(frozen=True)
class Promotion:
    """Whether a model became the current one of its score."""

    promoted: bool
    reason: str = ""
    """Why it was held back."""
    before: str = ""
    """Name of the other model that was current before; empty if there was none."""
    gates: tuple[tuple[str, bool, str], ...] = ()
    """Each gate: its name, whether it was passed, and why."""


@dataclass(frozen=True, eq=False)
class ScoreReport:
    """Everything about one severity score."""

    score: int
    failure: str = ""
    """Why there is no model, if there is none."""
    training: TrainingSummary | None = None
    samples: Samples | None = None
    evaluation: Evaluation | None = None
    warnings: tuple[str, ...] = ()
    """Collapse, divergence, near-copies ... one sentence each."""
    promotion: Promotion | None = None


@dataclass(frozen=True)
class Option:
    """One resolved option of the run, both values as text."""

    name: str
    """Dotted, as ``--set`` takes it: ``training.batch_size``."""
    value: str
    preset: str
    """What the preset says."""
    description: str = ""

    @property
    def differs(self) -> bool:
        """Whether the run departs from its preset here."""
        return self.value != self.preset


@dataclass(frozen=True)
class Provenance:
    """Enough to make the report again. All values are for display."""

    command: str
    """The command line that makes it again."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """What -> sha256: datasets, models, sample sets."""
    code_fingerprint: str = ""
    git_commit: str = ""
    libraries: Mapping[str, str] = field(default_factory=dict)
    """Package -> version."""
    plugins: Mapping[str, str] = field(default_factory=dict)
    """Plugin -> distribution and version."""
    device: str = ""
    seeds: Mapping[str, int] = field(default_factory=dict)
    timings_s: Mapping[str, float] = field(default_factory=dict)
    """Stage -> seconds."""
    peak_rss_mb: float = 0.0
    """Peak resident memory of the run; 0 where it was not measured."""


@dataclass(frozen=True, eq=False)
class ReportContent:
    """A whole report."""

    title: str
    created: datetime
    """When, with its time zone; shown in UTC."""
    preset: str
    data: DataSummary
    scores: tuple[ScoreReport, ...]
    provenance: Provenance
    patients: PatientNames
    options: tuple[Option, ...] = ()
    deviations: tuple[str, ...] = ()
    """Where the preset departs from what it is named after, one sentence each."""
    notes: tuple[str, ...] = ()
    """What holds for the whole report and is said once."""
