"""The stage that judges a model, at the end of real, tiny chains."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lusgan_core.calls.section import Measured, find
from lusgan_core.promotion.current import current_model, promote, roll_back
from lusgan_core.promotion.history import CurrentModel, read_history
from lusgan_core.promotion.stage import PromotionRecord
from lusgan_core.promotion.withdrawal_marks import mark
from tiny_runs import CODES, Pipeline, tiny_config, write_exams

OPEN = ("promotion.min_diversity=0", "promotion.keep_diversity=0")
SHUT = ("promotion.min_diversity=1000",)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the chain for one score up to the evaluation, which decides nothing."""
    folder = tmp_path_factory.mktemp("promote")
    pipeline = Pipeline(write_exams(folder / "exams"), folder / "store")
    pipeline.run(tiny_config(scores=(2,)), until="evaluate")
    assert not pipeline.files("current/")
    return folder


@pytest.fixture
def pipeline(finished: Path, tmp_path: Path) -> Pipeline:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return Pipeline(tmp_path / "exams", tmp_path / "store")


def decide(pipeline: Pipeline, *settings: str) -> PromotionRecord:
    """Run to the report and return what became of the model."""
    outcome = pipeline.run(tiny_config(*settings, scores=(2,)))
    return PromotionRecord.model_validate(outcome.scores[2]["promote"].data)


def values_of(record: PromotionRecord) -> tuple[Measured, ...]:
    """Return the values that the gate on collapse went by."""
    return next(verdict.values for verdict in record.verdicts if verdict.gate == "collapse")


def page(pipeline: Pipeline) -> str:
    (key,) = [key for key in pipeline.files("reports/") if key.count("/") > 1 and "index" in key]
    return pipeline.store.get(key).decode()


def test_a_model_that_passes_is_current(pipeline: Pipeline) -> None:
    """`current` names its folder, weights and verdicts; the report says so."""
    record = decide(pipeline, *OPEN)
    assert record.promoted
    assert pipeline.made == ["promote score 2", "report"]
    current = current_model(pipeline.store, 2)
    assert current.model == record.model
    assert current.by == "gates"
    assert current.verdicts == record.verdicts
    assert pipeline.store.exists(f"{current.folder}/generator.safetensors")
    assert pipeline.store.exists(current.trained)
    assert pipeline.store.exists(current.evaluated)
    assert "This is the current model of score 2." in page(pipeline)


def test_a_model_that_fails_is_kept_and_told_of(pipeline: Pipeline) -> None:
    """It is in the store but not current, and the report says which gate held it back, and why."""
    decided = pipeline.run(tiny_config(*SHUT, scores=(2,))).scores[2]["promote"]
    record = PromotionRecord.model_validate(decided.data)
    assert decided.counts == {"gates": len(record.verdicts), "failed": 1}
    assert not record.promoted
    assert record.held_back.startswith("collapse: synthetic frames differ by ")
    assert [v.gate for v in record.verdicts if not v.passed] == ["collapse"]
    assert current_model(pipeline.store, 2) is None
    assert read_history(pipeline.store, 2) == ()
    assert "Held back: collapse: synthetic frames differ by" in page(pipeline)
    assert not any(code in page(pipeline) for code in CODES)


def test_frames_of_an_untrained_model_are_a_collapse(pipeline: Pipeline) -> None:
    """With the limits as they are, a generator that makes one frame over and over is held back."""
    record = decide(pipeline)
    assert not record.promoted
    assert find(values_of(record), "diversity", (), "share").value < 0.05


def test_a_decision_is_taken_once(pipeline: Pipeline) -> None:
    """The same run again judges nothing and writes nothing, whether it promoted or held back."""
    for setting in (SHUT, OPEN):
        decide(pipeline, *setting)
        before = pipeline.files()
        decide(pipeline, *setting)
        assert pipeline.made == []
        assert pipeline.files() == before


def test_a_person_who_rolled_back_is_not_overruled(pipeline: Pipeline) -> None:
    """The model left by hand stays out, even when it is judged again by another evaluation."""
    decide(pipeline, *OPEN)
    first = current_model(pipeline.store, 2)
    second = decide(pipeline, *OPEN, "training.seed=1")
    assert (second.promoted, second.before) == (True, first.model)
    roll_back(pipeline.store, 2)
    decide(pipeline, *OPEN, "training.seed=1")
    assert current_model(pipeline.store, 2).model == first.model
    again = decide(pipeline, *OPEN, "training.seed=1", "evaluation.real_frames=5")
    assert not again.promoted
    assert again.held_back.startswith("it was rolled back by hand")
    assert current_model(pipeline.store, 2).model == first.model


def test_automatic_promotion_can_be_off(pipeline: Pipeline) -> None:
    """Then a model that passes waits for a person."""
    record = decide(pipeline, *OPEN, "promotion.automatic=false")
    assert all(verdict.passed for verdict in record.verdicts)
    assert "waits for `lusgan promote`" in record.held_back
    assert current_model(pipeline.store, 2) is None


def test_a_marked_model_is_not_promoted(pipeline: Pipeline) -> None:
    """What saw a withdrawn exam is held back, whatever its gates say."""
    (folder,) = {"/".join(key.split("/")[:3]) for key in pipeline.files("models/")}
    mark(pipeline.store, folder, "01234567", datetime.now(UTC))
    record = decide(pipeline, *OPEN)
    assert record.held_back == "it saw an exam that was withdrawn since"
    assert current_model(pipeline.store, 2) is None


def test_the_current_model_is_what_a_new_one_is_judged_beside(pipeline: Pipeline) -> None:
    """Diversity has to keep a share of the current model's, which is read from its evaluation."""
    decide(pipeline, *OPEN)
    beside = decide(pipeline, "training.iterations=5", *OPEN[:1], "promotion.keep_diversity=1")
    alone = decide(pipeline, *OPEN)
    limit = find(values_of(beside), "diversity", (), "limit").value
    diversity = find(values_of(alone), "diversity", (), "share").value
    assert limit == pytest.approx(diversity)
    assert limit > 0


def test_a_current_model_without_an_evaluation_is_none_to_judge_beside(pipeline: Pipeline) -> None:
    """Who promotes a model by hand that was never judged does not break the runs that follow."""
    trained = pipeline.run(tiny_config(scores=(2,)), until="train").scores[2]["train"]
    name, folder = trained.data["name"], trained.data["folder"]
    promote(
        pipeline.store,
        CurrentModel(
            score=2, model=name, folder=folder, trained=trained.manifest_key,
            promoted=datetime.now(UTC), by="hand",
        ),
    )  # fmt: skip
    second = decide(pipeline, *OPEN[:1], "training.seed=1")
    assert (second.promoted, second.before) == (True, name)
