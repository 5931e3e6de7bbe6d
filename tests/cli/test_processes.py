"""Runs as processes of their own: stopped, killed and gone on with, and with a plugin installed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lusgan_core.calls.provenance import Manifest
from lusgan_core.store import LocalStore
from tiny_runs import CODES, SETTINGS, Pipeline, tiny_config, write_exams

ITERATIONS = "training.iterations=120"
LUSGAN = (sys.executable, "-c", "from lusgan_cli import main; main()")


def command(exams: Path, store: Path, *settings: str) -> list[str]:
    """Return the command of a run of score 0 that saves a checkpoint every 0.15 s."""
    chosen = (*SETTINGS, "runtime.checkpoint_s=0.15", *settings)
    return [
        *LUSGAN, "run", "--exams", str(exams), "--store", str(store),
        "--preset", "demo", "--scores", "0",
        *(word for setting in chosen for word in ("--set", setting)),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def exams(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_exams(tmp_path_factory.mktemp("processes") / "exams")


@pytest.fixture(scope="module")
def uninterrupted(exams: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the generator of a training that nobody stopped."""
    pipeline = Pipeline(exams, tmp_path_factory.mktemp("uninterrupted"))
    outcome = pipeline.run(tiny_config(ITERATIONS, scores=(0,)), until="train")
    return pipeline.store.get(outcome.scores[0]["train"].artifacts["generator"].key)


def start(exams: Path, store: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start a run in a process group of its own, and wait until it has saved a new checkpoint."""

    def saved() -> list[str]:
        return sorted(p.name for p in store.glob("models/score-0/*/checkpoints/*"))

    before = saved()
    run = subprocess.Popen(
        command(exams, store, ITERATIONS),
        env=environment, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    until = time.monotonic() + 120
    while saved() in ([], before):
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < until, "no checkpoint within two minutes"
        time.sleep(0.02)
    return run


def test_killed_and_stopped_runs_go_on_to_the_same_weights(
    exams: Path, uninterrupted: bytes, prefect_server: dict[str, str], tmp_path: Path
) -> None:
    """kill -9, then Ctrl-C (130, a checkpoint, advice), then the end: byte for byte the same.

    Ctrl-C is sent as a terminal does, to Prefect's temporary server as well.
    """
    store = tmp_path / "store"
    run = start(exams, store, prefect_server)
    run.kill()
    run.communicate(timeout=60)
    assert run.returncode == -signal.SIGKILL

    own_server = {k: v for k, v in prefect_server.items() if k != "PREFECT_API_URL"}
    run = start(exams, store, own_server)
    os.killpg(run.pid, signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 130, err
    assert re.fullmatch(
        r"lusgan: stopped after iteration \d+ of 120; a checkpoint is saved: run the same command "
        "again to go on from there",
        err.splitlines()[-1],
    )
    assert "Traceback" not in err
    assert out == ""
    assert not list(store.glob("models/score-0/*/lease.json"))

    done = subprocess.run(
        command(exams, store, ITERATIONS), env=prefect_server, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (path,) = store.glob("models/score-0/*/manifest.json")
    manifest = Manifest.model_validate_json(path.read_bytes())
    assert manifest.data["resumed_from"] > 0
    assert LocalStore(store).get(manifest.artifacts["generator"].key) == uninterrupted


def test_a_plugin_is_used_from_training_to_report(
    exams: Path, example_plugin_path: Path, prefect_server: dict[str, str], tmp_path: Path
) -> None:
    """A package on the path gives a run its backbone, loss and metric; logs name no patient."""
    chosen = (
        "training.backbone=mirror", 'training.backbone_options={"width": 4}',
        "training.loss=Wasserstein", 'evaluation.metrics=["nmi", "mse", "ssim"]',
    )  # fmt: skip
    settings = [word for setting in chosen for word in ("--set", setting)]
    done = subprocess.run(
        [*command(exams, tmp_path), *settings, "--verbose"],
        env=prefect_server
        | {"PYTHONPATH": str(example_plugin_path), "PREFECT_LOGGING_LEVEL": "INFO"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Task run" in done.stderr or "Finished in state" in done.stderr
    assert not any(re.search(rf"\b{c}\b", done.stdout + done.stderr) for c in CODES)
    (path,) = tmp_path.glob("models/score-0/*/manifest.json")
    assert path.parent.name.startswith("Wasserstein-mirror-32px-")
    used = Manifest.model_validate_json(path.read_bytes()).plugins
    assert used["backbone/mirror"] == used["loss/Wasserstein"] == "lusgan-example 0.1.0"
    (page,) = tmp_path.glob("reports/*/index.html")
    assert "NMI" in page.read_text()
    assert "lusgan-example 0.1.0" in page.read_text()
