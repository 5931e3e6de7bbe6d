"""Stage 8: one page that shows what a run did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from pydantic import Field

from lusgan_core.api import Options
from lusgan_core.calls.call import (
    Product,
    StageCall,
    StageContext,
    data_of,
    earlier,
    new_call,
    stored_once,
)
from lusgan_core.calls.provenance import Manifest, digest_bytes, digest_json
from lusgan_core.domain import SCORES, UNLABELLED, ExamRecord, Record, Rejection
from lusgan_core.preprocessing.stage import ExamShards
from lusgan_core.promotion.stage import PromotionRecord
from lusgan_core.reporting.content import (
    DataSummary,
    Option,
    PatientNames,
    Promotion,
    Provenance,
    ReportContent,
    ScoreReport,
)
from lusgan_core.reporting.page import render_report
from lusgan_core.reporting.score import score_report
from lusgan_core.selection.stage import ScoreDataset

VERSION = 1
"""Goes up when the same call would leave something else."""


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
    """Every option, as ``reports.content.Option`` takes it."""
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
    content = gather(call, context)
    key = f"{call.manifest.rpartition('/')[0]}/index.html"
    page = stored_once(context.store, key, render_report(content).encode())
    record = ReportRecord(
        scores=tuple(score.score for score in content.scores),
        failures={score.score: score.failure for score in content.scores if score.failure},
        stages=(
            *call.arguments["ingested"],
            *call.arguments["preprocessed"],
            *(key for of in call.arguments["scores"].values() for key in of.values()),
        ),
    )
    return Product(record, artifacts={"page": page})


def gather(call: StageCall, context: StageContext) -> ReportContent:
    """Everything the page shows, from the manifests that the stages left."""
    told, options = call.arguments, ReportOptions.model_validate(call.options)
    description = RunDescription.model_validate(told["description"])
    ingested = [earlier(context, key) for key in told["ingested"]]
    preprocessed = [earlier(context, key) for key in told["preprocessed"]]
    scores = {
        int(score): {stage: earlier(context, key) for stage, key in of.items()}
        for score, of in told["scores"].items()
    }
    records = [data_of(manifest, ExamRecord) for manifest in ingested]
    rejected = tuple(Rejection.model_validate(item) for item in told["rejected"])
    exams: dict[str, set[str]] = {}
    named = [(r.patient, r.exam) for r in records] + [(r.patient, r.exam) for r in rejected]
    for patient, exam in named:
        if patient:
            exams.setdefault(patient, set()).add(exam)
    reports = [
        replace(
            score_report(context, score, of, told["failures"].get(str(score), "")),
            promotion=_promotion(told["promotions"].get(str(score))),
        )
        for score, of in scores.items()
    ]
    return ReportContent(
        title=options.title,
        created=datetime.now(UTC),
        preset=description.preset,
        data=_data(records, preprocessed, scores, rejected),
        scores=tuple(reports),
        provenance=_provenance(description, [*ingested, *preprocessed], scores),
        patients=PatientNames(exams, options.show_codes, exams),
        options=tuple(Option(**option) for option in description.options),
        deviations=description.deviations,
        notes=_notes(reports),
    )


def _promotion(data: Mapping[str, Any] | None) -> Promotion | None:
    if data is None:
        return None
    record = PromotionRecord.model_validate(data)
    return Promotion(
        promoted=record.promoted,
        reason=record.held_back,
        before="" if record.before == record.model else record.before,
        gates=tuple((v.gate, v.passed, v.reason) for v in record.verdicts),
    )


def _data(
    records: Sequence[ExamRecord],
    preprocessed: Sequence[Manifest],
    scores: Mapping[int, Mapping[str, Manifest]],
    rejected: tuple[Rejection, ...],
) -> DataSummary:
    shards = [shard for m in preprocessed for shard in data_of(m, ExamShards).shards]
    frames: dict[int, dict[str, int]] = {score: {} for score in SCORES}
    for shard in shards:
        for score in SCORES:
            if score in shard.by_score:
                of_score = frames[score]
                of_score[shard.patient] = (
                    of_score.get(shard.patient, 0) + shard.by_score[score].frames
                )
    held_out = {
        clip.patient
        for of in scores.values()
        if "select" in of
        for clip in data_of(of["select"], ScoreDataset).held_out
    }
    return DataSummary(
        exams=len(records),
        clips=len(shards),
        frames=frames,
        held_out=frozenset(held_out),
        unlabelled=sum(s.by_score[UNLABELLED].frames for s in shards if UNLABELLED in s.by_score),
        rejected=rejected,
    )


def _provenance(
    description: RunDescription,
    per_exam: Sequence[Manifest],
    scores: Mapping[int, Mapping[str, Manifest]],
) -> Provenance:
    """Sums over all stages; what differs between scores is named by score."""
    of_scores = [m for of in scores.values() for m in of.values()]
    manifests = [*per_exam, *of_scores]
    digests: dict[str, str] = {}
    timings: dict[str, float] = {}
    seeds: dict[str, int] = {}
    for manifest in manifests:
        timings[manifest.stage] = timings.get(manifest.stage, 0) + manifest.timings_s["total"]
        if manifest.seed is not None:
            seeds[manifest.stage] = manifest.seed
    for score, of in scores.items():
        for stage, artifact in (("train", "generator"), ("generate", "frames")):
            if stage in of:
                digests[f"{artifact} of score {score}"] = of[stage].artifacts[artifact].digest
    trained = [of["train"] for of in scores.values() if "train" in of]
    last = (trained or manifests)[-1] if manifests else None
    plugins = {name: version for m in manifests for name, version in m.plugins.items()}
    return Provenance(
        command=description.command,
        digests=digests,
        code_fingerprint=digest_json({m.stage: m.code for m in manifests})[:16],
        git_commit=(last.git_commit or "") if last else "",
        libraries=last.libraries if last else {},
        plugins=dict(sorted(plugins.items())),
        device=last.device if last else "",
        seeds=seeds,
        timings_s=timings,
        peak_rss_mb=max((m.peak_rss_mb for m in manifests), default=0.0),
    )


def _notes(reports: Sequence[ScoreReport]) -> tuple[str, ...]:
    """Metrics that are absent everywhere, said once."""
    absent: dict[str, str] = {}
    for report in reports:
        if report.evaluation:
            absent |= report.evaluation.absent
    stands_in = any(
        report.evaluation and report.evaluation.nearest_metric
        and report.evaluation.nearest_metric.name == "ssim"
        for report in reports
    )  # fmt: skip
    notes = [f"{title} is absent: {reason}." for title, reason in sorted(absent.items())]
    if stands_in:
        notes.append("SSIM stands in for MS-SSIM throughout.")
    return tuple(notes)
