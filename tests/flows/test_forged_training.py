"""The deployment ``training``, called by somebody who is no pipeline."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any

import pytest

from lusgan_core.calls.call import StageCall
from lusgan_core.errors import ConfigError, LusganError
from lusgan_core.registry import installed
from lusgan_core.training import stage as train
from tiny_runs import Pipeline, tiny_config, write_exams

OPTIONS = tiny_config(scores=(0,))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """Train score 0 once."""
    folder = tmp_path_factory.mktemp("forged")
    pipeline = Pipeline(write_exams(folder / "exams"), folder / "store")
    pipeline.run(OPTIONS, until="train")
    return pipeline


@pytest.fixture(scope="module")
def call(done: Pipeline) -> StageCall:
    """Make the call that its pipeline made."""
    selected = done.run(OPTIONS, until="train").scores[0]["select"]
    sizes = OPTIONS.preprocessing
    return train.call(selected, OPTIONS.training, sizes.image_size, sizes.channels, installed())


@pytest.fixture(autouse=True)
def without_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what the flow shows of its progress: there is no run to show it of."""
    monkeypatch.setattr("lusgan_flows.training.board", nullcontext)


def training(call: StageCall, done: Pipeline, **more: Any) -> None:
    """Run the flow's function, as a worker does with parameters that have crossed a network."""
    from lusgan_core.calls.runtime import Runtime
    from lusgan_flows.training import training as flow

    crossed = StageCall.model_validate(json.loads(call.model_dump_json()))
    flow.fn(crossed, store=done.store.uri, runtime=Runtime(device="cpu"), **more)


def test_a_pipelines_own_call_is_taken(done: Pipeline, call: StageCall) -> None:
    """It finds the model that is there, and changes nothing."""
    before = done.files()
    training(call, done)
    assert done.files() == before


@pytest.mark.parametrize(
    "forged",
    [
        {"manifest": "current/score-0.json"},
        {"manifest": "models/score-0/other-32px-c1-x/manifest.json"},
        {"manifest": "../outside/manifest.json"},
        {"cache_key": "0" * 64},
        {"inputs": {"frames": "0" * 64, "score": "0"}},
        {"label": "9001 was here"},
        {"arguments": {}},
        {"arguments": {"selected": "current/score-0.json"}},
        {"arguments": {"selected": "../../etc/passwd"}},
        {"options": {"iterations": "many"}},
        {"stage": "report", "version": None},
    ],
    ids=str,
)
def test_a_forged_call_touches_nothing(
    forged: dict[str, Any], done: Pipeline, call: StageCall
) -> None:
    """Whatever part of a call is another one, it is refused before an object is deleted."""
    from lusgan_core.pipeline.runner import VERSIONS

    if "version" in forged:
        forged = forged | {"version": VERSIONS[forged["stage"]]}
    before = done.files()
    assert "current/score-0.json" in before or any(key.startswith("models/") for key in before)
    with pytest.raises(LusganError):
        training(call.model_copy(update=forged), done)
    assert done.files() == before


def test_the_reason_says_what_to_start_instead(done: Pipeline, call: StageCall) -> None:
    """The error names the deployments that people start."""
    with pytest.raises(ConfigError, match="pipeline or train-score"):
        training(call.model_copy(update={"cache_key": "0" * 64}), done)


def test_a_run_names_no_server(
    done: Pipeline, call: StageCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a worker, an address with ``?endpoint=`` is refused before a request is made."""
    from lusgan_core.calls.runtime import Runtime
    from lusgan_flows.training import training as flow

    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "a run")
    with pytest.raises(ConfigError, match="not set up for"):
        flow.fn(
            call, store="s3://bucket/p?endpoint=http://127.0.0.1:9", runtime=Runtime(device="cpu")
        )
