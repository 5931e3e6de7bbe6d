"""Stage 8: makes one page that shows what a run did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from pydantic import Field

from lusgan_core.api import Options
from lusgan_core.calls.call import Product, StageCall, StageContext, new_call
from lusgan_core.calls.provenance import Manifest, digest_bytes, digest_json
from lusgan_core.calls.section import Claim
from lusgan_core.domain import Record, Rejection
from lusgan_core.registry import Registry

VERSION = 2
"""Raised whenever the same call would give another result, changed templates aside."""


class ReportOptions(Options):
    """How the report looks."""

    title: str = Field("Synthetic lung-ultrasound frames", description="Title of the page")
    show_codes: bool = Field(
        False, description="Name patients by their codes; otherwise they appear as letters"
    )


class RunDescription(Record):
    """The configuration of a run, in words for a reader."""

    preset: str
    options: tuple[dict[str, Any], ...]
    """Every option, as ``reporting.content.Option`` takes it."""
    deviations: tuple[str, ...]
    command: str
    presets: tuple[str, ...] = ()
    """The preset and those that it is based on."""


class ReportRecord(Record):
    """The scores and stages that a report covers."""

    scores: tuple[int, ...]
    failures: dict[int, str]
    stages: tuple[str, ...] = ()
    """Keys of the manifests that it shows."""
    claims: dict[int, tuple[Claim, ...]] = Field(default_factory=dict)
    """Score -> what is claimed of its frames, for the index of reports."""


def call(
    options: ReportOptions,
    description: RunDescription,
    *,
    ingested: Sequence[Manifest],
    preprocessed: Sequence[Manifest],
    scores: Mapping[int, Mapping[str, Manifest]],
    failures: Mapping[int, str],
    rejected: Sequence[Rejection],
    registry: Registry,
    encoder: Manifest | None = None,
    study: Manifest | None = None,
) -> StageCall:
    """Make the call that reports on a whole run.

    Args:
        options: Options of the report.
        description: Preset, options and command of the run.
        ingested: Manifests of ingestion, one an exam.
        preprocessed: Manifests of preprocessing, one an exam.
        scores: Manifests of each score by stage, as far as its stages got.
        failures: Why a score has no model, for those that have none.
        rejected: Clips that cannot be used.
        registry: Installed plugins, with the presets.
        encoder: Manifest of the store's LUS encoder; None without one.
        study: Manifest of the newest study of these options; None without one.

    Returns:
        The call, for ``run``.
    """
    told = {
        "description": description.model_dump(mode="json"),
        "rejected": [rejection.model_dump() for rejection in rejected],
        "failures": {str(score): reason for score, reason in failures.items()},
        # by its outcome: a promotion is decided again after a withdrawal, under the same key
        "promotions": {
            str(score): of["promote"].data for score, of in scores.items() if "promote" in of
        },
    }
    made = [] if encoder is None else [encoder]
    studied = [] if study is None else [study]
    manifests = [
        *made,
        *studied,
        *ingested,
        *preprocessed,
        *(m for of in scores.values() for m in of.values()),
    ]
    return new_call(
        "report",
        VERSION,
        label="report",
        inputs={
            "stages": digest_json(sorted(m.cache_key for m in manifests)),
            "templates": digest_json(_template_digests()),
            "told": digest_json(told),
        },
        options=options,
        arguments={
            **told,
            "encoder": [m.manifest_key for m in made],
            "study": [m.manifest_key for m in studied],
            "ingested": [m.manifest_key for m in ingested],
            "preprocessed": [m.manifest_key for m in preprocessed],
            "scores": {
                str(score): {stage: m.manifest_key for stage, m in of.items()}
                for score, of in scores.items()
            },
        },
        manifest=lambda key: f"reports/{key[:8]}/manifest.json",
        plugins=tuple(("preset", name) for name in description.presets),
        registry=registry,
    )


def _template_digests() -> dict[str, str]:
    """Digests of the template files from which the page is made."""
    templates = files("lusgan_core.reporting") / "templates"
    return {file.name: digest_bytes(file.read_bytes()) for file in templates.iterdir()}


def run(call: StageCall, context: StageContext) -> Product:
    """Gather what the page shows, and write it.

    Args:
        call: A call that ``call`` made.
        context: Store with the manifests and pictures, to which the page is written.

    Returns:
        A ``ReportRecord`` with the page as its artifact.
    """
    from lusgan_core.reporting.gather import make_report

    return make_report(call, context)
