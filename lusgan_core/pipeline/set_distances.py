"""Distances between two sets of frames that lie anywhere, as the evaluation takes them.

Shapes: N frames, D features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import FeatureExtractor, SetMetric
from lusgan_core.errors import ConfigError
from lusgan_core.evaluation.bad_frames import noise
from lusgan_core.measured import Measured
from lusgan_core.measures.bound import bound
from lusgan_core.measures.distances import Comparison, lacking, measure_distance
from lusgan_core.measures.features import BATCH, Extract, build_extractor
from lusgan_core.measures.pairs.frameset import FrameSet
from lusgan_core.measures.sides import LEAST, Side, places
from lusgan_core.pipeline.frame_groups import FrameGroups
from lusgan_core.progress import track

MORE = 4
"""Real frames of which halves are made: so many times those of a side of the distance."""


@dataclass
class SetDistances:
    """What was measured between two sets."""

    frames: int
    """Frames a side."""
    values: list[Measured] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    """Title of a metric, with its extractor, that was not taken -> why."""


def compare_folders(
    a: FrameSet,
    b: FrameSet,
    groups: tuple[FrameGroups, FrameGroups],
    metrics: Sequence[SetMetric],
    extractors: Sequence[FeatureExtractor],
    *,
    feature_options: Mapping[str, Mapping[str, Any]] | None = None,
    most: int = 1000,
    device: str = "cpu",
) -> SetDistances:
    """Measure distances of the frames of B to those of A, each beside what it is held against.

    The floor is the mean over random halves of A's patients, where these are known. Halves have
    fewer frames than A, so a side has two fifths of A's frames at most where there is a floor.

    Args:
        a: Real frames, the reference.
        b: The frames that are held against them.
        groups: Patients and clips of both.
        metrics: Metrics on sets.
        extractors: Feature extractors; a metric that is defined on some takes those among them.
        feature_options: Options of extractors that have some, by the extractor's name.
        most: Largest number of frames a side, spread evenly over all of them.
        device: A device of torch.

    Returns:
        A value for each metric and extractor, and reasons for those that were not taken.

    Raises:
        ConfigError: The frames of A and B differ in size or colour, or a file cannot be decoded.
        PluginError: A metric or an extractor fails.
    """
    _check_alike(a, b)
    halved = len(set(groups[0].patients)) >= LEAST
    count = min(len(a) * 2 // 5 if halved else len(a), len(b), most)
    found = SetDistances(count)
    for extractor in extractors:
        taken = [m for m in metrics if not m.features or extractor.name in m.features]
        if min(a.shape[:2]) < extractor.min_size:
            small = f"needs {extractor.min_size} pixels a side, frames have {min(a.shape[:2])}"
            found.absent |= {f"{m.title} ({extractor.name})": small for m in taken}
            continue
        given = (feature_options or {}).get(extractor.name, {})
        extract = build_extractor(extractor, given, device)
        sides = _sides(a, b, groups, count, extractor.name, extract)
        with track(f"{extractor.name} distances", len(taken), "distances") as task:
            for metric in taken:
                title = f"{metric.title} ({extractor.name})"
                reason = lacking(metric, sides.reference, count)
                if reason:
                    found.absent[title] = reason
                else:
                    value = measure_distance(bound(metric, device=device), sides, ("a", "b"))
                    named = {"metric": f"{metric.name}/{extractor.name}", "title": title}
                    found.values.append(value.model_copy(update=named))
                task.advance()
    return found


def _check_alike(a: FrameSet, b: FrameSet) -> None:
    """Raise ConfigError where the frames of A and B differ in size or colour."""
    if a.shape == b.shape:
        return
    one, other = (
        f"{height} x {width} {'RGB' if channels == 3 else 'grey'}"
        for height, width, channels in (a.shape, b.shape)
    )
    same_size = a.shape[:2] == b.shape[:2]
    todo = "save them all in grey, or all in RGB" if same_size else "bring them to one size"
    raise ConfigError(f"the frames of A are {one}, those of B {other}: {todo}")


def _sides(
    a: FrameSet,
    b: FrameSet,
    groups: tuple[FrameGroups, FrameGroups],
    count: int,
    name: str,
    extract: Extract,
) -> Comparison:
    """The sides of distances on the features of one extractor."""
    known = bool(groups[0].patients)
    real = _side(a, groups[0], MORE * count if known else count, extract, f"{name} of A")
    judged = _side(b, groups[1], count, extract, f"{name} of B")
    height, width, channels = a.shape
    shape = (height, width, 3) if channels == 3 else (height, width)
    bad = Side(extract(noise(count, shape)).astype(np.float64))
    return Comparison(real.thinned(count), judged, real=real if known else None, bad={"noise": bad})


def _side(frames: FrameSet, groups: FrameGroups, count: int, extract: Extract, label: str) -> Side:
    """Features of so many frames, evenly spaced, with their patients and clips."""
    kept = places(len(frames), count)
    parts = []
    with track(label, len(kept), "frames") as task:
        for first in range(0, len(kept), BATCH):
            parts.append(extract(_read(frames, kept[first : first + BATCH])))
            task.update(min(first + BATCH, len(kept)))
    features = np.concatenate(parts).astype(np.float64)
    patients, clips = (
        tuple(names[number] for number in kept.tolist()) if names else ()
        for names in (groups.patients, groups.clips)
    )
    return Side(features, patients, clips)


def _read(frames: FrameSet, kept: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Frames at these places: (N, H, W) or (N, H, W, 3)."""
    read: NDArray[np.uint8] = np.concatenate([frames.block(n, n + 1) for n in kept.tolist()])
    return read[..., 0] if read.shape[3] == 1 else read
