"""What `lusgan status` tells of a real server, a store and this machine."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from lusgan_core.pipeline.last_look import LastLook, last_look, look_key, record_look
from lusgan_core.store import LocalStore
from lusgan_core.store.source import open_source
from lusgan_ops.prefect_api import ask
from lusgan_ops.up import status as module
from lusgan_ops.up.home import Home, UpSettings
from lusgan_ops.up.services import POOL
from lusgan_ops.up.status import Run, Status, gpus, status


@pytest.fixture
def stack(prefect_server: dict[str, str], tmp_path: Path) -> tuple[Home, UpSettings]:
    """A home whose settings lead to the tests' server."""
    home, exams = Home(tmp_path / "home"), tmp_path / "exams"
    exams.mkdir()
    port = urlsplit(prefect_server["PREFECT_API_URL"]).port
    settings = UpSettings(exams=str(exams), store=str(tmp_path / "store"), port=port or 0)
    home.remember(settings)
    pool = {"name": POOL, "type": "process"}
    httpx.post(f"{settings.api}/work_pools/", json=pool, timeout=30)  # it may be there
    return home, settings


def begin(api: str, name: str, state: dict[str, Any]) -> str:
    """Put a run of the flow `pipeline` into a state, as Prefect's client does."""
    flow = ask(api, "/flows/", {"name": "pipeline"})["id"]
    run = ask(api, "/flow_runs/", {"name": name, "flow_id": flow})["id"]
    ask(api, f"/flow_runs/{run}/set_state", {"state": state, "force": True})
    return str(run)


def test_runs_are_told_with_progress_waits_and_ends(stack: tuple[Home, UpSettings]) -> None:
    """What runs, how far and how long still; what waits and why; how the last ones ended; which
    clips were rejected, by the latest run."""
    home, settings = stack
    api = settings.api
    run = begin(api, "retrain score 2", {"type": "RUNNING"})
    work = {"type": "progress", "flow_run_id": run, "description": "train score 2"}
    ask(api, "/artifacts/", {**work, "data": 25.0, "metadata_": {"left_s": "90"}})
    ask(api, "/artifacts/", {**work, "data": 100.0, "description": "ingest"})
    began = begin(api, "over", {"type": "SCHEDULED", "name": "AwaitingConcurrencySlot"})
    begin(api, "trained", {"type": "COMPLETED", "name": "Held back", "message": "all 4 ..."})
    for clips in (1, 3):
        rows = [{"reason": "no score file", "clips": clips, "exams": 1}]
        ask(api, "/artifacts/", {"key": "rejected", "type": "table", "data": json.dumps(rows)})
    try:
        found = status(home, settings, 6.0)
        assert found.problems == ["no worker is online: `lusgan doctor` says what to do"]
        (running,) = [one for one in found.running if one.name == "retrain score 2"]
        assert [(p.what, p.percent, p.left_s) for p in running.progress] == [
            ("train score 2", 25.0, 90.0)
        ]
        assert ("over", "another run of this deployment is under way") in {
            (wait.what, wait.why) for wait in found.waiting
        }
        assert ("trained", "Held back", "all 4 ...") in {
            (ended.name, ended.state, ended.message) for ended in found.recent
        }
        assert [(row["clips"], row["exams"]) for row in found.rejected] == [(3, 1)]
        assert found.problems == ["no worker is online: `lusgan doctor` says what to do"]
        assert found.free_gb[str(home.path)] > 0
    finally:
        for left in (run, began):
            ask(
                api, f"/flow_runs/{left}/set_state", {"state": {"type": "CANCELLED"}, "force": True}
            )


