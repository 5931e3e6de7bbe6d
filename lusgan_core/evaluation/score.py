"""Evaluates the samples of the score that a call names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import PairMetric
from lusgan_core.calls.call import Product, StageCall, StageContext, data_of, earlier, stored
from lusgan_core.calls.provenance import Manifest
from lusgan_core.calls.records import whole_file
from lusgan_core.calls.runtime import Runtime
from lusgan_core.calls.section import REAL, SYNTHETIC, Distribution, Measured
from lusgan_core.errors import ConfigError
from lusgan_core.evaluation.audit.record import AuditRecord
from lusgan_core.evaluation.audit.score import Audited, audit_samples, try_audit
from lusgan_core.evaluation.audit.values import audit_values
from lusgan_core.evaluation.choice import choose, identical_likeness
from lusgan_core.evaluation.distances import measure_distances
from lusgan_core.evaluation.fidelity import measure_fidelity, widened
from lusgan_core.evaluation.sides import FrameSets
from lusgan_core.evaluation.stage import (
    FIRST_SYNTHETIC,
    EvaluationOptions,
    EvaluationRecord,
    NearestReal,
    RealFrame,
)
from lusgan_core.generation.stage import SampleSet
from lusgan_core.measures.bound import bound
from lusgan_core.measures.distances import of_metric
from lusgan_core.measures.pairs.accumulators import Summary
from lusgan_core.measures.pairs.compare import compare_sets
from lusgan_core.measures.pairs.engines import check_device
from lusgan_core.measures.pairs.frameset import FrameSet
from lusgan_core.measures.pairs.results import LIKENESS, PairResults
from lusgan_core.measures.sides import places
from lusgan_core.preprocessing.shard import read_shard_frames
from lusgan_core.progress import track
from lusgan_core.selection.dataset import load_frames
from lusgan_core.selection.stage import ClipFrames, ScoreDataset

TABLE_ONE = 10
"""Frames in the report's Table 1: the first, and the next nine."""


def evaluate_score(call: StageCall, context: StageContext) -> Product:
    """Compare synthetic frames with each other, with real ones, and real ones with each other.

    Args:
        call: Call of the evaluation stage.
        context: Store, registry and runtime.

    Returns:
        An ``EvaluationRecord``, which is also written beside the manifest as ``evaluation.json``.

    Raises:
        ConfigError: Frames or metrics cannot be compared, e.g. because no metric applies to frames
            of this size.
        PluginError: A metric or a feature extractor fails.
        PairsError: The comparison broke off: the disk is full or memory does not suffice.
    """
    options = EvaluationOptions.model_validate(call.options)
    dataset = data_of(earlier(context, call.arguments["selected"]), ScoreDataset)
    generated = earlier(context, call.arguments["generated"])
    samples = data_of(generated, SampleSet)
    choice, device = choose(options, context.registry), check_device(context.runtime.device)
    metrics = [bound(m, options.metric_options.get(m.name), device) for m in choice.pairs]
    real, sets = _load(context, dataset, generated, options)
    synthetic = FrameSet(sets.synthetic)
    may_fail = frozenset(m.name for m in metrics) - {*options.metrics, options.likeness}
    compare = _Comparer(metrics, options.compat, context.runtime, call.label, may_fail)
    record = _compare(compare, real, synthetic, options, samples)
    encoder = earlier(context, key) if (key := call.arguments.get("encoder")) else None
    wide = widened(context, options, encoder, sets)
    found = measure_distances(wide.context, wide.options, wide.sets, device, call.label)
    fidelity = measure_fidelity(context, options, wide.encoder, sets, device)
    likeness = next((m for m in compare.metrics if m.name == record.likeness), None)
    audited = Audited(sets, real[0].frames, real[1].frames, choice.audit, likeness)
    audit, lacking = try_audit(context, options, audited, device, call.label)
    record = record.model_copy(
        update={
            "values": (*record.values, *found.values, *fidelity.values, *audit_values(audit)),
            "absent": record.absent | wide.absent | found.absent | fidelity.absent | lacking,
            "features": tuple(
                dict.fromkeys((*found.features, *([audit.extractor] if audit else [])))
            ),
            "audit": audit,
            "judged": fidelity.judged,
            "encoder": call.inputs["encoder"][:8] if wide.encoder else "",
        }
    )
    folder = call.manifest.rpartition("/")[0]
    data = record.model_dump_json(indent=1).encode()
    return Product(
        record,
        artifacts={"evaluation": stored(context.store, f"{folder}/evaluation.json", data)},
        counts={
            "real": record.training + record.held_out,
            "synthetic": record.synthetic,
            "pairs": record.pairs,
        },
    )


