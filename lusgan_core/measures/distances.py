"""Distances between sets of frames, each with what it is to be held against.

A distance of judged frames to real ones says nothing alone: it depends on the extractor, on the
number of frames and on the patients. Beside it stand, at equal counts, its *floor* (real frames of
other patients to the same real ones, and what halves of all real patients are apart), its
*ceilings* (frames that are known to be bad), and its range with other patients.

Shapes: N frames, D features.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from lusgan_core.api import PairMetric, SetMetric
from lusgan_core.measured import Measured
from lusgan_core.measures.plugin_calls import measured_by
from lusgan_core.measures.sides import Side

MANY = 4
"""Patients from which on a distance has an interval."""


@dataclass(frozen=True)
class Comparison:
    """The sides of a distance, equal in number, and of what it is held against."""

    reference: Side
    """Real frames."""
    judged: Side
    """The frames whose distance to the reference is taken."""
    others: Side | None = None
    """Real frames of other patients, whose distance to the reference is the floor."""
    real: Side | None = None
    """All real frames, of which halves by patient are compared; of any number."""
    bad: Mapping[str, Side] = field(default_factory=dict)
    """Frames that are known to be bad, by their kind, whose distances are the ceilings."""


def lacking(metric: SetMetric, reference: Side, count: int) -> str:
    """Say why a metric cannot be taken.

    Args:
        metric: The metric.
        reference: The real frames.
        count: Number of frames a side.

    Returns:
        The reason; empty if it can be taken.
    """
    least = max(metric.min_frames, 1)
    if count < least:
        return f"needs {least} frames a side, there are {count}"
    if not _in_groups(metric, reference):
        of = metric.grouped_by
        return f"needs real frames of two {of}s or more, those it is held against are of one {of}"
    return ""


def _in_groups(metric: SetMetric, side: Side) -> bool:
    """Whether a side has as many groups as a metric needs that leaves out pairs of one."""
    return not metric.grouped_by or len(np.unique(side.groups(metric.grouped_by))) > 1


def measure_distance(metric: SetMetric, sides: Comparison, between: tuple[str, ...]) -> Measured:
    """Measure a distance and what it is to be held against.

    Args:
        metric: The metric, bound to its options and device.
        sides: The frames.
        between: The sides of the measured value, as a reader knows them.

    Returns:
        The measured value, with floor, its range, ceilings and interval as far as they exist.

    Raises:
        PluginError: The metric fails.
    """
    reference = sides.reference
    value = value_of(metric, reference, sides.judged)
    halves = _finite(
        value_of(metric, one, other)
        for one, other in (sides.real.halves(len(reference)) if sides.real else ())
    )
    if sides.others is not None:
        floor = value_of(metric, reference, sides.others)
    else:
        floor = float(np.mean(halves)) if halves else None
    ceilings = {kind: value_of(metric, reference, side) for kind, side in sides.bad.items()}
    return of_metric(metric, between, len(reference)).model_copy(
        update={
            "value": value,
            "floor": floor,
            "floor_range": tuple(np.quantile(halves, (0.05, 0.95)).tolist()) if halves else None,
            "ceilings": {kind: v for kind, v in ceilings.items() if v is not None},
            "interval": _interval(metric, sides, value),
        }
    )


def value_of(metric: SetMetric, reference: Side, judged: Side) -> float | None:
    """Take a metric's value of two sides.

    Args:
        metric: The metric, bound to its options and device.
        reference: The real frames.
        judged: The frames that are held against them.

    Returns:
        The value; None where it is not finite, or a side has one group alone.

    Raises:
        PluginError: The metric fails.
    """
    sides = (reference, judged)
    if not all(_in_groups(metric, side) for side in sides):
        return None
    features = [side.features.view() for side in sides]
    for array in features:
        array.flags.writeable = False
    groups = [side.groups(metric.grouped_by) for side in sides] if metric.grouped_by else []
    wrong = f"failed on features shaped {features[0].shape} and {features[1].shape}"
    value = measured_by(
        f"metric {metric.name!r}", wrong, lambda: float(metric.value(*features, *groups))
    )
    return value if math.isfinite(value) else None


def _interval(
    metric: SetMetric, sides: Comparison, whole: float | None
) -> tuple[float, float] | None:
    """The range of a distance with other patients of the reference, 5 to 95 %, by the jackknife.

    The value is taken again without each patient in turn; a t distribution with one degree of
    freedom less than patients gives the range (Tukey 1958). A bootstrap over patients would put
    frames beside copies of themselves, which moves distances whose sums run over pairs in a set.

    Returns None for less than ``MANY`` patients, or where a value is not finite.
    """
    from scipy.special import stdtrit

    count = len(set(sides.reference.patients))
    if count < MANY or whole is None:
        return None
    values = _finite(
        value_of(metric, fewer, sides.judged.thinned(len(fewer)))
        for fewer in sides.reference.leaving_out()
        if len(fewer) >= max(metric.min_frames, 1)
    )
    if len(values) < count:
        return None
    spread = np.sqrt((count - 1) / count * np.square(np.array(values) - np.mean(values)).sum())
    half = float(stdtrit(count - 1, 0.95) * spread)
    low, high = metric.bounds
    return max(low, whole - half), min(high, whole + half)


def _finite(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


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