def test_nobody_looking_is_alarming(stack: tuple[Home, UpSettings]) -> None:
    """By the last look in the store; without one, by when the stack was made."""
    home, settings = stack
    store, source = LocalStore(Path(settings.store)), open_source(settings.exams).uri
    up = home.path / "up.json"

    def said() -> list[str]:
        return [text for text in status(home, settings, 6.0).problems if "no look" in text]

    assert said() == []
    long_ago = datetime.now(UTC).timestamp() - 7 * 3600
    os.utime(up, (long_ago, long_ago))
    assert said()[0].startswith("no look for new exams for 7.0 hours")
    assert record_look(store, source, exams=3, announced=0, arriving=2)
    assert said() == []
    assert status(home, settings, 6.0).waiting[-1].what == "2 exams"
    old = LastLook(at=datetime.now(UTC) - timedelta(hours=30), exams=3, announced=0, arriving=0)
    store.put(look_key(source), old.sealed())
    assert said()[0].startswith("no look for new exams for 30.0 hours")


def test_a_look_of_the_watch_is_recorded(stack: tuple[Home, UpSettings]) -> None:
    """Also one that finds nothing; the server is told of looks once an hour, not each time."""
    from lusgan_ops.watch import watch

    _, settings = stack
    store, source = LocalStore(Path(settings.store)), open_source(settings.exams).uri
    watch(settings.exams, settings.store)
    first = last_look(store, source)
    watch(settings.exams, settings.store)
    second = last_look(store, source)
    assert first is not None
    assert second is not None
    assert first.at < second.at
    assert first.told == second.told == first.at


def test_a_gpu_is_named_with_its_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As NVIDIA's tool says; where there is none, or it fails, there is no GPU."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H100 80GB HBM3, 37, 1234, 81559'\n")
    tool.chmod(0o755)
    monkeypatch.setattr(module, "NVIDIA", (str(tool),))
    assert gpus() == ("NVIDIA H100 80GB HBM3: 37% busy, 1234 of 81559 MiB",)
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert gpus() == ()
    monkeypatch.setattr(module, "NVIDIA", (str(tmp_path / "none"),))
    assert gpus() == ()


def test_a_server_that_is_away_hides_nothing_else(tmp_path: Path) -> None:
    """Store, disk and looks are told all the same, and what is wrong first."""
    home = Home(tmp_path / "home")
    settings = UpSettings(exams=str(tmp_path), store=str(tmp_path / "store"), port=1025)
    home.remember(settings)
    record_look(LocalStore(tmp_path / "store"), open_source(str(tmp_path)).uri, 3, 0, 0)
    found = status(home, settings, 6.0)
    assert "is `lusgan up` running?" in found.problems[0]
    assert found.last_look is not None
    assert found.last_look.exams == 3
    assert len(found.free_gb) == 2
    assert found.rejected is None


def test_the_server_takes_the_automation_that_misses_looks(prefect_server: dict[str, str]) -> None:
    """It is proactive: it acts where no look was told of for six hours, whoever is gone."""
    from uuid import uuid4

    from lusgan_ops.up.automations import notifications

    (silent,) = [a for a in notifications("a/b", uuid4()) if "nobody looks" in a.name]
    body = silent.model_dump(mode="json")
    api = prefect_server["PREFECT_API_URL"]
    made = httpx.post(f"{api}/automations/", json=body, timeout=30)
    assert made.status_code == 201, made.text
    trigger = made.json()["trigger"]
    assert (trigger["posture"], trigger["expect"]) == ("Proactive", ["lusgan.exams.looked"])
    assert trigger["within"] == 6 * 3600
    httpx.delete(f"{api}/automations/{made.json()['id']}", timeout=30)


def test_a_state_is_shown_in_words(tmp_path: Path) -> None:
    """What needs a person comes first; what is absent is said, not left out."""
    from lusgan_cli.status import lines

    found = Status("http://ui", problems=["no worker is online"])
    found.recent = (Run("retrain score 2", "Held back", "2026-11-27T02:00:00Z", "all 4 held back"),)
    shown = list(lines(found, tmp_path))
    assert "no worker is online" in shown[0]
    assert "held back: retrain score 2, 2026-11-27 02:00 UTC: all 4 held back" in shown
    for said in ("running: nothing", "GPU: no GPU"):
        assert said in shown
    assert "rejected: not known" in "\n".join(shown)
    found.rejected = ()
    assert "rejected: no clip" in list(lines(found, tmp_path))
    assert "last look for new exams: none yet" in shown
