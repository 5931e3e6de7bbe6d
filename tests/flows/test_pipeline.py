"""The flow itself, on a real Prefect server."""

from __future__ import annotations

import json
import logging
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from lusgan_core.calls.ledger import record_tried
from lusgan_core.errors import StoreError
from lusgan_core.ingestion.discover import discover
from lusgan_core.reporting.wording import number
from tiny_runs import CODES, Pipeline, tiny_config, write_exams

SCORES = (0, 2)
STAGES = len(SCORES) * 5 + 1
"""Tasks of every run: five stages a score, a report."""
TASKS = 3 * 2 + STAGES
"""Those of a run to which three exams are new: they are ingested and preprocessed, too."""


def run(folder: Path, *settings: str) -> Any:
    """Run the flow over the exams and the store in a folder; returns its final state."""
    from lusgan_flows.pipeline import pipeline

    config = tiny_config(*settings, scores=SCORES)
    return pipeline(
        str(folder / "exams"), str(folder / "store"), config, preset="demo", return_state=True
    )


def task_runs(state: Any, expected: int = STAGES) -> dict[str, str]:
    """Return the names of a flow run's tasks and how they ended, once the server knows so many.

    It learns of them a moment after they ended.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    only = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    until = time.monotonic() + 20
    with get_client(sync_client=True) as client:
        while True:
            found = client.read_task_runs(flow_run_filter=only)
            ended = [task for task in found if task.state and task.state.is_final()]
            if len(ended) >= expected or time.monotonic() > until:
                return {task.name: task.state_name for task in found}
            time.sleep(0.1)


@pytest.fixture(scope="module")
def first(prefect_server: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run the flow once; returns its folder, final state and task runs."""
    folder = tmp_path_factory.mktemp("flow")
    write_exams(folder / "exams")
    state = run(folder)
    return folder, state, task_runs(state, TASKS)


def test_a_task_a_stage(first: Any) -> None:
    """Every stage call of a run is one task run, which completed."""
    _, state, tasks = first
    assert state.is_completed()
    assert len(tasks) == TASKS
    assert set(tasks.values()) == {"Completed"}


def test_names_on_the_server_name_no_patient(first: Any) -> None:
    """Task runs are called by stage and number or score."""
    assert "ingest exam 1" in first[2]
    assert "train score 2" in first[2]
    assert not any(code in name for name in first[2] for code in CODES)


def test_the_flow_leaves_what_the_chain_leaves(first: Any, tmp_path: Path) -> None:
    """With Prefect and without, the same run ends in the same bytes."""
    folder = first[0]
    alone = Pipeline(folder / "exams", tmp_path / "store")
    alone.run(tiny_config(scores=SCORES))
    flow = Pipeline(folder / "exams", folder / "store").files()
    fixed = {k: v for k, v in alone.files().items() if k.endswith((".safetensors", ".h5", ".png"))}
    assert len(fixed) > 20
    assert {k: flow.get(k) for k in fixed} == fixed


def test_the_second_run_finds_every_task_cached(first: Any) -> None:
    """No task runs twice: all end as Cached, exams have none, and nothing in the store changes."""
    folder = first[0]
    before = Pipeline(folder / "exams", folder / "store").files()
    state = run(folder)
    tasks = task_runs(state)
    assert len(tasks) == STAGES
    assert set(tasks.values()) == {"Cached"}
    assert not [name for name in tasks if "exam" in name]
    assert Pipeline(folder / "exams", folder / "store").files() == before


def test_only_what_changed_runs_again(first: Any, tmp_path: Path) -> None:
    """Another number of frames runs generation and what follows; the rest is cached."""
    shutil.copytree(first[0], tmp_path, dirs_exist_ok=True)
    state = run(tmp_path, "generation.count=8")
    tasks = task_runs(state)
    ran = {name for name, how in tasks.items() if how == "Completed"}
    stages = {name.split()[0] for name in ran}
    assert stages == {"generate", "evaluate", "promote", "report"}
    assert len(ran) == 3 * len(SCORES) + 1


