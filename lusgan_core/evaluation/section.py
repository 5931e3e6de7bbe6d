"""The report's section on a score's evaluation."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lusgan_core.calls.section import (
    REAL,
    SYNTHETIC,
    Distribution,
    FrameAt,
    FramePair,
    FramePairs,
    Group,
    Histograms,
    Measured,
    Section,
    Series,
    Table,
    find,
    plural,
)
from lusgan_core.evaluation.audit.section import audit_group
from lusgan_core.evaluation.claims import advice, claims
from lusgan_core.evaluation.distances_section import distances_groups
from lusgan_core.evaluation.stage import FIRST_SYNTHETIC, EvaluationRecord, Judged, NearestReal

PAIRS = 8
"""Nearest pairs that are shown."""
ROUNDING = 1e-6
"""Values that differ by less are the same."""
BINS = 30
"""Bins of the histogram of nearest values."""


def evaluation_section(record: EvaluationRecord, likeness_named: bool = False) -> Section:
    """Make the section of an evaluation from its record.

    Args:
        record: What was measured.
        likeness_named: Whether the options name the metric by which frames are called alike.

    Returns:
        The section.
    """
    stands_in = record.likeness == "ssim" and not likeness_named
    same = _same_for_all(record)
    shown = tuple(
        value
        for value in record.values
        if FIRST_SYNTHETIC not in value.between and value.metric not in same
    )
    of_likeness = next((v for v in shown if v.metric == record.likeness), None)
    real = record.training + record.held_out
    of_sets = {title: why for title, why in record.absent.items() if title.endswith(")")}
    groups = distances_groups(record.score, record.values, of_sets)
    if record.judged is not None:
        groups.append(_judged(record, record.judged))
    if record.audit is not None:
        groups.append(audit_group(record.audit, record.samples, record.score))
    if of_likeness is not None:
        groups += [*_collapse(record, of_likeness), *_nearest(record, of_likeness)]
    return Section(
        name="evaluation",
        title="Similarity",
        claims=claims(record),
        advice=tuple(advice(record)),
        values=shown,
        text=f"{plural(real, 'real frame')} and {plural(record.synthetic, 'synthetic frame')} "
        f"compared pair by pair ({record.engine}); {plural(record.among, 'real frame')} among "
        "themselves, across clips.",
        groups=tuple(groups),
        notes=(
            *(
                f"{title} is absent: {reason}."
                for title, reason in record.absent.items()
                if title not in of_sets
            ),
            *(
                f"{title} is {value:g} for every pair of frames, and is not shown."
                for title, value in same.values()
            ),
            *(("SSIM stands in for MS-SSIM throughout.",) if stands_in else ()),
        ),
    )


def _judged(record: EvaluationRecord, judged: Judged) -> Group:
    """Which scores the LUS encoder gives synthetic frames, and held-out patients' ones."""
    rows = (("Synthetic", judged.synthetic), ("Held-out patients", judged.real))
    return Group(
        title="Score fidelity",
        text="Which severity the LUS encoder, trained on training patients, sees in the frames.",
        figures=(
            Table(
                name="fidelity",
                title=f"Frames of score {record.score}, judged by the LUS encoder",
                columns=("Frames", *(f"Judged {score}" for score in judged.real), "Number"),
                rows=tuple(
                    (
                        name,
                        *(
                            f"{count / max(sum(counts.values()), 1):.0%}"
                            for count in counts.values()
                        ),
                        sum(counts.values()),
                    )
                    for name, counts in rows
                ),
            ),
        ),
    )


def _same_for_all(record: EvaluationRecord) -> dict[str, tuple[str, float]]:
    """Metrics that tell no pair of frames from another: name -> title and the one value.

    SAM of grey frames is one: the angle between grey pixels is 0 whatever they show.
    """
    ends: dict[str, list[Measured]] = {}
    for value in record.values:
        if value.statistic in ("min", "max") and value.value is not None:
            ends.setdefault(value.metric, []).append(value)
    found = {}
    for metric, of in ends.items():
        values = [value.value for value in of if value.value is not None]
        if max(values) - min(values) <= ROUNDING and {v.between for v in of} >= {
            (REAL, SYNTHETIC),
            (SYNTHETIC, SYNTHETIC),
        }:
            found[metric] = (of[0].title, round(values[0], 6))
    return found


def _collapse(record: EvaluationRecord, metric: Measured) -> list[Group]:
    """How similar synthetic frames are to each other: Table 1, and a histogram."""
    figures: list[Table | Histograms] = []
    caption = ""
    table = [v for v in record.values if v.between[:1] == (FIRST_SYNTHETIC,)]
    if table:
        single = [v for v in table if v.statistic == "value"]
        mean = find(table, metric.metric, (FIRST_SYNTHETIC, SYNTHETIC))
        figures.append(
            Table(
                title=f"First synthetic frame of score {record.score} against the next",
                caption=f"{metric.title} of the first synthetic frame with itself and those after "
                f"it ({metric.direction}). A value close to the perfect match is a "
                "near-duplicate, which speaks for collapse.",
                columns=("Frame", *(str(n) for n in range(1, len(single) + 1)), "Average*"),
                rows=((metric.title, *(v.value for v in single), mean.value if mean else None),),
            )
        )
        caption = "* Without the perfect match in the first column."
    histogram = _likeness_histogram(record, metric)
    if histogram is not None:
        figures.append(histogram)
    return [Group(title="Collapse", figures=tuple(figures), caption=caption)] if figures else []


