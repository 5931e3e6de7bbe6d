"""Likeness by any metric on pairs: nearest pairs, Table 1, and the distances of gates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_evaluation_score import generate, select

from lusgan_core.calls.call import StageContext
from lusgan_core.calls.runtime import Runtime
from lusgan_core.calls.section import REAL, SYNTHETIC, find
from lusgan_core.errors import ConfigError
from lusgan_core.evaluation import stage
from lusgan_core.evaluation.choice import identical_likeness
from lusgan_core.evaluation.section import evaluation_section
from lusgan_core.evaluation.stage import FIRST_SYNTHETIC, EvaluationOptions, EvaluationRecord
from lusgan_core.judgement import Candidate
from lusgan_core.promotion.candidate import candidate_of
from lusgan_core.registry import Registry
from lusgan_core.store import LocalStore
from lusgan_core.training.stage import ModelRecord

TRAINING = {"A1": [10, 30], "B1": [70]}
HELD_OUT = {"C1": [150, 190]}


@pytest.fixture
def evaluate(tmp_path: Path, plugins: Registry) -> Any:
    store = LocalStore(tmp_path)

    def evaluated(**options: Any) -> EvaluationRecord:
        call = stage.call(
            select(store, TRAINING, HELD_OUT),
            generate(store, [28, 75, 200]),
            EvaluationOptions.model_validate({"metrics": ("ssim",), "audit_frames": 0} | options),
            plugins,
        )
        runtime = Runtime(device="cpu", threads=1)
        made = stage.run(call, StageContext(store, registry=plugins, runtime=runtime)).data
        assert isinstance(made, EvaluationRecord)
        assert set(call.plugins) == {"metric/ssim", f"metric/{options.get('likeness', 'ssim')}"}
        return made

    return evaluated


def test_a_metric_of_which_less_is_more_alike(evaluate: Any) -> None:
    """Named as likeness, MSE is computed though it is not among the metrics; the nearest frame is
    the one with the smallest value, and Table 1 is of it."""
    record = evaluate(likeness="mse")
    assert record.likeness == "mse"
    assert [(n.real.shard, n.real.frame, n.value) for n in record.nearest] == [
        ("shards/A1.h5", 1, 4.0), ("shards/B1.h5", 0, 25.0), ("shards/C1.h5", 1, 100.0),
    ]  # fmt: skip
    assert record.nearest_training == (4.0, 25.0, 130.0**2)
    table = [v.value for v in record.values if v.between[:1] == (FIRST_SYNTHETIC,)]
    assert table[:3] == [0.0, 47.0**2, 172.0**2]
    assert find(record.values, "mse", (REAL, SYNTHETIC)) is not None


def candidate(record: EvaluationRecord) -> Candidate:
    model = ModelRecord.model_construct(score=2, name="m", values=())
    return candidate_of(model, record)


def test_gates_see_distances_whichever_direction_is_better(evaluate: Any) -> None:
    """By MSE a distance is the value itself, the closest real frames have the smallest value, and
    diversity is the ratio of means; by SSIM it is 1 minus the value, as ever."""
    by_mse, by_ssim = candidate(evaluate(likeness="mse")), candidate(evaluate())
    assert by_mse.to_training == (4.0, 25.0, 130.0**2)
    assert by_mse.to_held_out == (122.0**2, 75.0**2, 100.0)
    assert by_mse.closest_real == pytest.approx(40**2)
    synthetic = (47**2 + 172**2 + 125**2) / 3
    pairs = [(10, 70), (30, 70), (10, 150), (10, 190), (30, 150), (30, 190), (70, 150), (70, 190)]
    real = sum((a - b) ** 2 for a, b in pairs) / 8
    assert by_mse.diversity == pytest.approx(synthetic / real)
    record = evaluate()
    assert by_ssim.to_training == tuple(1 - value for value in record.nearest_training)
    closest = find(record.values, "ssim", (REAL, REAL), "max")
    assert closest is not None
    assert by_ssim.closest_real == pytest.approx(1 - (closest.value or 0))


@pytest.mark.parametrize(
    ("name", "expected"), [("ssim", 1.0), ("mse", 0.0), ("vif", 1.0), ("scc", 1.0)]
)
def test_distances_are_counted_from_identical_frames(
    plugins: Registry, name: str, expected: float
) -> None:
    """Where the value of identical frames depends on the frame, the bound stands in for it."""
    assert identical_likeness(plugins.pair_metric(name)) == expected


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"likeness": "psnr"}, "'psnr', which has no finite value for identical frames"),
        (
            {"likeness": "kid"},
            "evaluation.likeness: the metric 'kid' compares sets of frames.*: ergas.*ssim",
        ),
        ({"likeness": "msssim"}, "'msssim', which is absent: needs 176 pixels a side"),
    ],
)
def test_what_cannot_tell_likeness_is_refused(
    evaluate: Any, options: dict[str, Any], match: str
) -> None:
    """A metric that is infinite for identical frames, one on sets, and one that needs larger
    frames are refused with the reason."""
    with pytest.raises(ConfigError, match=match):
        evaluate(**options)


def test_ssim_stands_in_for_msssim_only_where_nobody_asked_for_it(evaluate: Any) -> None:
    """A report says that SSIM was taken for want of MS-SSIM, unless the options name SSIM."""
    said = "SSIM stands in for MS-SSIM throughout."
    assert said in evaluation_section(evaluate()).notes
    assert said not in evaluation_section(evaluate(likeness="ssim"), likeness_named=True).notes