def test_many_exams_share_tasks(
    first: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run over more new exams than a stage may have tasks leaves no more tasks for it; one that
    cannot be read ends the run, and keeps none of those from being made that share its task."""
    from lusgan_core.preprocessing.exam import ExamPreprocessor
    from lusgan_flows import tasks
    from lusgan_flows.pipeline import pipeline

    monkeypatch.setattr(tasks, "MOST_SHARED", 2)
    whole = ExamPreprocessor.preprocess

    def failing(self: Any, exam: Any) -> Any:
        if exam.patient == CODES[0]:
            raise StoreError("the first exam's shards cannot be written")
        return whole(self, exam)

    shutil.copytree(first[0] / "exams", tmp_path / "exams")
    place = (str(tmp_path / "exams"), str(tmp_path / "store"), tiny_config())
    with monkeypatch.context() as broken:
        broken.setattr(ExamPreprocessor, "preprocess", failing)
        state = pipeline(*place, preset="demo", until="preprocess", return_state=True)
    assert "the first exam's shards" in state.message
    assert task_runs(state, 4) == {
        "ingest exam 1 and 1 more": "Completed", "ingest exam 3": "Completed",
        "preprocess exam 1 and 1 more": "Failed", "preprocess exam 3": "Completed",
    }  # fmt: skip
    made = {path.parts[-3] for path in (tmp_path / "store" / "shards").rglob("*.json")}
    assert made == set(CODES[1:])
    state = pipeline(*place, preset="demo", until="preprocess", return_state=True)
    assert task_runs(state, 1) == {"preprocess exam 1": "Completed"}


def test_looks_that_find_nothing_leave_one_run_a_day(first: Any, tmp_path: Path) -> None:
    """Of idle looks of a day the last one stays on the server, and so does one that announced."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName
    from prefect.client.schemas.sorting import FlowRunSort

    from lusgan_flows.flow_runs import LOOKING, NOTHING_NEW
    from lusgan_ops.watch import watch

    shutil.copytree(first[0] / "exams", tmp_path / "exams")
    place = (str(tmp_path / "exams"), str(tmp_path / "store"))
    only = FlowFilter(name=FlowFilterName(any_=["watch"]))
    with get_client(sync_client=True) as client:

        def names() -> list[str]:
            order = FlowRunSort.END_TIME_DESC
            return [one.name for one in client.read_flow_runs(flow_filter=only, sort=order)]

        for run in client.read_flow_runs(flow_filter=only):
            client.delete_flow_run(run.id)
        assert watch(*place, settle_s=0) == 3
        alone = Pipeline(tmp_path / "exams", tmp_path / "store")
        record_tried(alone.store, alone.source.uri, discover(alone.source).exams)
        for _ in range(3):
            assert watch(*place, settle_s=0) == 0
        assert names() == [NOTHING_NEW, "announced 3 exams"]
        for code in CODES:
            shutil.rmtree(tmp_path / "exams" / code)
        for _ in range(2):
            assert watch(*place, settle_s=0) == 0, "none is left: that is said, and nothing told"
        assert names() == [LOOKING, "announced 3 exams"]


def test_the_ui_has_a_table_of_distances(first: Any, tmp_path: Path) -> None:
    """Each score's distances stand in the UI, with the value that its evaluation measured."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    shutil.copytree(first[0], tmp_path, dirs_exist_ok=True)
    settings = (
        'evaluation.metrics=["ssim", "kid_textbook"]',
        'evaluation.features=["random"]',
        "evaluation.real_frames=none",
    )
    assert run(tmp_path, *settings).is_completed()
    (evaluation,) = [
        found
        for path in (tmp_path / "store").glob("evaluations/score-2/*/*/evaluation.json")
        if (found := json.loads(path.read_text()))["features"]
    ]
    value = next(v for v in evaluation["values"] if v["metric"] == "kid_textbook/random")
    key = ArtifactFilter(key=ArtifactFilterKey(any_=["score-2-distances"]))
    with get_client(sync_client=True) as client:
        (artifact,) = client.read_artifacts(artifact_filter=key)
    (row,) = json.loads(artifact.data) if isinstance(artifact.data, str) else artifact.data
    assert row["Distance"].startswith("KID, textbook (random)")
    assert row["Value"] == number(value["value"])
    assert row["Frames a side"] == str(value["number"])


def test_the_verdicts_begin_with_the_decision_on_each_score(first: Any) -> None:
    """A run's table of verdicts says of each score what became of its model."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        ArtifactFilter,
        ArtifactFilterFlowRunId,
        ArtifactFilterKey,
    )

    of = ArtifactFilter(
        key=ArtifactFilterKey(any_=["verdicts"]),
        flow_run_id=ArtifactFilterFlowRunId(any_=[first[1].state_details.flow_run_id]),
    )
    with get_client(sync_client=True) as client:
        (artifact,) = client.read_artifacts(artifact_filter=of)
    rows = json.loads(artifact.data) if isinstance(artifact.data, str) else artifact.data
    decided = {row["score"]: row["answer"] for row in rows if row[""] == "Decision"}
    assert decided.keys() == set(SCORES)
    assert set(decided.values()) <= {"Promoted", "Held back"}
    assert rows[0][""] == "Decision"