def audit_again(
    context: StageContext,
    selected: Manifest,
    generated: Manifest,
    options: EvaluationOptions,
    likeness: str | None,
) -> AuditRecord:
    """Audit the samples of a score, and compare nothing else.

    Args:
        context: Store, registry and runtime.
        selected: Manifest of the selection of the score's real frames.
        generated: Manifest of the generation of its synthetic frames.
        options: Options of the evaluation.
        likeness: Name of the metric by which frames are called alike; None if none applies.

    Returns:
        What was found.

    Raises:
        NoAuditError: The options switch the audit off, or patients or measures are lacking.
        UnknownPluginError: A plugin that the options name is not installed.
    """
    choice, device = choose(options, context.registry), check_device(context.runtime.device)
    real, sets = _load(context, data_of(selected, ScoreDataset), generated, options)
    metric = context.registry.pair_metric(likeness) if likeness else None
    ready = metric and bound(metric, options.metric_options.get(metric.name), device)
    audited = Audited(sets, real[0].frames, real[1].frames, choice.audit, ready)
    return audit_samples(context, options, audited, device, generated.label)


def _load(
    context: StageContext, dataset: ScoreDataset, generated: Manifest, options: EvaluationOptions
) -> tuple[tuple[_Side, _Side], FrameSets]:
    """Read the frames that are compared: real ones of both sides, and all sets together."""
    samples = data_of(generated, SampleSet)
    real = _real_frames(context, dataset, options.real_frames)
    with whole_file(context.store, generated.artifacts["frames"]) as path:
        synthetic = FrameSet(read_shard_frames(path)[: options.synthetic_frames])
    training, held_out = (side.where for side in real)
    return real, FrameSets(
        dataset,
        training,
        held_out,
        real[0].frames,
        synthetic.frames[0 : len(synthetic)],
        samples.frames_key,
        generated.artifacts["frames"].digest,
    )


@dataclass(frozen=True)
class _Side:
    """Real frames of training patients, or of those held out."""

    frames: NDArray[np.uint8]
    where: list[RealFrame]

    @property
    def frame_set(self) -> FrameSet:
        return FrameSet(self.frames, groups=[frame.shard for frame in self.where])


def _real_frames(
    context: StageContext, dataset: ScoreDataset, most: int | None
) -> tuple[_Side, _Side]:
    """Frames of training patients and of held-out ones, each by its share of ``most``."""
    total = dataset.training_frames + dataset.held_out_frames
    count = total if most is None else min(most, total)
    held_out = round(count * dataset.held_out_frames / max(total, 1))
    if dataset.held_out_frames:
        held_out = max(1, held_out)
    wanted = ((dataset.training, count - held_out), (dataset.held_out, held_out))
    training, other = (
        _side(context, clips, dataset.score, count, held_out=bool(number))
        for number, (clips, count) in enumerate(wanted)
    )
    return training, other


def _side(
    context: StageContext, clips: Sequence[ClipFrames], score: int, most: int, held_out: bool
) -> _Side:
    frames, owners, numbers = load_frames(context.store, clips, score, most)
    where = [
        RealFrame(
            shard=clips[owner].key, frame=number, patient=clips[owner].patient, held_out=held_out
        )
        for owner, number in zip(owners.tolist(), numbers.tolist(), strict=True)
    ]
    return _Side(frames, where)


