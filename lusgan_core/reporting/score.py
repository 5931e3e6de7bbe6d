"""What a report shows of one score, gathered from the store."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lusgan_core.api import PairMetric
from lusgan_core.calls.call import StageContext, data_of
from lusgan_core.calls.provenance import Manifest
from lusgan_core.evaluation.stage import EvaluationRecord, NearestReal
from lusgan_core.generation.stage import SampleSet
from lusgan_core.measures.pairs.accumulators import Summary
from lusgan_core.preprocessing.shard import read_shard_frames
from lusgan_core.reporting.content import (
    Collapse,
    Evaluation,
    History,
    MetricSummary,
    NearestDistances,
    NearestPair,
    Preview,
    Samples,
    ScoreReport,
    Spread,
    TableOne,
    TrainingSummary,
)
from lusgan_core.selection.dataset import load_frames
from lusgan_core.selection.stage import ScoreDataset
from lusgan_core.store import Store
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.stage import ModelRecord

SAMPLES = 16
PREVIEWS = 8
PAIRS = 8
HISTORY_POINTS = 400
LARGEST_PREVIEW = 160
"""Pixels: four frames of a preview's sheet are shown where they fit, otherwise one."""


def score_report(
    context: StageContext, score: int, stages: Mapping[str, Manifest], failure: str
) -> ScoreReport:
    """Everything about one score, as far as its stages got."""
    if failure or "train" not in stages:
        return ScoreReport(score, failure or "it was not trained")
    store = context.store
    dataset, model = data_of(stages["select"], ScoreDataset), data_of(stages["train"], ModelRecord)
    synthetic = samples = evaluation = None
    if "generate" in stages:
        sample_set = data_of(stages["generate"], SampleSet)
        with store.local_copy(sample_set.frames_key) as path:
            synthetic = read_shard_frames(path)
        real, _, _ = load_frames(store, dataset.training, score, SAMPLES)
        samples = Samples(real=real, synthetic=synthetic[:SAMPLES])
    if "evaluate" in stages and synthetic is not None:
        record = data_of(stages["evaluate"], EvaluationRecord)
        evaluation = _evaluation(context, record, synthetic)
    return ScoreReport(
        score,
        training=_training(store, model, stages["train"]),
        samples=samples,
        evaluation=evaluation,
        warnings=model.warnings,
    )


def _training(store: Store, model: ModelRecord, manifest: Manifest) -> TrainingSummary:
    options = TrainingOptions.model_validate(manifest.options)
    gif = store.get(manifest.artifacts["progress"].key)
    return TrainingSummary(
        model=model.name,
        iterations=model.iterations,
        images_seen=model.images_seen,
        frames=model.training_frames,
        clips=model.training_clips,
        patients=model.training_patients,
        planned_iterations=options.iterations,
        seconds=manifest.timings_s["training"],
        device=manifest.device,
        history=_history(store.get(manifest.artifacts["history"].key), options),
        previews=_previews(store, model),
        gif=gif,
    )


def _history(data: bytes, options: TrainingOptions) -> History:
    """The course of a training, each point the mean over a stretch of iterations."""
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    stretches = np.array_split(np.arange(len(rows)), min(HISTORY_POINTS, len(rows)))

    def column(name: str) -> NDArray[np.float64]:
        values = np.array([float(row[name]) for row in rows])
        return np.array([values[stretch].mean() for stretch in stretches])

    iterations = column("iteration")
    return History(
        iterations=iterations,
        images_seen=iterations * options.discriminator_steps * options.batch_size,
        discriminator_loss=column("loss_discriminator"),
        generator_loss=column("loss_generator"),
        discriminator_lr=column("lr_discriminator"),
        generator_lr=column("lr_generator"),
    )