def _likeness_histogram(record: EvaluationRecord, metric: Measured) -> Histograms | None:
    """Both histograms on the coarser one's bins, widened to hold both."""
    kinds = {d.between: d for d in record.distributions if d.metric == metric.metric}
    synthetic, real = kinds.get((SYNTHETIC, SYNTHETIC)), kinds.get((REAL, REAL))
    if synthetic is None:
        return None
    both = [d for d in (synthetic, real) if d is not None]
    width = max(d.edges[1] - d.edges[0] for d in both)
    first = min(math.floor(d.edges[0] / width) for d in both)
    last = max(math.ceil(d.edges[-1] / width) for d in both)
    series = [Series(name="synthetic × synthetic", kind="a",
                     values=_rebinned(synthetic, width, first, last))]  # fmt: skip
    caption = (
        f"{metric.title} ({metric.direction}); vertical lines are means. A model that knows few "
        "frames makes them much more alike than real frames of different clips are; from where on "
        "it is held back is the gates' business."
    )
    if real is not None:
        series.append(
            Series(
                name="real × real, other clips",
                kind="b",
                values=_rebinned(real, width, first, last),
            )
        )
    else:
        caption += " There are no real frames of two different clips to compare with."
    return Histograms(
        title=f"Likeness of pairs, score {record.score}",
        metric=metric.title,
        label="share of pairs, %",
        edges=tuple(number * width for number in range(first, last + 1)),
        series=tuple(series),
        caption=caption,
    )


def _rebinned(found: Distribution, width: float, first: int, last: int) -> tuple[float, ...]:
    counts = np.zeros(last - first, np.int64)
    middles = (np.array(found.edges[1:]) + np.array(found.edges[:-1])) / 2
    np.add.at(counts, np.floor(middles / width).astype(int) - first, np.array(found.counts))
    return tuple(float(count) for count in counts)


def _nearest(record: EvaluationRecord, metric: Measured) -> list[Group]:
    """Which real frames synthetic ones are most similar to, and whether these were trained on."""
    figures: list[Histograms | FramePairs] = []
    text = ""
    training, held_out = np.array(record.nearest_training), np.array(record.nearest_held_out)
    if held_out.size and training.size:
        figures.append(_nearest_histogram(record, metric, training, held_out))
    else:
        text = (
            "No frame of a held-out patient has this score, so distances to training and to "
            "held-out patients cannot be told apart."
        )
    if record.nearest:
        sign = 1 if metric.better == "lower" else -1
        closest = sorted(record.nearest, key=lambda pair: sign * pair.value)[:PAIRS]
        figures.append(
            FramePairs(
                title=f"Nearest pairs of score {record.score}",
                metric=metric.title,
                unit=metric.unit,
                pairs=tuple(_pair(pair, record) for pair in closest),
                caption="Synthetic frames, left, beside the real frame most like each, right, the "
                f"closest match by {metric.title} first ({metric.direction}).",
            )
        )
    return [Group(title="Nearest pairs", text=text, figures=tuple(figures))]


def _nearest_histogram(
    record: EvaluationRecord,
    metric: Measured,
    training: NDArray[np.float64],
    held_out: NDArray[np.float64],
) -> Histograms:
    finite = [values[np.isfinite(values)] for values in (training, held_out)]
    edges = np.histogram_bin_edges(np.concatenate(finite), bins=BINS)
    sign = 1 if metric.better == "higher" else -1
    closer = round(100 * float(np.mean(sign * training > sign * held_out)))
    share = round(100 * record.training / (record.training + record.held_out))
    return Histograms(
        title=f"Nearest real frames, score {record.score}",
        metric=metric.title,
        label="share of synthetic frames, %",
        edges=tuple(edges.tolist()),
        series=tuple(
            Series(name=name, kind=kind, values=tuple(np.histogram(v, edges)[0].tolist()))
            for name, kind, v in (
                ("nearest frame of a training patient", "a", finite[0]),
                ("nearest frame of a held-out patient", "b", finite[1]),
            )
        ),
        caption=f"{metric.title} of each synthetic frame with its best match on either side "
        f"({metric.direction}); vertical lines are means. {closer}% of the synthetic frames are "
        "nearer to a training patient than to a held-out one; training patients have "
        f"{share}% of the frames. Much more than that would speak for copying; less only says that "
        "no copying was detected.",
    )


def _pair(pair: NearestReal, record: EvaluationRecord) -> FramePair:
    return FramePair(
        value=pair.value,
        synthetic=FrameAt(key=record.samples, row=pair.synthetic),
        number=pair.synthetic,
        real=FrameAt(key=pair.real.shard, row=pair.real.frame, score=record.score),
        patient=pair.real.patient,
        held_out=pair.real.held_out,
    )