@dataclass
class _Comparer:
    """The all-pairs engine with what does not change between comparisons."""

    metrics: list[PairMetric]
    compat: str
    runtime: Runtime
    label: str
    may_fail: frozenset[str] = frozenset()
    """Metrics that are absent where they fail, because nobody named them."""
    pairs: int = 0
    absent: dict[str, str] = field(default_factory=dict)
    """Name of a metric that failed or does not apply -> why; no later comparison has it."""

    def __call__(
        self, name: str, a: FrameSet, b: FrameSet | None, apart: bool = False
    ) -> PairResults:
        with track(f"{self.label}: {name}", 0, "pairs") as task:

            def progress(done: int, total: int) -> None:
                task.total = total
                task.update(done)

            found = compare_sets(
                a,
                b,
                self.metrics,
                top=1,
                device=self.runtime.device,
                threads=self.runtime.threads,
                compat=self.compat,
                exclude_same_group=apart,
                progress=progress,
                may_fail=self.may_fail,
            )
        self.pairs += found.pairs
        self._drop_absent(found)
        return found

    def _drop_absent(self, found: PairResults) -> None:
        """Leave out of later comparisons what failed in this one, or does not apply."""
        self.absent |= found.absent
        self.metrics = [metric for metric in self.metrics if metric.name not in found.absent]


def _compare(
    compare: _Comparer,
    real: tuple[_Side, _Side],
    synthetic: FrameSet,
    options: EvaluationOptions,
    samples: SampleSet,
) -> EvaluationRecord:
    most, titles = options.among_frames, {metric.name: metric.title for metric in compare.metrics}
    training, held_out = real
    with_training = compare("real x synthetic", training.frame_set, synthetic)
    with_held_out = (
        compare("held-out x synthetic", held_out.frame_set, synthetic) if held_out.where else None
    )
    together = compare("synthetic x synthetic", FrameSet(synthetic.frames[0:most]), None)
    among = _spread(real, most)
    floor = compare("real x real", among, None, apart=True)
    with_real = [found for found in (with_training, with_held_out) if found]
    by = {metric.name: metric for metric in compare.metrics if metric.name in together.metrics}
    summaries = {
        name: {
            (REAL, SYNTHETIC): merged(found.metrics[name].summary for found in with_real),
            (SYNTHETIC, SYNTHETIC): together.metrics[name].summary,
            (REAL, REAL): merged([floor.metrics[name].summary]),
        }
        for name in by
    }
    likeness = _likeness(options.likeness, by, compare.absent)
    values = [v for name, metric in by.items() for v in measured(metric, summaries[name])]
    values += _table_one(synthetic, by[likeness]) if likeness else []
    sides = [(with_training, training)]
    sides += [(with_held_out, held_out)] if with_held_out else []
    best = [found.metrics[likeness].values[:, 0] for found, _ in sides] if likeness else []
    return EvaluationRecord(
        score=samples.score,
        samples=samples.frames_key,
        training=len(training.where),
        held_out=len(held_out.where),
        synthetic=len(synthetic),
        among=len(among),
        likeness=likeness,
        values=tuple(values),
        distributions=tuple(
            Distribution(metric=name, between=between, edges=summary.edges, counts=summary.counts)
            for name, kinds in summaries.items()
            for between, summary in kinds.items()
            if summary and summary.counts
        ),
        absent={titles[name]: why for name, why in compare.absent.items()},
        nearest=_nearest(sides, by[likeness]) if likeness else (),
        nearest_training=tuple(best[0].tolist()) if best else (),
        nearest_held_out=tuple(best[1].tolist()) if len(best) > 1 else (),
        engine=with_training.engine,
        pairs=compare.pairs,
        identical=identical_likeness(by[likeness]) if likeness else 1.0,
    )


def _likeness(
    named: str | None, by: Mapping[str, PairMetric], absent: Mapping[str, str]
) -> str | None:
    """The metric by which frames are called alike; None where none of the usual ones applies."""
    if named is None:
        return next((name for name in LIKENESS if name in by), None)
    if named not in by:
        raise ConfigError(f"evaluation.likeness is {named!r}, which is absent: {absent[named]}")
    return named


