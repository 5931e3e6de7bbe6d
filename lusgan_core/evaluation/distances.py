"""Distances between a score's synthetic frames and real ones, on features that are kept.

A distance is taken of synthetic frames to those of held-out patients, and beside it the same to
training patients. All sides have the same number of frames, since many distances depend on it.
Where no patient is held out, the distance is to training frames and has no floor.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lusgan_core.api import SetMetric
from lusgan_core.calls.call import StageContext
from lusgan_core.calls.section import HELD_OUT, SYNTHETIC, TRAINING, Measured
from lusgan_core.errors import PluginError
from lusgan_core.evaluation.choice import choose
from lusgan_core.evaluation.feature_store import FeatureStore
from lusgan_core.evaluation.sides import FrameSets, Sides, frames_a_side, make_sides
from lusgan_core.evaluation.stage import EvaluationOptions
from lusgan_core.measures.bound import bound
from lusgan_core.measures.distances import lacking, measure_distance, of_metric, value_of
from lusgan_core.progress import track


@dataclass
class Distances:
    """What was measured between sets."""

    values: list[Measured] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    """Title of a metric that was not taken -> why."""
    features: list[str] = field(default_factory=list)
    """The extractors that were used, each with eight digits of what it computes."""


def measure_distances(
    context: StageContext,
    options: EvaluationOptions,
    sets: FrameSets,
    device: str,
    label: str,
) -> Distances:
    """Take every metric on sets, on the features of every extractor.

    Args:
        context: Store with shards and features, and the registry.
        options: Options of the evaluation.
        sets: The frames.
        device: Device of torch for extractors, and for metrics that ask for it.
        label: Text for progress bars.

    Returns:
        A value for each metric and extractor, and reasons for those that were not taken.

    Raises:
        PluginError: A metric that the options name fails, or an extractor; a metric that nobody
            named is absent instead.
        StoreError: Shards or features cannot be read or written.
    """
    found, choice = Distances(), choose(options, context.registry)
    sides: dict[str, Sides] = {}
    taken = [
        (metric, name) for metric in choice.sets for name in choice.extractors_of(metric, options)
    ]
    with track(f"{label}: distances", len(taken), "distances") as task:
        for metric, name in taken:
            title = f"{metric.title} ({name})"
            reason = _unfit(name, context, sets)
            try:
                if not reason and name not in sides:
                    given = options.feature_options.get(name, {})
                    kept = FeatureStore(context.store, context.registry, name, given, device)
                    sides[name] = make_sides(kept, sets, options, f"{label}: {name} features")
                    found.features.append(kept.tag)
                reason = reason or lacking(
                    metric, sides[name].comparison.reference, frames_a_side(sets, options)
                )
                if reason:
                    found.absent[title] = reason
                else:
                    ready = bound(metric, options.metric_options.get(metric.name), device)
                    found.values += _measured(ready, f"{metric.name}/{name}", title, sides[name])
            except PluginError as error:
                if options.metrics or (name in options.features and name not in sides):
                    raise  # somebody named what failed
                found.absent[title] = str(error)
            task.advance()
    return found


def _unfit(name: str, context: StageContext, sets: FrameSets) -> str:
    """Why an extractor has no features of these frames; empty if it has."""
    extractor = context.registry.features().get(name)
    if extractor is None:
        return f"the feature extractor {name!r} is not installed"
    height, width = sets.synthetic.shape[1:3]
    if min(height, width) < extractor.min_size:
        least = extractor.min_size
        return f"{name} needs {least} pixels a side, frames are {height} x {width}"
    return ""


def _measured(metric: SetMetric, name: str, title: str, sides: Sides) -> list[Measured]:
    """The distance to held-out frames with all that stands beside it, and that to training ones."""
    named = {"metric": name, "title": title}
    near = (TRAINING, SYNTHETIC)
    between = (HELD_OUT, SYNTHETIC) if sides.held_out else near
    found = [measure_distance(metric, sides.comparison, between).model_copy(update=named)]
    if sides.held_out:
        value = value_of(metric, sides.training, sides.comparison.judged)
        beside = of_metric(metric, near, len(sides.training))
        found.append(beside.model_copy(update=named | {"value": value}))
    return found
