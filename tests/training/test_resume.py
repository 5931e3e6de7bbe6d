"""A training that was stopped or killed and goes on ends as one that was not, bit for bit."""

from __future__ import annotations

import csv
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

import tiny
from lusgan_core.errors import TrainingStopped
from lusgan_core.training.state import HISTORY

SCRIPT = Path(tiny.__file__).with_name("train_script.py")
NETS = {
    "everything": tiny.EVERYTHING,
    "batch norm": tiny.PLAIN,
    "no norm, r1, r2": tiny.PLAIN
    | {
        "loss": "RSGAN",
        "discriminator_steps": 2,
        "penalties": {"r1": {"weight": 1.0}, "r2": {"weight": 1.0, "every": 4}},
        "backbone_options": {
            "width": 4, "dropout": 0.0, "generator_norm": "none", "discriminator_norm": "none",
        },
    },
    "spectral norm, dropout": tiny.PLAIN
    | {
        "loss": "RaHinge",
        "backbone": "selu_sn",
        "backbone_options": {"width": 4, "max_width": 8, "dropout": 0.2},
        "ema_half_life": 20,
    },
}  # fmt: skip


def scalars(folder: Path, tag: str) -> dict[int, float]:
    """A curve as TensorBoard shows it: step -> value; no step twice."""
    events = EventAccumulator(str(folder / "model/tensorboard"), size_guidance={SCALARS: 0})
    points = events.Reload().Scalars(tag)
    steps = [point.step for point in points]
    assert steps == sorted(set(steps))
    return {point.step: point.value for point in points}


def history(folder: Path) -> list[dict[str, float]]:
    with (folder / "model/history.csv").open() as stream:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(stream)]


@pytest.mark.parametrize("name", NETS)
def test_stopped_at_every_iteration_equals_uninterrupted(plugins, tmp_path, name):
    """Stopped after each iteration and resumed, a training leaves the same files byte for byte:
    generator, history, checkpoint, previews and animation."""
    chosen = tiny.options(NETS[name], iterations=5)
    straight = tiny.run(tmp_path / "straight", chosen, plugins)
    for done in range(1, 5):
        with pytest.raises(TrainingStopped, match=rf"after iteration {done} of 5; .* same command"):
            tiny.run(tmp_path / "stopped", chosen, plugins, stop=tiny.stopped())
    resumed = tiny.run(tmp_path / "stopped", chosen, plugins, stop=tiny.stopped())
    assert resumed.resumed_from == 4
    assert straight.resumed_from == 0
    assert resumed.artifacts == straight.artifacts
    assert resumed.warnings == straight.warnings
    expected = tiny.left(tmp_path / "straight")
    assert "model/generator.safetensors" in expected
    assert tiny.left(tmp_path / "stopped") == expected


def start_script(folder: Path, iterations: int) -> subprocess.Popen[str]:
    """Start a training as a process, and wait until it has left a checkpoint."""
    command = [sys.executable, str(SCRIPT), str(folder), str(iterations)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if list(folder.glob("model/checkpoints/*.safetensors")):
            return process
        time.sleep(0.005)
    process.kill()
    raise AssertionError(f"no checkpoint was made: {process.communicate()[1]}")


def test_killed_at_random_equals_uninterrupted(plugins, tmp_path):
    """Killed (-9) at a random moment, with every option on, and resumed, a training leaves the
    same files byte for byte; the dead holder's lease stops nobody."""
    chosen = tiny.options(tiny.EVERYTHING, iterations=200)
    tiny.run(tmp_path / "straight", chosen, plugins)
    killed = tmp_path / "killed"
    process = start_script(killed, 200)
    time.sleep(random.uniform(0, 0.3))
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert (killed / "model/lease.json").exists()
    assert not (killed / "model/generator.safetensors").exists(), "it was over before the kill"
    resumed = tiny.run(killed, chosen, plugins)
    assert 0 < resumed.resumed_from < 200
    for half_written in killed.rglob(".partial-*"):
        half_written.unlink()
    assert tiny.left(killed) == tiny.left(tmp_path / "straight")
    rows = history(killed)
    curve = scalars(killed, "loss_generator")
    assert set(range(20, 201, 20)) <= set(curve)
    for step, value in curve.items():
        assert value == pytest.approx(rows[step - 1]["loss_generator"], rel=1e-6)


def test_ctrl_c_leaves_a_checkpoint_and_says_how_to_go_on(tmp_path):
    """SIGINT ends a training after its step: no traceback, the way on said, lease given back."""
    process = start_script(tmp_path, 20_000)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "of 20,000; a checkpoint is saved: run the same command again" in said
    *_, checkpoint = sorted((tmp_path / "model/checkpoints").iterdir())
    assert f"after iteration {int(checkpoint.stem):,} of" in said
    assert not (tmp_path / "model/lease.json").exists()


def test_curves_of_a_resumed_training_have_each_step_once(plugins, tmp_path):
    """TensorBoard shows every loss once, at its step, after a stop and after a kill that came when
    events had been written and their checkpoint had not."""
    chosen = tiny.options(iterations=45)
    with pytest.raises(TrainingStopped):
        tiny.run(tmp_path / "stopped", chosen, plugins, stop=tiny.stopped())
    first = (tmp_path / "stopped/model/checkpoints/00000001.safetensors").read_bytes()
    tiny.run(tmp_path / "lost", chosen, plugins)
    (checkpoint,) = (tmp_path / "lost/model/checkpoints").iterdir()
    checkpoint.unlink()
    checkpoint.with_name("00000001.safetensors").write_bytes(first)
    for name, steps in (("stopped", [1, 20, 40, 45]), ("lost", [20, 40, 45])):
        folder = tmp_path / name
        assert tiny.run(folder, chosen, plugins).resumed_from == 1
        rows = history(folder)
        assert [row["iteration"] for row in rows] == list(range(1, 46))
        for tag in HISTORY:
            curve = scalars(folder, tag)
            assert list(curve) == steps
            for step, value in curve.items():
                assert value == pytest.approx(rows[step - 1][tag], rel=1e-6)
        assert scalars(folder, "images_seen") == {step: 4 * step for step in steps}


def test_a_training_resumed_by_another_pytorch_says_so(plugins, tmp_path, monkeypatch):
    """The model warns of it; one that another PyTorch only hands out again has nothing to say."""
    chosen = tiny.options()
    with pytest.raises(TrainingStopped):
        tiny.run(tmp_path, chosen, plugins, stop=tiny.stopped())
    before = torch.__version__
    monkeypatch.setattr(torch, "__version__", "9.1")
    warning = f"trained by PyTorch {before} and then 9.1"
    assert [w for w in tiny.run(tmp_path, chosen, plugins).warnings if w.startswith(warning)]
    monkeypatch.setattr(torch, "__version__", "9.2")
    assert [w for w in tiny.run(tmp_path, chosen, plugins).warnings if "9.2" in w] == []


def test_a_finished_training_run_again_only_hands_out_what_it_left(plugins, tmp_path):
    """A second run, as after a crash before the manifest, trains nothing and changes no file."""
    chosen = tiny.options()
    first = tiny.run(tmp_path, chosen, plugins)
    before = tiny.left(tmp_path)
    again = tiny.run(tmp_path, chosen, plugins)
    assert again.resumed_from == chosen.iterations
    assert again.artifacts == first.artifacts
    assert tiny.left(tmp_path) == before