def _previews(store: Store, model: ModelRecord) -> tuple[Preview, ...]:
    """Previews at about equal distances, the first and the last among them."""
    keys = [item.key for item in store.list(f"{model.folder}/previews/")]
    chosen = np.linspace(0, len(keys) - 1, min(PREVIEWS, len(keys))).round().astype(int)
    size = model.generator.image_size
    shown = 2 * size if 2 * size <= LARGEST_PREVIEW else size
    found = []
    for key in (keys[number] for number in dict.fromkeys(chosen.tolist())):
        number = re.search(r"(\d+)\.png$", key)
        if number:
            sheet = np.asarray(Image.open(io.BytesIO(store.get(key))))
            found.append(Preview(int(number[1]), sheet[:shown, :shown]))
    return tuple(found)


def _evaluation(
    context: StageContext, record: EvaluationRecord, synthetic: NDArray[np.uint8]
) -> Evaluation:
    metrics = {name: context.registry.pair_metric(name) for name in record.metrics}
    likeness = metrics[record.likeness] if record.likeness else None
    absent = {
        context.registry.pair_metric(name).title: reason for name, reason in record.absent.items()
    }
    return Evaluation(
        real=record.real,
        synthetic=record.synthetic,
        among=record.among,
        metrics=tuple(
            MetricSummary(
                metrics[name],
                _spread(values.real_synthetic),
                _spread(values.synthetic_synthetic),
                _spread(values.real_real),
            )
            for name, values in record.metrics.items()
        ),
        absent=absent,
        table_one=_table_one(record, likeness) if likeness else None,
        collapse=_collapse(record, likeness) if likeness else None,
        nearest_metric=likeness,
        nearest=_nearest(context.store, record, synthetic, likeness) if likeness else (),
        nearest_distances=NearestDistances(
            np.array(record.nearest_training), np.array(record.nearest_held_out)
        ),
        engine=record.engine,
    )


def _spread(summary: Summary | None) -> Spread | None:
    if summary is None:
        return None
    mean, sd, low, high = (
        float("nan") if value is None else value
        for value in (summary.mean, summary.sd, summary.min, summary.max)
    )
    return Spread(summary.count, mean, sd, low, high, summary.infinite, summary.undefined)


def _table_one(record: EvaluationRecord, metric: PairMetric) -> TableOne:
    others = record.table_one[1:]
    average = sum(others) / len(others) if others else float("nan")
    return TableOne(metric, record.table_one, average)


def _collapse(record: EvaluationRecord, metric: PairMetric) -> Collapse | None:
    """Both histograms on the coarser one's bins, widened to hold both."""
    values = record.metrics[metric.name]
    synthetic, real = values.synthetic_synthetic, values.real_real
    if synthetic is None or not synthetic.counts:
        return None
    both = [s for s in (synthetic, real) if s is not None and s.counts]
    width = max(s.edges[1] - s.edges[0] for s in both)
    first = min(np.floor(s.edges[0] / width) for s in both)
    last = max(np.ceil(s.edges[-1] / width) for s in both)
    edges = np.arange(first, last + 1) * width

    def rebinned(summary: Summary | None) -> NDArray[np.int64]:
        counts = np.zeros(len(edges) - 1, np.int64)
        if summary is not None and summary.counts:
            middles = (np.array(summary.edges[1:]) + np.array(summary.edges[:-1])) / 2
            places = np.floor(middles / width).astype(int) - int(first)
            np.add.at(counts, places, np.array(summary.counts))
        return counts

    return Collapse(metric, edges, rebinned(synthetic), rebinned(real))


def _nearest(
    store: Store, record: EvaluationRecord, synthetic: NDArray[np.uint8], metric: PairMetric
) -> tuple[NearestPair, ...]:
    """The closest pairs, best match first."""
    sign = 1 if metric.better == "lower" else -1
    closest = sorted(record.nearest, key=lambda pair: sign * pair.value)[:PAIRS]
    return tuple(_pair(store, record.score, pair, synthetic) for pair in closest)


def _pair(store: Store, score: int, pair: NearestReal, synthetic: NDArray[np.uint8]) -> NearestPair:
    with store.local_copy(pair.real.shard) as path:
        real = read_shard_frames(path, score)[pair.real.frame]
    return NearestPair(
        synthetic_index=pair.synthetic,
        synthetic=synthetic[pair.synthetic],
        real=real,
        value=pair.value,
        patient=pair.real.patient,
        held_out=pair.real.held_out,
    )
