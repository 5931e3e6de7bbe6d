"""Gathers the content of a report from the manifests of the stages, and writes the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from lusgan_core.calls.call import (
    Product,
    StageCall,
    StageContext,
    data_of,
    earlier,
    stored_once,
)
from lusgan_core.calls.provenance import Manifest
from lusgan_core.calls.section import Section
from lusgan_core.domain import ExamRecord, Rejection
from lusgan_core.encoder import stage as encoders
from lusgan_core.evaluation import stage as evaluation
from lusgan_core.generation import stage as generation
from lusgan_core.ingestion import stage as ingestion
from lusgan_core.preprocessing.stage import ExamShards
from lusgan_core.promotion import stage as promotion
from lusgan_core.registry import Registry
from lusgan_core.reporting.content import Option, Provenance, ReportContent, ScorePage
from lusgan_core.reporting.page import render_report
from lusgan_core.reporting.patients import PatientNames
from lusgan_core.reporting.pictures import Pictures
from lusgan_core.reporting.runs import Run, write_index
from lusgan_core.reporting.stage import ReportOptions, ReportRecord, RunDescription
from lusgan_core.selection import stage as selection
from lusgan_core.store import Store
from lusgan_core.training import stage as training
from lusgan_core.usefulness import stage as usefulness

Stages = Mapping[str, Manifest]
"""Manifests of one score by stage."""


def make_report(call: StageCall, context: StageContext) -> Product:
    """Write the page that a call asks for.

    Args:
        call: Call of the report stage.
        context: Store with the manifests and pictures, to which the page is written.

    Returns:
        A ``ReportRecord`` with the page as its artifact. The index of reports is written as well.
    """
    content = gather(call, context)
    key = f"{call.manifest.rpartition('/')[0]}/index.html"
    page = render_report(content, Pictures(context.store))
    told = call.arguments
    record = ReportRecord(
        scores=tuple(page.score for page in content.scores),
        failures={page.score: page.failure for page in content.scores if page.failure},
        stages=(
            *told["ingested"],
            *told["preprocessed"],
            *told.get("encoder", ()),
            *told.get("study", ()),
            *(key for of in told["scores"].values() for key in of.values()),
        ),
        claims={page.score: page.claims for page in content.scores if page.claims},
    )
    write_index(context.store, Run.of(key, content.title, content.created, record))
    return Product(record, artifacts={"page": stored_once(context.store, key, page.encode())})


def gather(call: StageCall, context: StageContext) -> ReportContent:
    """Gather everything that the page shows.

    Args:
        call: Call of the report stage, which names the manifests.
        context: Store with the manifests.

    Returns:
        The content; pictures are still keys of the store.
    """
    told, options = call.arguments, ReportOptions.model_validate(call.options)
    description = RunDescription.model_validate(told["description"])
    ingested = [earlier(context, key) for key in told["ingested"]]
    preprocessed = [earlier(context, key) for key in told["preprocessed"]]
    encoder = [earlier(context, key) for key in told.get("encoder", ())]
    studies = [
        data_of(earlier(context, key), usefulness.StudyRecord) for key in told.get("study", ())
    ]
    scores = {
        int(score): {stage: earlier(context, key) for stage, key in of.items()}
        for score, of in told["scores"].items()
    }
    rejected = tuple(Rejection.model_validate(item) for item in told["rejected"])
    records = [data_of(manifest, ExamRecord) for manifest in ingested]
    exams: dict[str, set[str]] = {}
    for patient, exam in [(r.patient, r.exam) for r in records] + [r.codes for r in rejected]:
        if patient:
            exams.setdefault(patient, set()).add(exam)
    held_out = frozenset(
        clip.patient
        for of in scores.values()
        if "select" in of
        for clip in data_of(of["select"], selection.ScoreDataset).held_out
    )
    shards = [data_of(manifest, ExamShards) for manifest in preprocessed]
    return ReportContent(
        title=options.title,
        created=datetime.now(UTC),
        preset=description.preset,
        data=(
            selection.section(shards, held_out, len(rejected)),
            ingestion.section(rejected),
            *(encoders.section(data_of(m, encoders.EncoderRecord)) for m in encoder),
            *(usefulness.section(record) for record in studies),
        ),
        scores=tuple(
            ScorePage(
                score,
                told["failures"].get(str(score), ""),
                (
                    *score_sections(of, context.store, told["promotions"].get(str(score))),
                    *(usefulness.claims(s, score) for s in studies if score in s.scores),
                ),
            )
            for score, of in scores.items()
        ),
        provenance=_provenance(
            description,
            [*ingested, *preprocessed, *encoder],
            scores,
            {name: context.registry.provider_of(name) for name in call.plugins},
            context.registry,
        ),
        patients=PatientNames(exams, options.show_codes, exams),
        options=tuple(Option(**option) for option in description.options),
        deviations=description.deviations,
    )


def score_sections(
    stages: Stages, store: Store, decision: Mapping[str, Any] | None = None
) -> tuple[Section, ...]:
    """Make the sections of one score, as far as its stages got.

    Args:
        stages: The score's manifests by stage.
        store: Store with their artifacts.
        decision: The record of the promotion; None if there was no decision.

    Returns:
        Sections in the order in which they are read.
    """
    if "train" not in stages:
        return ()
    sections = []
    if decision is not None:
        record = promotion.PromotionRecord.model_validate(decision)
        sections.append(promotion.section(record))
    if "generate" in stages:
        dataset = data_of(stages["select"], selection.ScoreDataset)
        real = selection.frames_at(dataset.training, dataset.score, generation.SHOWN)
        sections.append(generation.section(stages["generate"], real))
    sections.append(training.section(stages["train"], store))
    if "evaluate" in stages:
        sections.append(evaluation.section(stages["evaluate"]))
    return tuple(sections)


def _provenance(
    description: RunDescription,
    per_exam: Sequence[Manifest],
    scores: Mapping[int, Mapping[str, Manifest]],
    own_plugins: Mapping[str, str],
    registry: Registry,
) -> Provenance:
    """Provenance summed over all stages; what differs between scores is named by score."""
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
    plugins |= own_plugins
    return Provenance(
        command=description.command,
        digests=digests,
        versions={m.stage: m.version for m in manifests},
        git_commit=(last.git_commit or "") if last else "",
        libraries=last.libraries if last else {},
        plugins=dict(sorted(plugins.items())),
        licences={
            name: stated for name in sorted(plugins) if (stated := registry.licence_of(name))
        },
        device=last.device if last else "",
        seeds=seeds,
        timings_s=timings,
        peak_rss_mb=max((m.peak_rss_mb for m in manifests), default=0.0),
    )
