"""Which frames an evaluation compares, on clips of plain grey frames whose values are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest

from lusgan_core.api import PairMetric, hookimpl
from lusgan_core.calls.call import StageCall, StageContext, reference_to
from lusgan_core.calls.provenance import Manifest
from lusgan_core.calls.section import REAL, SYNTHETIC, Measured, find
from lusgan_core.domain import ShardRecord
from lusgan_core.errors import PluginError
from lusgan_core.evaluation import stage
from lusgan_core.evaluation.stage import EvaluationOptions, EvaluationRecord
from lusgan_core.generation.stage import SampleSet
from lusgan_core.preprocessing.shard import write_shard
from lusgan_core.registry import Provider, Registry
from lusgan_core.selection.stage import score_dataset
from lusgan_core.store import LocalStore
from lusgan_metrics import mse as mse_plugin

SCORE = 2
Clips = Mapping[str, Sequence[int]]
"""Name of a clip, the first letter of which is its patient -> grey level of each frame."""
TRAINING: Clips = {"A1": [10, 10, 10], "A2": [30, 30], "B1": [70]}


def write(store: LocalStore, key: str, levels: Sequence[int]) -> Any:
    """Write plain frames of these grey levels as a shard, or as samples, which look alike."""
    path = store.path(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.full((len(levels), 16, 16), np.reshape(levels, (-1, 1, 1)), np.uint8)
    return write_shard(path, frames, [SCORE] * len(levels), attributes={})


def shard(store: LocalStore, clip: str, levels: Sequence[int]) -> ShardRecord:
    key = f"shards/{clip}.h5"
    summary = write(store, key, levels)
    return ShardRecord(
        patient=clip[0], exam="1", clip=clip, area=1, key=key, digest="0",
        frames=summary.frames, by_score=summary.by_score,
    )  # fmt: skip


def select(store: LocalStore, training: Clips, held_out: Clips) -> Manifest:
    """Leave what selection does."""
    shards = [shard(store, *clip) for clip in (training | held_out).items()]
    dataset = score_dataset(shards, SCORE, frozenset(clip[0] for clip in held_out))
    return leave(store, "select", data=dataset.model_dump(mode="json"))


def generate(store: LocalStore, levels: Sequence[int]) -> Manifest:
    """Leave what generation does, with frames of these grey levels."""
    key = "samples/frames.h5"
    write(store, key, levels)
    samples = SampleSet(
        score=SCORE, model="m", folder="samples", frames_key=key, count=len(levels), seed=0
    )
    artifacts = {"frames": reference_to(store, key)}
    return leave(store, "generate", data=samples.model_dump(mode="json"), artifacts=artifacts)


def leave(store: LocalStore, name: str, **contents: Any) -> Manifest:
    manifest = Manifest(stage=name, cache_key=name, manifest_key=f"{name}.json", **contents)
    store.put(manifest.manifest_key, manifest.model_dump_json().encode())
    return manifest


@pytest.fixture
def evaluate(tmp_path: Path, plugins: Registry) -> Any:
    """Return a function that evaluates plain frames."""
    store = LocalStore(tmp_path)

    def evaluated(
        synthetic: Sequence[int], training: Clips, held_out: Clips | None = None, **options: Any
    ) -> EvaluationRecord:
        call = stage.call(
            select(store, dict(training), dict(held_out or {})),
            generate(store, synthetic),
            EvaluationOptions.model_validate(
                {"metrics": ("mse", "ssim"), "audit_frames": 0} | options
            ),
            plugins,
        )
        made = stage.run(call, StageContext(store, registry=plugins)).data
        assert isinstance(made, EvaluationRecord)
        return made

    return evaluated


def mse(record: EvaluationRecord, *between: str, statistic: str = "mean") -> Measured:
    found = find(record.values, "mse", between, statistic)
    assert found is not None
    return found


def test_the_floor_is_of_frames_of_different_clips(evaluate: Any) -> None:
    """Frames of one clip are nearly equal, so no pair of them counts: neither in the floor that
    values with synthetic frames are held against, nor as the closest real frames there are."""
    record = evaluate([100, 110], TRAINING)
    squares = [20**2] * 6 + [60**2] * 3 + [40**2] * 2
    floor = mse(record, REAL, REAL)
    assert (floor.number, floor.value) == (11, pytest.approx(fmean(squares)))
    assert mse(record, REAL, REAL, statistic="min").value == pytest.approx(20**2)
    assert mse(record, REAL, SYNTHETIC).floor == mse(record, SYNTHETIC, SYNTHETIC).floor
    assert mse(record, REAL, SYNTHETIC).floor == floor.value
    closest = find(record.values, "ssim", (REAL, REAL), "max")
    assert closest is not None
    assert closest.value is not None
    assert closest.value < 0.999


def test_one_clip_alone_has_no_floor(evaluate: Any) -> None:
    """Nothing is said of different clips where there are none."""
    record = evaluate([100, 110], {"A1": [10, 20, 30]})
    assert find(record.values, "mse", (REAL, REAL)) is None
    assert mse(record, REAL, SYNTHETIC).floor is None


def test_the_floor_is_spread_over_all_clips_of_both_sides(evaluate: Any) -> None:
    """Four of ten frames are the first, the last and two between them at equal distances."""
    levels = [3, 8, 21, 34, 50, 71, 90, 113, 141, 172]
    training, held_out = {"A1": levels[:5], "B1": levels[5:8]}, {"C1": levels[8:]}
    record = evaluate([100, 110], training, held_out, among_frames=4)
    first, second, *others = (levels[number] for number in (0, 3, 6, 9))
    pairs = [(first, other) for other in others] + [(second, other) for other in others]
    pairs.append((others[0], others[1]))
    floor = mse(record, REAL, REAL)
    assert (record.among, floor.number) == (4, 5)
    assert floor.value == pytest.approx(fmean((a - b) ** 2 for a, b in pairs))


def test_synthetic_frames_are_compared_from_the_first_on(evaluate: Any) -> None:
    """With each other as many as asked for; with real ones as many as `synthetic_frames` says."""
    levels = [0, 5, 15, 40, 80, 200]
    record = evaluate(levels, TRAINING, among_frames=3, synthetic_frames=5)
    expected = fmean((a - b) ** 2 for a, b in combinations(levels[:3], 2))
    assert mse(record, SYNTHETIC, SYNTHETIC).value == pytest.approx(expected)
    assert mse(record, SYNTHETIC, SYNTHETIC).number == 3
    real = [level for levels in TRAINING.values() for level in levels]
    expected = fmean((a - b) ** 2 for a in real for b in levels[:5])
    assert mse(record, REAL, SYNTHETIC).value == pytest.approx(expected)
    assert (record.synthetic, mse(record, REAL, SYNTHETIC).number) == (5, 30)


@pytest.mark.parametrize(
    ("training", "held_out", "most", "expected"),
    [
        (40, 1, 4, (3, 1)),
        (6, 4, 5, (3, 2)),
        (6, 4, None, (6, 4)),
        (6, 4, 99, (6, 4)),
        (8, 0, 4, (4, 0)),
    ],
)
def test_each_side_has_its_share_and_at_least_one_held_out_frame(
    evaluate: Any, training: int, held_out: int, most: int | None, expected: tuple[int, int]
) -> None:
    """Of few frames as of all; where a single one is held out, synthetic frames are still told
    whether they are nearer to it than to a training frame."""
    of_held_out = {"B1": range(100, 100 + held_out)} if held_out else {}
    record = evaluate([20, 90, 150], {"A1": range(training)}, of_held_out, real_frames=most)
    assert (record.training, record.held_out) == expected
    assert mse(record, REAL, SYNTHETIC).number == 3 * sum(expected)
    assert len(record.nearest_training) == 3
    assert len(record.nearest_held_out) == (3 if held_out else 0)


def test_the_nearest_real_frame_is_found_on_either_side(evaluate: Any) -> None:
    """By likeness, the higher the nearer; it is named by its shard, number, patient and side."""
    training, held_out = {"A1": [10, 30], "B1": [70]}, {"C1": [150, 190]}
    record = evaluate([28, 75, 200], training, held_out)
    assert record.likeness == "ssim"
    assert [(n.synthetic, n.real.shard, n.real.frame, n.real.patient, n.real.held_out)
            for n in record.nearest] == [
        (0, "shards/A1.h5", 1, "A", False),
        (1, "shards/B1.h5", 0, "B", False),
        (2, "shards/C1.h5", 1, "C", True),
    ]  # fmt: skip
    best = [
        max(sides) for sides in zip(record.nearest_training, record.nearest_held_out, strict=True)
    ]
    assert best == [nearest.value for nearest in record.nearest]
    assert record.nearest_held_out[0] < record.nearest_training[0]


def test_a_metric_that_fails_is_absent_unless_it_was_named(tmp_path: Path) -> None:
    """An evaluation by every installed metric goes on without the one that fails, and tells why;
    one that names it ends, and is another call, so that it does not find the first one's result."""

    def value(first: Any, second: Any) -> float:
        raise ZeroDivisionError("no luck")

    class Plugin:
        @hookimpl
        def register_metrics(self) -> list[PairMetric]:
            return [PairMetric("odd", "Odd", "Fails", "lower", 0.0, value), mse_plugin.METRIC]

    store, registry = LocalStore(tmp_path), Registry()
    registry.add(Plugin(), Provider("tests"))
    selected, generated = select(store, TRAINING, {"C1": [40]}), generate(store, [100, 110])
    context = StageContext(store, registry=registry)

    def call(*names: str) -> StageCall:
        return stage.call(
            selected, generated, EvaluationOptions(metrics=names, audit_frames=0), registry
        )

    made = stage.run(call(), context).data
    assert isinstance(made, EvaluationRecord)
    assert {value.metric for value in made.values} == {"mse"}
    assert "ZeroDivisionError: no luck" in made.absent["Odd"]
    with pytest.raises(PluginError, match="metric 'odd' failed"):
        stage.run(call("mse", "odd"), context)
    assert call().cache_key != call("mse", "odd").cache_key
    assert call().plugins == call("mse", "odd").plugins
