"""Trainings that a pipeline sends to other workers: side by side, and again if one dies."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from stack import FINAL, Stack

from lusgan_core.config import RunConfig
from tiny_runs import Pipeline, tiny_config, write_exams

pytestmark = pytest.mark.timeout(900)
SCORES = (0, 2)


def options() -> RunConfig:
    """Return options of trainings that last long enough to be killed in."""
    return tiny_config("training.iterations=1500", "runtime.checkpoint_s=0.5", scores=SCORES)


@pytest.fixture(scope="module")
def exams(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write tiny exams."""
    return write_exams(tmp_path_factory.mktemp("elsewhere") / "exams")


@pytest.fixture(scope="module")
def stack(unwatched: Stack) -> Stack:
    """Take the stack with two workers that train, each one score at a time."""
    return unwatched


def trainings(stack: Stack, state: str) -> list[dict[str, Any]]:
    """Runs of the flow `training` in a state."""
    body = {
        "flows": {"name": {"any_": ["training"]}},
        "flow_runs": {"state": {"type": {"any_": [state]}}},
        "limit": 50,
    }
    return list(stack.ask("/flow_runs/filter", body))


def test_a_killed_training_goes_on_elsewhere(stack: Stack, exams: Path) -> None:
    """Two scores train at once; both are killed with a worker, are sent again, and end the same."""
    run = stack.begin(
        "pipeline", exams=str(exams), store="s3://artifacts/elsewhere", preset="demo",
        config=options().model_dump(mode="json"), settle_s=0, train_on="training/training",
    )  # fmt: skip

    def checkpoints() -> int:
        keys = stack.stored("elsewhere/models/")
        return len({key.split("/")[2] for key in keys if "/checkpoints/" in key})

    stack.until(lambda: checkpoints() == len(SCORES), 240, "a checkpoint of both scores")
    assert len(trainings(stack, "RUNNING")) == len(SCORES)
    parent = stack.ask(f"/flow_runs/{run}")
    assert parent["name"] == "retrain scores 0, 2 (3 new exams)"
    assert stack.kill("--name trainer-0") == 1
    assert stack.kill_flows("training") == len(SCORES)
    stack.until(lambda: stack.state(run) in FINAL, 500, "the end of the run")
    assert stack.state(run) == "COMPLETED", stack.ask(f"/flow_runs/{run}")["state"]
    assert len(trainings(stack, "CRASHED")) == len(trainings(stack, "COMPLETED")) == len(SCORES)
    alone = Pipeline(exams, exams.parent / "store")
    for score, done in alone.run(options()).scores.items():
        key = done["train"].artifacts["generator"].key
        assert stack.get(f"elsewhere/{key}") == alone.store.get(key), score


def test_a_pool_has_so_many_places_for_all_workers(stack: Stack, exams: Path) -> None:
    """With one place, as `lusgan deploy --trainings 1` makes it, two workers train in turn."""
    limit_pool(stack, 1)
    run = stack.begin(
        "pipeline", exams=str(exams), store="s3://artifacts/in-turn", preset="demo",
        config=tiny_config(scores=SCORES).model_dump(mode="json"), settle_s=0,
        train_on="training/training",
    )  # fmt: skip
    stack.until(lambda: stack.state(run) in FINAL, 500, "the end of the run")
    assert stack.state(run) == "COMPLETED", stack.ask(f"/flow_runs/{run}")["state"]
    first, second = sorted(trainings(stack, "COMPLETED"), key=began)[-len(SCORES) :]
    assert datetime.fromisoformat(first["end_time"]) <= began(second)
    limit_pool(stack, len(SCORES))


def began(run: dict[str, Any]) -> datetime:
    """When a run began."""
    return datetime.fromisoformat(run["start_time"])


def limit_pool(stack: Stack, places: int) -> None:
    """Give the pool of the trainings so many places."""
    stack.ask("/work_pools/lusgan-gpu", {"concurrency_limit": places}, method="PATCH")


def test_a_cancelled_pipeline_cancels_its_trainings(stack: Stack, exams: Path) -> None:
    """Cancelling the pipeline in the UI stops the trainings too, with a checkpoint each."""
    chosen = options().model_dump(mode="json")
    chosen["training"]["iterations"] = 1_000_000
    run = stack.begin(
        "pipeline", exams=str(exams), store="s3://artifacts/cancelled", preset="demo",
        config=chosen, settle_s=0, train_on="training/training",
    )  # fmt: skip
    stack.until(lambda: len(trainings(stack, "RUNNING")) == len(SCORES), 240, "both trainings")
    stack.until(
        lambda: any("/checkpoints/" in key for key in stack.stored("cancelled/models/")),
        120, "a checkpoint",
    )  # fmt: skip
    body = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
    stack.ask(f"/flow_runs/{run}/set_state", body)
    stack.until(lambda: stack.state(run) in FINAL, 120, "the end of the run")
    stack.until(lambda: not trainings(stack, "RUNNING"), 120, "the end of the trainings")
    stack.until(lambda: not trainings(stack, "CANCELLING"), 120, "the end of the trainings")
    assert len(trainings(stack, "CANCELLED")) == len(SCORES)
    leases = [key for key in stack.stored("cancelled/models/") if key.endswith("lease.json")]
    assert leases == []


def test_a_worker_without_the_plugin_says_so(stack: Stack, exams: Path) -> None:
    """A call for a plugin that the worker lacks fails at once, and says what to install."""
    alone = Pipeline(exams, exams.parent / "store")
    selected = alone.run(options(), until="train").scores[0]["select"]
    from lusgan_core.registry import installed
    from lusgan_core.training import stage as train

    call = train.call(selected, options().training, 32, 1, installed())
    call = call.model_copy(update={"plugins": call.plugins | {"loss/MyLoss": "0" * 64}})
    run = stack.begin(
        "training", call=json.loads(call.model_dump_json()), store="s3://artifacts/nothing",
        runtime={},
    )  # fmt: skip
    stack.until(lambda: stack.state(run) in FINAL, 120, "the end of the run")
    told = stack.ask(f"/flow_runs/{run}")["state"]["message"]
    assert "needs the loss 'MyLoss', which is not installed on this worker" in told
    assert stack.stored("nothing/") == []
