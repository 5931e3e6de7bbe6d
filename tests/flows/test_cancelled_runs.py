"""A run that a person cancels stays cancelled: the next looks leave its exams alone."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from lusgan_core.store import LocalStore
from lusgan_core.store.source import open_source
from tiny_runs import write_exams


class Server:
    """Runs of the flow ``pipeline`` on Prefect's server, ended as told.

    What other tests have killed still seems to be under way there, and is put down first.
    """

    def __init__(self, url: str, exams: Path) -> None:
        self.client, self.exams = httpx.Client(base_url=url, timeout=30), str(exams)
        self.flow = self._post("/flows/", name="pipeline")["id"]
        unfinished = {"state": {"type": {"any_": ["SCHEDULED", "PENDING", "RUNNING"]}}}
        for run in self._post("/flow_runs/filter", flow_runs=unfinished):
            self._end(run["id"], "CRASHED")

    def ended(self, kind: str, message: str = "", exams: str = "") -> None:
        """Have a run that has just ended in a state."""
        parameters = {"exams": exams or self.exams}
        run = self._post("/flow_runs/", flow_id=self.flow, parameters=parameters)["id"]
        self._end(run, kind, message)

    def _end(self, run: str, kind: str, message: str = "") -> None:
        state = {"type": kind, "message": message}
        self._post(f"/flow_runs/{run}/set_state", state=state, force=True)

    def _post(self, path: str, **body: Any) -> Any:
        answer = self.client.post(path, json=body)
        answer.raise_for_status()
        return answer.json()


@pytest.fixture
def server(prefect_server: dict[str, str], tmp_path: Path) -> Server:
    return Server(prefect_server["PREFECT_API_URL"], write_exams(tmp_path / "exams"))


def test_only_a_run_that_a_person_cancelled_last_counts(server: Server) -> None:
    """Neither a run that the server itself cancelled, nor one over other exams, nor one after
    which another ended."""
    from lusgan_flows.flow_runs import pipeline_cancelled

    server.ended("CANCELLED", exams="/others")
    assert pipeline_cancelled(server.exams) is None
    server.ended("CANCELLED")
    assert pipeline_cancelled(server.exams) is not None
    server.ended("CRASHED", exams="/others")
    assert pipeline_cancelled(server.exams) is not None
    server.ended("CRASHED")
    assert pipeline_cancelled(server.exams) is None
    server.ended("CANCELLED", "Deployment concurrency slot lost during provisioning")
    assert pipeline_cancelled(server.exams) is None


def test_a_look_leaves_cancelled_exams_alone(server: Server, tmp_path: Path) -> None:
    """What was announced before is not announced again, hours later; an exam that changes is."""
    from lusgan_core.pipeline.arrivals import Announcements, announced_key
    from lusgan_ops.watch import watch

    exams, store = tmp_path / "exams", LocalStore(tmp_path / "store")
    key = announced_key(open_source(str(exams)).uri)

    def look() -> int:
        return watch(str(exams), store.uri, settle_s=0)

    assert look() == 3
    said = json.loads(store.get(key))
    del said["sha256"]  # which would not fit what follows
    for exam in said["exams"]:
        exam["at"] = "2020-01-01T00:00:00Z"
    store.put(key, json.dumps(said).encode())
    server.ended("CANCELLED")
    assert look() == 0
    clip = min((exams / "9001").rglob("*_score.mat"))
    time.sleep(0.01)
    clip.write_bytes(clip.read_bytes() + b"\0")
    assert look() == 1
    server.ended("CRASHED")
    assert look() == 2
    assert len(Announcements.model_validate_json(store.get(key)).exams) == 3
