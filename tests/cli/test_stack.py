"""``lusgan up``, ``status``, ``doctor`` and ``notify`` where there is no stack."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from lusgan_ops.up.home import Home, UpSettings


def test_up_asks_for_exams(lusgan: Any, tmp_path: Path) -> None:
    """Without exams and without --s3 there is nothing to watch: bad usage, and nothing starts."""
    said = lusgan("up", "--home", tmp_path / "home")
    assert said.code == 2
    assert "--exams is missing" in said.last
    assert not (tmp_path / "home").exists()


def test_up_refuses_a_time_zone_that_is_none(lusgan: Any, tmp_path: Path) -> None:
    """The error names it and gives one, and nothing starts."""
    said = lusgan("up", "--exams", tmp_path, "--home", tmp_path / "home", "--timezone", "Berlin")
    assert said.code == 2
    assert "'Berlin' is no time zone: expected one such as Europe/Berlin" in " ".join(
        said.err.replace("│", " ").split()
    )
    assert not (tmp_path / "home").exists()


def test_up_on_a_port_in_use(lusgan: Any, tmp_path: Path) -> None:
    """One clear line, before anything starts."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        if port > 50_000:
            pytest.skip("the system gave a port that `lusgan up` does not take")
        said = lusgan("up", "--exams", tmp_path, "--home", tmp_path / "home", "--port", port)
    assert said.code == 1
    assert f"port {port}" in said.last
    assert "choose another --port" in said.last


@pytest.mark.parametrize("command", [("status",), ("notify", "1/1")])
def test_no_stack(lusgan: Any, tmp_path: Path, command: tuple[str, ...]) -> None:
    """The error says how to start one."""
    said = lusgan(*command, "--home", tmp_path)
    assert said.code == 2
    assert "start it, or say --home" in said.last


def test_a_stack_that_does_not_run(lusgan: Any, tmp_path: Path) -> None:
    """The error asks whether `lusgan up` is running."""
    Home(tmp_path).remember(UpSettings(exams=str(tmp_path), store=str(tmp_path), port=1025))
    said = lusgan("status", "--home", tmp_path)
    assert said.code == 1
    assert "is `lusgan up` running?" in said.last


def test_the_doctor_finds_what_is_wrong(
    lusgan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each thing looked at is ok or wrong with what to do; exit code 1 if any is wrong."""
    exams = tmp_path / "exams"
    exams.mkdir()
    store = str(tmp_path / "store")
    Home(tmp_path).remember(UpSettings(exams=str(exams), store=store, port=1025))
    said = lusgan("doctor", "--home", tmp_path, "--json")
    found = {finding["what"]: finding for finding in json.loads(said.out)}
    assert said.code == 1
    assert found["plugins"]["ok"]
    assert found["store"]["ok"]
    assert "is `lusgan up` running?" in found["server"]["text"]
    assert "no .mat file" in found["exams"]["text"]
    assert found["store"]["text"].endswith("can be written")
    monkeypatch.setattr("lusgan_core.store.LocalStore.keeps_deleted", lambda _: True)
    shown = lusgan("doctor", "--home", tmp_path)
    assert "the store's bucket keeps old versions" in " ".join(shown.out.split())
    assert "wrong server" in shown.out
    assert "ok    plugins" in shown.out


def test_notify_names_no_patient_when_it_fails(lusgan: Any, tmp_path: Path) -> None:
    """An exam that is not in the source is bad usage; its name is not repeated."""
    exams = tmp_path / "exams" / "7" / "1"
    exams.mkdir(parents=True)
    (exams / "convex_7_1_1.mat").write_bytes(b"not looked into")
    settings = UpSettings(exams=str(tmp_path / "exams"), store=str(tmp_path / "store"), port=1025)
    Home(tmp_path).remember(settings)
    said = lusgan("notify", "4711/1", "--home", tmp_path)
    assert said.code == 2
    assert "no such exam" in said.last
    assert "4711" not in said.err
