"""Distances between sets of frames: synthetic ones beside real ones, each with its floor.

A distance is taken of synthetic frames to those of held-out patients. Its floor is the distance of
training frames to the same held-out ones: what real frames of other patients reach. All sides have
the same number of frames, since many distances depend on it. Where no patient is held out, the
distance is to training frames and has no floor.

Shapes: N frames, D features.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from lusgan_core.api import PairMetric, SetMetric
from lusgan_core.calls.call import StageContext
from lusgan_core.calls.section import HELD_OUT, SYNTHETIC, TRAINING, Measured
from lusgan_core.errors import PluginError
from lusgan_core.evaluation.choice import Choice
from lusgan_core.evaluation.feature_store import FeatureStore
from lusgan_core.evaluation.sides import FrameSets, Side, Sides, frames_a_side, make_sides
from lusgan_core.evaluation.stage import EvaluationOptions
from lusgan_core.measures.bound import bound
from lusgan_core.measures.plugin_calls import measured_by

MANY = 4
"""Held-out patients from which on a distance has an interval."""


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
    choice: Choice,
    sets: FrameSets,
    device: str,
    label: str,
) -> Distances:
    """Take every metric on sets, on the features of every extractor.

    Args:
        context: Store with shards and features, and the registry.
        options: Options of the evaluation.
        choice: The metrics and extractors.
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
    found = Distances()
    sides: dict[str, Sides] = {}
    for metric in choice.sets:
        ready = bound(metric, options.metric_options.get(metric.name), device)
        for name in choice.extractors_of(metric, options):
            title = f"{metric.title} ({name})"
            reason = _lacking(metric, name, context, options, sets)
            if reason:
                found.absent[title] = reason
                continue
            try:
                if name not in sides:
                    given = options.feature_options.get(name, {})
                    kept = FeatureStore(context.store, context.registry, name, given, device)
                    sides[name] = make_sides(kept, sets, options, f"{label}: {name} features")
                    found.features.append(kept.tag)
                found.values.append(_measured(ready, name, title, sides[name]))
            except PluginError as error:
                if options.metrics or (name in options.features and name not in sides):
                    raise  # somebody named what failed
                found.absent[title] = str(error)
    return found


def _lacking(
    metric: SetMetric, name: str, context: StageContext, options: EvaluationOptions, sets: FrameSets
) -> str:
    """Why a metric cannot be taken on the features of an extractor; empty if it can."""
    extractor = context.registry.features().get(name)
    if extractor is None:
        return f"the feature extractor {name!r} is not installed"
    height, width = sets.synthetic.shape[1:3]
    if min(height, width) < extractor.min_size:
        least = extractor.min_size
        return f"{name} needs {least} pixels a side, frames are {height} x {width}"
    count = frames_a_side(sets, options)
    least = max(metric.min_frames, 1)
    return f"needs {least} frames a side, there are {count}" if count < least else ""


def _measured(metric: SetMetric, extractor: str, title: str, sides: Sides) -> Measured:
    reference = sides.reference
    between = (HELD_OUT if sides.held_out else TRAINING, SYNTHETIC)
    value = _value(metric, reference, sides.synthetic)
    floor = _value(metric, reference, sides.training) if sides.held_out else None
    return of_metric(metric, between, len(reference)).model_copy(
        update={
            "metric": f"{metric.name}/{extractor}",
            "title": title,
            "value": value,
            "floor": floor,
            "interval": _interval(metric, sides, value) if sides.held_out else None,
        }
    )


def _value(metric: SetMetric, a: Side, b: Side) -> float | None:
    """The metric's value of two sides; None where it is not finite."""
    sides = [side.features.view() for side in (a, b)]
    for features in sides:
        features.flags.writeable = False
    wrong = f"failed on features shaped {a.features.shape} and {b.features.shape}"
    value = measured_by(f"metric {metric.name!r}", wrong, lambda: float(metric.value(*sides)))
    return value if math.isfinite(value) else None


def _interval(metric: SetMetric, sides: Sides, whole: float | None) -> tuple[float, float] | None:
    """The range of a distance with other held-out patients, 5 to 95 %, by the jackknife.

    The value is taken again without each patient in turn; a t distribution with one degree of
    freedom less than patients gives the range (Tukey 1958). A bootstrap over patients would put
    frames beside copies of themselves, which moves distances whose sums run over pairs in a set.

    Returns None for less than ``MANY`` patients, or where a value is not finite.
    """
    from scipy.special import stdtrit

    without = [
        _value(metric, fewer, sides.synthetic.thinned(len(fewer)))
        for fewer in _leaving_one_out(sides.reference)
        if len(fewer) >= max(metric.min_frames, 1)
    ]
    values = [value for value in without if value is not None]
    count = len(set(sides.reference.patients))
    if count < MANY or whole is None or len(values) < count:
        return None
    spread = np.sqrt((count - 1) / count * np.square(np.array(values) - np.mean(values)).sum())
    half = float(stdtrit(count - 1, 0.95) * spread)
    low, high = metric.bounds
    return max(low, whole - half), min(high, whole + half)


def _leaving_one_out(side: Side) -> Iterator[Side]:
    """The side without each of its patients in turn, if there are enough of them."""
    patients = np.array(side.patients)
    names = np.unique(patients)
    for patient in names if len(names) >= MANY else ():
        yield side.chosen(np.flatnonzero(patients != patient))


def of_metric(metric: PairMetric | SetMetric, between: tuple[str, ...], number: int) -> Measured:
    """Make a measured value of a metric, whose ``value`` is still to be filled in.

    Args:
        metric: The metric.
        between: The sides that were compared.
        number: Number of pairs, or of frames a side.

    Returns:
        The measured value, without a value.
    """
    low, high = (bound if math.isfinite(bound) else None for bound in metric.bounds)
    return Measured(
        metric=metric.name,
        title=metric.title,
        between=between,
        value=None,
        unit=metric.unit,
        better=metric.better,
        bounds=(low, high),
        number=number,
    )
