"""Validation patients through the chain: looked at, not trained on, and known to withdrawal."""

from __future__ import annotations

import json

import pytest

from lusgan_core.calls.call import data_of
from lusgan_core.pipeline.chain import Outcome
from lusgan_core.selection.stage import ScoreDataset
from lusgan_core.training.stage import ModelRecord
from tiny_runs import Pipeline, tiny_config, write_exams

LOOK = (
    "training.monitor.every=2",
    "training.monitor.frames=16",
    "training.monitor.min_spread=0",
)
VALIDATE = ("selection.validation=0.3", "selection.held_out=0.1")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """Return a chain over exams of seven patients."""
    folder = tmp_path_factory.mktemp("validation")
    return Pipeline(write_exams(folder / "exams", patients=7), folder / "store")


def run(pipeline: Pipeline, *settings: str, until: str = "train") -> Outcome:
    outcome = pipeline.run(tiny_config(*settings, scores=(0,)), until=until)
    outcome.check()
    return outcome


def test_the_whole_chain_with_a_monitor(pipeline: Pipeline) -> None:
    """Patients are on one side each, the model tells of what was looked at, clips of validation
    patients are among those that it saw, and the report says what was done."""
    outcome = run(pipeline, *VALIDATE, *LOOK, until="report")
    stages = outcome.scores[0]
    dataset, model = data_of(stages["select"], ScoreDataset), data_of(stages["train"], ModelRecord)
    sides = [
        {c.patient for c in s} for s in (dataset.training, dataset.validation, dataset.held_out)
    ]
    assert all(sides)
    assert sum(map(len, sides)) == len(set.union(*sides))
    assert model.validation_frames == dataset.validation_frames
    assert model.validation_patients == len(sides[1])
    assert model.best_iteration in (2, 4)
    assert model.images_per_s > 0
    assert model.peak_memory_mb > 1
    seen = json.loads(pipeline.store.get(f"{model.folder}/clips.json"))["shards"]
    assert set(seen) == {clip.key for clip in (*dataset.training, *dataset.validation)}
    assert outcome.report
    page = pipeline.store.get(outcome.report.artifacts["page"].key).decode()
    for words in ("Validation patients", "Weights of iteration", "Images a second", "Peak memory"):
        assert words in page


def test_who_validates_is_in_the_key_of_those_who_are_looked_at_alone(pipeline: Pipeline) -> None:
    """Without a look a training depends on the frames that it trains on, and on nothing else."""
    plain = run(pipeline, *VALIDATE).scores[0]["train"]
    looked = run(pipeline, *VALIDATE, *LOOK).scores[0]["train"]
    assert "validation" not in plain.inputs
    assert "validation" in looked.inputs
    assert {"feature/random", "metric/kid"} <= set(looked.identities)
    assert not {"feature/random", "metric/kid"} & set(plain.identities)
    assert data_of(plain, ModelRecord).validation_frames == 0
    nobody = run(pipeline, "selection.held_out=0.1", *LOOK).scores[0]["train"]
    warnings = data_of(nobody, ModelRecord).warnings
    assert any("selection.validation" in warning for warning in warnings)
