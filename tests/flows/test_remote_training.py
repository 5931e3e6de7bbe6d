"""Trainings that are sent elsewhere, while Prefect's server or the store comes and goes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from lusgan_core.calls.call import StageCall
from lusgan_core.calls.ledger import ExamLedger, record_tried
from lusgan_core.calls.provenance import Manifest
from lusgan_core.errors import LusganError, StoreError, TrainingError
from lusgan_core.ingestion.discover import discover
from lusgan_core.registry import installed
from lusgan_core.store import LocalStore
from lusgan_core.training import stage as train
from tiny_runs import Pipeline, tiny_config, write_exams

pytestmark = pytest.mark.usefixtures("prefect_server")  # before anything imports Prefect
SCORES = (0, 2)


class Way:
    """A way to a server that can be closed: who comes by it then finds nobody."""

    def __init__(self, url: str) -> None:
        self.there = (urlsplit(url).hostname, urlsplit(url).port)
        self.open()

    def open(self, port: int = 0) -> None:
        """Listen; a new way has a port of its own."""
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.ends: list[socket.socket] = []
        threading.Thread(target=self._listen, args=(self.listener,), daemon=True).start()

    def close(self) -> None:
        """Break off what is under way, and listen no more."""
        for end in (self.listener, *self.ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _listen(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self.there)
                self.ends += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, here: socket.socket, there: socket.socket) -> None:
        with suppress(OSError):
            while data := here.recv(1 << 16):
                there.sendall(data)
            there.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pipeline, dict[int, StageCall]]:
    """Train two scores; returns where, and the calls that would train them."""
    folder = tmp_path_factory.mktemp("sent")
    pipeline, config = Pipeline(write_exams(folder / "exams"), folder / "store"), tiny_config()
    done = pipeline.run(config, until="train").scores
    size = config.preprocessing.image_size
    return pipeline, {
        score: train.call(done[score]["select"], config.training, size, 1, installed())
        for score in SCORES
    }


@pytest.fixture
def way(prefect_server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    """Lead Prefect to its server by a way that can be closed, and look often."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.setattr("lusgan_flows.remote_training.POLL_S", 0.1)
    monkeypatch.setattr("lusgan_flows.remote_training.LOOK_FOR_LOST_S", 0.2)
    way = Way(prefect_server["PREFECT_API_URL"])
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{way.port}/api"}):
        yield way
    way.close()