def test_a_cached_result_without_its_artifact_does_not_count(first: Any, tmp_path: Path) -> None:
    """Prefect remembers a training whose model was deleted; it is done again all the same."""
    shutil.copytree(first[0], tmp_path, dirs_exist_ok=True)
    (model,) = (tmp_path / "store").glob("models/score-2/*/generator.safetensors")
    weights = model.read_bytes()
    model.unlink()
    state = run(tmp_path)
    tasks = task_runs(state)
    assert [name for name, how in tasks.items() if how == "Completed"] == ["train score 2"]
    assert model.read_bytes() == weights


def test_a_withdrawn_exam_is_taken_out_by_the_flow(first: Any, tmp_path: Path) -> None:
    """The flow marks models that saw an exam which is gone, and trains their scores again."""
    shutil.copytree(first[0], tmp_path, dirs_exist_ok=True)
    run(tmp_path)  # exams and store are at another address now, where they become known
    seen = (tmp_path / "store").glob("models/score-0/*/clips.json")
    patient = json.loads(next(seen).read_text())["shards"][0].split("/")[1]
    shutil.rmtree(tmp_path / "exams" / patient)
    state = run(tmp_path)
    tasks = task_runs(state)
    ran = {name for name, how in tasks.items() if how == "Completed"}
    assert {"train score 0", "train score 2"} <= ran
    assert not any("exam" in name for name in ran)
    assert len(list((tmp_path / "store").glob("models/*/*/withdrawn.json"))) == 2
    assert not (tmp_path / "store" / "shards" / patient).exists()


def test_the_last_exams_are_withdrawn_by_the_flow(
    first: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`watch` says in one line that none is left; with the flag a run takes them out and ends."""
    from lusgan_flows.pipeline import pipeline
    from lusgan_ops.watch import watch

    shutil.copytree(first[0], tmp_path, dirs_exist_ok=True)
    place = (str(tmp_path / "exams"), str(tmp_path / "store"))
    alone = Pipeline(tmp_path / "exams", tmp_path / "store")
    record_tried(alone.store, alone.source.uri, discover(alone.source).exams)
    for code in CODES:
        shutil.rmtree(tmp_path / "exams" / code)
    caplog.set_level(logging.INFO, "prefect.flow_runs")
    monkeypatch.setattr(logging.getLogger("prefect.flow_runs"), "handlers", [caplog.handler])
    assert watch(*place) == 0
    assert "none of the 3 known exams is in" in caplog.text
    assert not any(code in caplog.text for code in CODES)
    monkeypatch.setattr("lusgan_core.store.LocalStore.keeps_deleted", lambda _: True)
    state = run(tmp_path)
    assert state.is_failed()
    assert "noncurrent versions" not in caplog.text
    assert "--withdraw-all" in state.message
    config = tiny_config(scores=SCORES)
    outcome = pipeline(*place, config, preset="demo", settle_s=0.1, withdraw_all=True)
    assert outcome.exams == 0
    assert not alone.files("shards/")
    assert "give it a lifecycle rule that deletes noncurrent versions" in caplog.text
    assert watch(*place) == 0
    assert "there are no exams yet" in caplog.text