def measured(
    metric: PairMetric, summaries: Mapping[tuple[str, str], Summary | None]
) -> Iterator[Measured]:
    """The values of one metric: for each kind of pairs its mean, deviation and extremes.

    The mean between real frames is the floor of the means with synthetic ones. Pairs whose value is
    infinite or undefined are counted as statistics of their own, where there are any.

    Args:
        metric: The metric that was computed.
        summaries: Summary of each kind of pairs, by the two sides compared, e.g. ``("real",
            "synthetic")``; None where there is no pair.

    Yields:
        A value for each statistic of each kind of pairs.
    """
    real = summaries.get((REAL, REAL))
    floor = real.mean if real else None
    for between, summary in summaries.items():
        if summary is None:
            continue
        same = of_metric(metric, between, summary.count)
        statistics = {
            "mean": summary.mean, "sd": summary.sd, "min": summary.min, "max": summary.max
        }  # fmt: skip
        for statistic, value in statistics.items():
            beside = floor if statistic == "mean" and SYNTHETIC in between else None
            yield same.model_copy(update={"statistic": statistic, "value": value, "floor": beside})
        for statistic, count in (("infinite", summary.infinite), ("undefined", summary.undefined)):
            if count:
                yield same.model_copy(update={"statistic": statistic, "value": float(count)})


def _spread(real: tuple[_Side, _Side], most: int) -> FrameSet:
    """At most ``most`` real frames, evenly spaced over all clips."""
    sides = [side for side in real if side.where]
    total = sum(len(side.where) for side in sides)
    kept = places(total, most)
    first = np.cumsum([0, *(len(side.where) for side in sides)])
    chosen = [
        (side, kept[(kept >= start) & (kept < start + len(side.where))] - start)
        for side, start in zip(sides, first[:-1].tolist(), strict=True)
    ]
    return FrameSet(
        np.concatenate([side.frames[own] for side, own in chosen]),
        groups=[side.where[number].shard for side, own in chosen for number in own.tolist()],
    )


def _table_one(synthetic: FrameSet, metric: PairMetric) -> list[Measured]:
    """The report's Table 1: the first frame against itself and the next nine, and their mean."""
    frames = synthetic.frames[0 : min(TABLE_ONE, len(synthetic))]
    found = [float(metric.value(frames[0], frame)) for frame in frames]
    values = [
        of_metric(metric, (FIRST_SYNTHETIC, f"synthetic {number}"), 1).model_copy(
            update={"value": value if math.isfinite(value) else None}
        )
        for number, value in enumerate(found, start=1)
    ]
    others = found[1:]
    if others and math.isfinite(sum(others)):
        mean = of_metric(metric, (FIRST_SYNTHETIC, SYNTHETIC), len(others))
        values.append(
            mean.model_copy(update={"statistic": "mean", "value": sum(others) / len(others)})
        )
    return values


def _nearest(
    sides: Sequence[tuple[PairResults, _Side]], metric: PairMetric
) -> tuple[NearestReal, ...]:
    """For each synthetic frame the most similar real one, of either side."""
    sign = 1 if metric.better == "lower" else -1
    found = []
    for synthetic in range(len(sides[0][0].metrics[metric.name].values)):
        choices = []
        for results, side in sides:
            of_metric = results.metrics[metric.name]
            value, index = of_metric.values[synthetic, 0], int(of_metric.indices[synthetic, 0])
            if index >= 0:
                choices.append((sign * float(value), side.where[index]))
        if choices:
            value, real = min(choices, key=lambda choice: choice[0])
            found.append(NearestReal(synthetic=synthetic, value=sign * value, real=real))
    return tuple(found)


def merged(summaries: Iterable[Summary]) -> Summary | None:
    """Merge summaries of different pairs into one, without a histogram; None if there is no pair.

    Means and deviations are combined as by Chan, Golub and LeVeque (1979). A single summary is
    returned as it is.
    """
    parts = [summary for summary in summaries if summary.count]
    if len(parts) < 2:
        return parts[0] if parts else None
    finite = [(s, s.count - s.infinite - s.undefined) for s in parts if s.mean is not None]
    total = sum(count for _, count in finite)
    mean = sum((s.mean or 0) * count for s, count in finite) / total if total else None
    squares = sum(
        count * ((s.sd or 0) ** 2 + ((s.mean or 0) - (mean or 0)) ** 2) for s, count in finite
    )
    return Summary(
        count=sum(s.count for s in parts),
        infinite=sum(s.infinite for s in parts),
        undefined=sum(s.undefined for s in parts),
        mean=mean,
        sd=math.sqrt(squares / total) if total else None,
        min=min((s.min for s, _ in finite if s.min is not None), default=None),
        max=max((s.max for s, _ in finite if s.max is not None), default=None),
        edges=(),
        counts=(),
    )