class Server:
    """What a person or a worker does on Prefect's server itself."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=30)

    def ask(self, path: str, **body: Any) -> Any:
        """Post to the API."""
        answer = self.client.post(path, json=body)
        answer.raise_for_status()
        return answer.json()

    def deploy(self, name: str) -> None:
        """Have a deployment training/NAME that no worker looks at."""
        flow = self.ask("/flows/", name="training")["id"]
        self.ask("/deployments/", name=name, flow_id=flow, enforce_parameter_schema=False)

    def runs(self, name: str) -> list[dict[str, Any]]:
        """Runs of the deployment, one for each training that was sent."""
        return self.ask("/flow_runs/filter", deployments={"name": {"any_": [name]}})

    def end(self, run: dict[str, Any], kind: str, message: str = "") -> None:
        """End a run."""
        self.ask(
            f"/flow_runs/{run['id']}/set_state",
            state={"type": kind, "message": message}, force=True,
        )  # fmt: skip


@pytest.fixture
def server(prefect_server: dict[str, str]) -> Server:
    return Server(prefect_server["PREFECT_API_URL"])


Found = dict[int, Manifest | LusganError]


def sent(
    name: str, trained: tuple[Pipeline, Mapping[int, StageCall]], meanwhile: Callable[[], None]
) -> Found:
    """Send the trainings to training/NAME; returns what they came to."""
    from prefect.logging import disable_run_logger

    from lusgan_flows.remote_training import RemoteTraining
    from lusgan_flows.tasks import Place

    pipeline, calls = trained
    place = Place(store=pipeline.store.uri, exams=pipeline.source.uri)
    thread = threading.Thread(target=meanwhile)
    thread.start()
    try:
        with disable_run_logger():
            return RemoteTraining(f"training/{name}", place, pipeline.store).trainings(calls)
    finally:
        thread.join()


def when_sent(server: Server, name: str) -> list[dict[str, Any]]:
    """Wait until both trainings were sent; returns their runs."""
    until = time.monotonic() + 60
    while len(found := server.runs(name)) < len(SCORES):
        assert time.monotonic() < until, "nothing was sent"
        time.sleep(0.1)
    return found


def test_trainings_outlive_an_outage_of_the_server(
    trained: tuple[Pipeline, dict[int, StageCall]], way: Way, server: Server
) -> None:
    """While the server is away nothing is cancelled or sent twice; then all of it is found."""
    server.deploy("outage")

    def restart() -> None:
        runs = when_sent(server, "outage")
        time.sleep(0.5)
        way.close()
        time.sleep(2)
        for run in runs:
            server.end(run, "COMPLETED")
        way.open(way.port)

    found = sent("outage", trained, restart)
    for score, made in found.items():
        assert isinstance(made, Manifest)
        assert made.cache_key == trained[1][score].cache_key
    assert [run["state_type"] for run in server.runs("outage")] == ["COMPLETED"] * len(SCORES)


def test_trainings_are_sent_once_the_server_is_there(
    trained: tuple[Pipeline, dict[int, StageCall]], way: Way, server: Server
) -> None:
    """A server that is away when trainings are to be sent is waited for."""
    server.deploy("late")
    way.close()

    def start() -> None:
        time.sleep(4)  # Prefect's client itself tries for less than two
        way.open(way.port)
        for run in when_sent(server, "late"):
            server.end(run, "COMPLETED")

    assert set(sent("late", trained, start)) == set(SCORES)


def test_an_outage_of_the_store_is_one_elsewhere_too(
    trained: tuple[Pipeline, dict[int, StageCall]], way: Way, server: Server
) -> None:
    """A training that lost the store says nothing about its score, which others are not told of
    before they have ended; what else goes wrong is the score's own."""
    server.deploy("store")

    def fail() -> None:
        first, second = when_sent(server, "store")
        said = "Flow run encountered an exception: "
        server.end(first, "FAILED", f"{said}StoreError: s3://artifacts does not answer: try later")
        time.sleep(1)
        server.end(second, "FAILED", f"{said}TrainingError: the loss is NaN")

    with pytest.raises(StoreError, match=r"^s3://artifacts does not answer: try later$"):
        sent("store", trained, fail)
    assert [run["state_type"] for run in server.runs("store")] == ["FAILED"] * len(SCORES)

    server.deploy("nan")

    def diverge() -> None:
        for run in when_sent(server, "nan"):
            server.end(run, "FAILED", "Flow run encountered an exception: TrainingError: NaN")

    assert all(isinstance(f, TrainingError) for f in sent("nan", trained, diverge).values())


def test_exams_stay_unknown_while_the_server_is_away(
    trained: tuple[Pipeline, object], tmp_path: Path
) -> None:
    """What says nothing about the exams does not count as having tried them; an error does."""
    from lusgan_flows.pipeline_run import _remembering

    store, found = LocalStore(tmp_path), discover(trained[0].source)
    for error, known in ((httpx.ConnectError("gone"), 0), (TrainingError("NaN"), 3)):
        with pytest.raises(type(error)), _remembering(store, "/exams", found, found.exams):
            raise error
        assert len(ExamLedger.load(store, "/exams").exams) == known


def test_what_another_run_noted_meanwhile_stays(
    trained: tuple[Pipeline, object], tmp_path: Path
) -> None:
    """A run that took hours does not write over what was recorded since it began."""
    from lusgan_flows.pipeline_run import _remembering

    store, found = LocalStore(tmp_path), discover(trained[0].source)
    first, other = (replace(found, exams=found.exams[part]) for part in (slice(1), slice(1, 2)))
    with _remembering(store, "/exams", first, first.exams):
        record_tried(store, "/exams", other.exams)
    assert len(ExamLedger.load(store, "/exams").exams) == 2
