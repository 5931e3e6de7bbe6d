"""How runs are named and end whose models are not used, and what a person then decides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lusgan_core.pipeline.approval import waiting
from lusgan_core.promotion.current import current_model
from lusgan_core.promotion.history import read_history
from lusgan_core.store import LocalStore
from tiny_runs import CODES, tiny_config, write_exams

SHUT = "promotion.min_diversity=1000"


def run(folder: Path, *settings: str) -> Any:
    from lusgan_flows.pipeline import pipeline

    config = tiny_config(*settings, scores=(2,))
    return pipeline(
        str(folder / "exams"), str(folder / "store"), config, preset="demo", return_state=True
    )


def named(state: Any) -> str:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return str(client.read_flow_run(state.state_details.flow_run_id).name)


def shown(state: Any, key: str) -> str:
    """Return what a run's artifact of that key holds."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
    from prefect.client.schemas.filters import ArtifactFilterFlowRunId as OfRun

    only = ArtifactFilter(
        key=ArtifactFilterKey(any_=[key]),
        flow_run_id=OfRun(any_=[state.state_details.flow_run_id]),
    )
    with get_client(sync_client=True) as client:
        (found,) = client.read_artifacts(artifact_filter=only)
    return found.data if isinstance(found.data, str) else json.dumps(found.data)


@pytest.fixture(scope="module")
def held(prefect_server: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run the flow over three exams with a gate that nothing passes: its folder and state."""
    folder = tmp_path_factory.mktemp("held")
    write_exams(folder / "exams")
    return folder, run(folder, SHUT)


def test_a_run_whose_models_are_held_back_says_so(held: Any) -> None:
    """Its state is called so, with the gate in its message, and so does its name; who called the
    flow gets its result all the same."""
    _, state = held
    assert state.is_completed()
    assert state.name == "Held back"
    assert state.message == "the model held back: score 2 (collapse)"
    assert named(state) == f"retrain score 2 (3 new exams): {state.message}"
    assert state.result().scores[2]["promote"].data["promoted"] is False


def test_a_run_of_too_few_frames_says_so(held: Any) -> None:
    """Nothing was trained, and name and state say why."""
    state = run(held[0], "training.batch_size=512")
    assert state.name == "Nothing trained"
    assert state.message == "nothing trained: too few frames of score 2"
    assert named(state).startswith("report of 3 exams")
    assert named(state).endswith(state.message)


def test_what_waits_is_decided_on(held: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The artifact lists the held-back model with its report; rejected, it waits no more; promoted,
    it is current. Each is an entry with reviewer, comment and report; no patient is named."""
    from lusgan_flows.approve_flow import approve

    monkeypatch.setenv("LUSGAN_REPORTS_URL", "http://127.0.0.1:4201")
    folder, state = held
    store = LocalStore(folder / "store")
    (one,) = waiting(store)
    assert (one.score, one.gates) == (2, ("collapse",))
    text = shown(state, "waiting")
    assert one.model in text
    assert one.report in text
    asked = {"store": str(folder / "store"), "score": 2, "model": one.model[-8:]}
    said = approve(
        **asked, decision="reject", reviewer="Dr. Lee", comment="grey", return_state=True
    )
    assert named(said) == f"score 2: {one.model} rejected"
    assert shown(said, "waiting") == "Nothing waits: no model is held back."
    assert waiting(store) == ()
    assert current_model(store, 2) is None
    said = approve(**asked, decision="promote", reviewer="Dr. Ode", return_state=True)
    assert said.is_completed()
    assert current_model(store, 2).model == one.model  # type: ignore[union-attr]
    entries = [(e.action, e.who, e.reason, e.report.key) for e in read_history(store, 2)]  # type: ignore[union-attr]
    assert entries == [
        ("rejected", "Dr. Lee", "grey", one.report),
        ("promoted", "Dr. Ode", "none given", one.report),
    ]
    again = run(folder, SHUT)
    assert (again.name, again.message) == ("Completed", None)
    assert not any(code in text for code in CODES)
