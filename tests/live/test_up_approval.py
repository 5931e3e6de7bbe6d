"""A person decides in the UI: the deployment `approve` on a real stack, with artifacts in S3."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stack import FINAL, Stack

from lusgan_core.pipeline.approval import waiting
from lusgan_core.promotion.current import current_model
from lusgan_core.store import Store, open_store
from lusgan_ops.up.home import Home, UpSettings
from lusgan_ops.up.services import s3_environment
from tiny_runs import Pipeline, tiny_config, write_exams

pytestmark = pytest.mark.timeout(900)
STORE = "s3://artifacts/approval"


@pytest.fixture
def store(up: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A place of its own in the stack's bucket, with a model of score 2 that was held back."""
    stack = up.need()
    found = s3_environment(Home(stack.home), UpSettings(port=stack.port))
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    pipeline = Pipeline(write_exams(tmp_path / "exams"), tmp_path / "unused")
    pipeline.store = opened = open_store(STORE)
    pipeline.run(tiny_config("promotion.min_diversity=1000", scores=(2,)))
    return opened


def decide(stack: Stack, **asked: Any) -> dict[str, Any]:
    """Run the deployment as its form does; returns the run once it has ended."""
    run = stack.begin("approve", store=STORE, score=2, **asked)
    stack.until(lambda: stack.state(run) in FINAL, 240, "the decision")
    return dict(stack.ask(f"/flow_runs/{run}"))


def test_a_held_back_model_is_approved(up: Stack, store: Store) -> None:
    """Rejected, then promoted all the same: both with reviewer, comment and report in the history,
    which is whole; a model that is not there fails the run, which is named by what it tried."""
    (one,) = waiting(store)
    name = one.model
    rejected = decide(up, model=name, decision="reject", reviewer="Dr. Lee", comment="grey")
    assert rejected["state_type"] == "COMPLETED", rejected["state"]
    which = {"flow_run_id": {"any_": [rejected["id"]]}, "key": {"any_": ["waiting"]}}
    (text,) = [a["data"] for a in up.ask("/artifacts/filter", {"artifacts": which})]
    assert text.startswith("Nothing waits")
    promoted = decide(up, model=name[-8:], decision="promote", reviewer="Dr. Ode")
    assert promoted["state_type"] == "COMPLETED", promoted["state"]
    current = current_model(store, 2)
    assert current is not None
    assert current.model == name
    failed = decide(up, model="nonsense", decision="promote", reviewer="Dr. Ode")
    assert (failed["state_type"], failed["name"]) == ("FAILED", "promote nonsense of score 2")
    said = up.lusgan("history", "2", "--store", STORE, "--json", s3=True)
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)["score 2"]
    assert found["broken"] == []
    assert [(e["action"], e["who"], e["reason"]) for e in found["entries"]] == [
        ("rejected", "Dr. Lee", "grey"), ("promoted", "Dr. Ode", "none given"),
    ]  # fmt: skip
    assert {e["report"]["key"] for e in found["entries"]} == {one.report}


def test_status_tells_of_the_last_look(up: Stack) -> None:
    """The watch of a running stack looks, and `status` says when; nothing needs a person."""
    stack = up.need()

    def told() -> dict[str, Any] | None:
        said = stack.lusgan("status", f"--home={stack.home}", "--json", s3=True)
        found = dict(json.loads(said.stdout))
        looked = found["last_look"] and found["workers"]
        return {**found, "code": said.returncode} if looked else None

    found = stack.until(told, 240, "a look")
    assert (found["problems"], found["code"]) == ([], 0)
