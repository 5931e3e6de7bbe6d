"""Stage 8: one page that shows what a run did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from pydantic import Field

from lusgan_core.api import Options
from lusgan_core.calls.call import Product, StageCall, StageContext, new_call
from lusgan_core.calls.provenance import Manifest, digest_bytes, digest_json
from lusgan_core.domain import Record, Rejection

VERSION = 1
"""Goes up when the same call would leave something else, other templates aside."""


class ReportOptions(Options):
    """How the report looks."""

    title: str = Field("Synthetic lung-ultrasound frames", description="Title of the page")
    show_codes: bool = Field(
        False, description="Name patients by their codes; otherwise they appear as letters"
    )


class RunDescription(Record):
    """What was asked for, in words for a reader."""

    preset: str
    options: tuple[dict[str, Any], ...]
    """Every option, as ``reporting.content.Option`` takes it."""
    deviations: tuple[str, ...]
    command: str


class ReportRecord(Record):
    """What a report covers."""

    scores: tuple[int, ...]
    failures: dict[int, str]
    stages: tuple[str, ...] = ()
    """Keys of the manifests that it shows."""


def call(
    options: ReportOptions,
    description: RunDescription,
    *,
    ingested: Sequence[Manifest],
    preprocessed: Sequence[Manifest],
    scores: Mapping[int, Mapping[str, Manifest]],
    failures: Mapping[int, str],
    rejected: Sequence[Rejection],
) -> StageCall:
    """The call for a whole run."""
    told = {
        "description": description.model_dump(mode="json"),
        "rejected": [rejection.model_dump() for rejection in rejected],
        "failures": {str(score): reason for score, reason in failures.items()},
        # by its outcome: a promotion is decided again after a withdrawal, under the same key
        "promotions": {
            str(score): of["promote"].data for score, of in scores.items() if "promote" in of
        },
    }
    manifests = [*ingested, *preprocessed, *(m for of in scores.values() for m in of.values())]
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
            "ingested": [m.manifest_key for m in ingested],
            "preprocessed": [m.manifest_key for m in preprocessed],
            "scores": {
                str(score): {stage: m.manifest_key for stage, m in of.items()}
                for score, of in scores.items()
            },
        },
        manifest=lambda key: f"reports/{key[:8]}/manifest.json",
    )


def _template_digests() -> dict[str, str]:
    """Digests of the files beside the code that make the page."""
    templates = files("lusgan_core.reporting") / "templates"
    return {file.name: digest_bytes(file.read_bytes()) for file in templates.iterdir()}


def run(call: StageCall, context: StageContext) -> Product:
    """Gather what the page shows, and write it."""
    from lusgan_core.reporting.gather import make_report

    return make_report(call, context)
