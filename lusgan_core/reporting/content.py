"""A report's content: the sections of all stages, put in the order of a page.

Sections carry patients as codes and pictures as keys of the store. ``ReportContent.patients`` gives
patients their names when the page is drawn, so that no other module has to remember to hide them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from lusgan_core.calls.section import Callout, Claim, Section
from lusgan_core.reporting.patients import PatientNames


@dataclass(frozen=True)
class ScorePage:
    """Everything about one severity score."""

    score: int
    failure: str = ""
    """Why there is no model, if there is none."""
    sections: tuple[Section, ...] = ()

    def section(self, name: str) -> Section | None:
        """The section of that name, None where its stage was not run."""
        return next((section for section in self.sections if section.name == name), None)

    @property
    def callouts(self) -> tuple[Callout, ...]:
        """Callouts of all sections: what a reader should not miss."""
        return tuple(callout for section in self.sections for callout in section.callouts)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Claims of all sections: what is said of the score's frames."""
        return tuple(claim for section in self.sections for claim in section.claims)

    @property
    def advice(self) -> tuple[str, ...]:
        """What to do next, by all sections, each sentence once."""
        every = (sentence for section in self.sections for sentence in section.advice)
        return tuple(dict.fromkeys(every))


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
    versions: Mapping[str, int] = field(default_factory=dict)
    """Stage -> its version."""
    git_commit: str = ""
    libraries: Mapping[str, str] = field(default_factory=dict)
    """Package -> version."""
    plugins: Mapping[str, str] = field(default_factory=dict)
    """Plugin -> distribution and version."""
    licences: Mapping[str, str] = field(default_factory=dict)
    """Plugin -> licence of its networks and their weights, where it states one."""
    device: str = ""
    seeds: Mapping[str, int] = field(default_factory=dict)
    timings_s: Mapping[str, float] = field(default_factory=dict)
    """Stage -> seconds."""
    peak_rss_mb: float = 0.0
    """Peak resident memory of the run; 0 where it was not measured."""


@dataclass(frozen=True)
class ReportContent:
    """A whole report."""

    title: str
    created: datetime
    """When it was made, with a time zone; shown in UTC."""
    preset: str
    data: tuple[Section, ...]
    """Sections on the data that went in, and on what could not be used."""
    scores: tuple[ScorePage, ...]
    provenance: Provenance
    patients: PatientNames
    options: tuple[Option, ...] = ()
    deviations: tuple[str, ...] = ()
    """Where the preset departs from what it is named after, one sentence each."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes that hold for the whole report, each once."""
        every = (note for page in self.scores for s in page.sections for note in s.notes)
        return tuple(dict.fromkeys(every))
