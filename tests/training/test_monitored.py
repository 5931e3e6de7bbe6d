"""Trainings that the monitor acts on: what they end as, and that a stop changes nothing of it."""

from __future__ import annotations

import csv
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import tiny
from lusgan_core.api import Loss, Step, Targets
from lusgan_core.errors import TrainingError, TrainingStopped
from lusgan_core.networks.weights import from_bytes, to_bytes
from lusgan_core.progress import Task, listening
from lusgan_core.registry import Registry
from lusgan_core.training.job import Trained
from lusgan_core.training.measuring import Validation

SCRIPT = Path(tiny.__file__).with_name("monitored_script.py")
MONITORED: dict[str, Any] = tiny.EVERYTHING | {
    "loss": "breaks",
    "loss_options": {},
    "smooth_real": None,
    "smooth_fake": None,
    "flip_labels": 0.0,
    "flip_batch": 0.0,
    "monitor": {"every": 3, "frames": 16, "max_overfit": 0.0, "min_spread": 0.9},
}


def judge(real: Tensor, fake: Tensor, targets: Targets, step: Step, options: Any) -> Tensor:
    value = torch.nn.functional.softplus(fake - real).mean()
    return value * torch.nan if step.iteration == 4 else value


def forge(real: Tensor, fake: Tensor, targets: Targets, step: Step, options: Any) -> Tensor:
    return torch.nn.functional.softplus(real - fake).mean()


BREAKS = Loss("breaks", "NaN in its fifth iteration", judge, forge, reads=frozenset({"iteration"}))


def train(
    folder: Path, *, stop: bool = False, validation: Validation | None = None, **changes: Any
) -> Trained:
    chosen = tiny.options(MONITORED, **({"iterations": 8} | changes))
    given = tiny.stopped() if stop else None
    registry = tiny.with_loss(BREAKS)
    seen = validation or tiny.validation()
    return tiny.run(folder, chosen, registry, stop=given, validation=seen)


def looks(folder: Path) -> list[dict[str, float]]:
    with (folder / "model/looks.csv").open() as stream:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(stream)]


def weights(folder: Path) -> dict[str, Tensor]:
    return from_bytes((folder / "model/generator.safetensors").read_bytes())[0]


def test_nan_goes_back_and_the_training_ends_well(tmp_path: Path) -> None:
    """The weights of iteration 3 come back after the look at 6, at half the rates; the end's values
    leave the lost stretch out; log, result and looks tell of it."""
    tasks: set[int] = set()
    said: list[str] = []

    def listen(task: Task) -> None:
        if task.finished and id(task) not in tasks:
            tasks.add(id(task))
            said.extend(task.said)

    with listening(listen):
        made = train(tmp_path)
    backs = [event for event in made.events if event.kind == "rolled back"]
    assert [(event.since, event.iteration) for event in backs] == [(3, 6)]
    assert said == [event.text for event in made.events]
    assert backs[0].text in made.warnings
    assert all(value.value is not None and np.isfinite(value.value) for value in made.values)
    assert [row["iteration"] for row in looks(tmp_path)] == [3, 6, 8]
    assert [row["rate_share"] for row in looks(tmp_path)] == [1, 0.5, 0.5]
    assert all(value.isfinite().all() for value in weights(tmp_path).values())
    with (tmp_path / "model/history.csv").open() as stream:
        rates = [float(row["lr_discriminator"]) for row in csv.DictReader(stream)]
    assert rates[6] == pytest.approx(0.5 * rates[5] * (1 - 5e-4), rel=1e-5)


def test_without_a_monitor_nan_ends_a_training(tmp_path: Path) -> None:
    """As it always did."""
    with pytest.raises(TrainingError, match="became NaN or infinite before iteration"):
        train(tmp_path, monitor={})


@pytest.mark.parametrize("patience", [0, 2])
def test_stopped_at_every_iteration_equals_uninterrupted(tmp_path: Path, patience: int) -> None:
    """Going back, raised augmentation, best weights and an early end included: the same files byte
    for byte, stopped after each iteration or after none."""
    monitor = MONITORED["monitor"] | {"every": 2, "patience": patience}
    straight = train(tmp_path / "straight", iterations=9, monitor=monitor)
    assert [event for event in straight.events if event.kind == "rolled back"]
    for _ in range(straight.iterations - 1):
        with pytest.raises(TrainingStopped):
            train(tmp_path / "stopped", iterations=9, monitor=monitor, stop=True)
    resumed = train(tmp_path / "stopped", iterations=9, monitor=monitor, stop=True)
    assert resumed.resumed_from == straight.iterations - 1
    assert (straight.iterations < 9) == bool(patience)
    assert resumed.events == straight.events
    assert resumed.warnings == straight.warnings
    assert tiny.left(tmp_path / "stopped") == tiny.left(tmp_path / "straight")


def test_killed_at_random_equals_uninterrupted(tmp_path: Path) -> None:
    """kill -9 at any moment, checkpoints each hundredth of a second: the same files."""
    straight = train(tmp_path / "straight", iterations=90)
    folder = tmp_path / "killed"
    command = [sys.executable, str(SCRIPT), str(folder), "90"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 120
    while process.poll() is None and not list(folder.glob("model/checkpoints/*.safetensors")):
        assert time.monotonic() < until, "no checkpoint within two minutes"
        time.sleep(0.005)
    time.sleep(random.uniform(0, 0.3))
    process.kill()
    said = process.communicate()[1]
    assert process.returncode == -signal.SIGKILL, said
    resumed = train(folder, iterations=90)
    assert resumed.resumed_from > 0
    assert resumed.events == straight.events
    assert tiny.left(folder) == tiny.left(tmp_path / "straight")


def test_the_best_weights_become_the_model(tmp_path: Path) -> None:
    """They are those that a training of so many iterations has at its end, and not the last."""
    monitor = {"every": 2, "frames": 16, "min_spread": 0.0}
    changes = {"loss": "RSGAN", "decay_generator": 0.0, "ema_half_life": 0, "lr_generator": 0.02}
    made = train(tmp_path / "all", iterations=12, monitor=monitor, **changes)
    rows = looks(tmp_path / "all")
    best = int(min(rows, key=lambda row: row["kid"])["iteration"])
    assert best < 12, "the last look is the best: choose other options"
    assert made.best_iteration == best
    train(tmp_path / "some", iterations=best, monitor={}, **changes)
    for name, value in weights(tmp_path / "some").items():
        assert torch.equal(value, weights(tmp_path / "all")[name]), name
    last = train(
        tmp_path / "last", iterations=12, monitor=monitor | {"keep_best": False}, **changes
    )
    assert last.best_iteration == 0
    assert not all(
        torch.equal(value, weights(tmp_path / "last")[name])
        for name, value in weights(tmp_path / "all").items()
    )


def test_looking_changes_nothing_of_a_training_that_goes_well(
    plugins: Registry, tmp_path: Path
) -> None:
    """Batches, weights and history are those of a training that nobody looks at."""
    quiet = {"every": 2, "frames": 16, "keep_best": False, "max_overfit": 1.0}
    for name, monitor in (("looked at", quiet), ("not", {})):
        chosen = tiny.options(tiny.EVERYTHING, iterations=6, monitor=monitor)
        tiny.run(tmp_path / name, chosen, plugins, validation=tiny.validation())
    for name in ("generator.safetensors", "history.csv"):
        one, other = ((tmp_path / folder / "model" / name) for folder in ("looked at", "not"))
        assert one.read_bytes() == other.read_bytes(), name


def test_overfitting_raises_the_strength_that_images_get(tmp_path: Path) -> None:
    """The history shows at least the strength that the looks asked for: validation frames are grey
    here, as an untrained generator's are."""
    monitor = {"every": 1, "frames": 16, "max_overfit": 0.0, "keep_best": False}
    shape = (20, tiny.SIZE, tiny.SIZE)
    grey = Validation(np.full(shape, 127, np.uint8), tuple("12" * 10), tuple("ab" * 10))
    made = train(
        tmp_path, loss="RSGAN", iterations=12, monitor=monitor, augmentation_strength=0.0,
        augmentation_images=0, lr_discriminator=0.01, validation=grey,
    )  # fmt: skip
    asked = [row["least_augmentation"] for row in looks(tmp_path)]
    assert max(asked) > 0
    assert "augmentation" in [event.kind for event in made.events]
    with (tmp_path / "model/history.csv").open() as stream:
        found = [float(row["augmentation"]) for row in csv.DictReader(stream)]
    assert found[1:] == pytest.approx(asked[:-1])


def test_a_monitor_without_validation_frames_says_so(plugins: Registry, tmp_path: Path) -> None:
    """The last weights are the model then, and the result warns."""
    chosen = tiny.options(monitor={"every": 2, "frames": 16})
    made = tiny.run(tmp_path, chosen, plugins)
    assert made.best_iteration == 0
    assert any("no validation frames" in warning for warning in made.warnings)


def test_a_checkpoint_holds_what_the_monitor_kept(tmp_path: Path) -> None:
    """Good and best weights are tensors of it, all else is JSON of its header."""
    train(tmp_path, monitor={"every": 3, "frames": 16, "min_spread": 0.0})
    (checkpoint,) = (tmp_path / "model/checkpoints").iterdir()
    tensors, header = from_bytes(checkpoint.read_bytes())
    assert json.dumps(header["watch"]["events"])
    generator = {name for name in tensors if name.startswith("generator.")}
    assert {f"good.{name}" for name in generator} <= set(tensors)
    assert {name.replace("generator.", "best.", 1) for name in generator} <= set(tensors)


def test_a_checkpoint_with_a_monitor_of_another_kind_is_refused(tmp_path: Path) -> None:
    """One line names the checkpoint, as for any other that does not fit."""
    with pytest.raises(TrainingStopped):
        train(tmp_path, stop=True)
    (checkpoint,) = (tmp_path / "model/checkpoints").iterdir()
    tensors, header = from_bytes(checkpoint.read_bytes())
    header["watch"]["horoscope"] = "good"
    del header["digest"]  # as earlier versions wrote them
    checkpoint.write_bytes(to_bytes(tensors, header))
    with pytest.raises(TrainingError, match=r"cannot go on from .* does not fit"):
        train(tmp_path)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_frames_of_one_grey_level_are_trained_on(tmp_path: Path, level: int) -> None:
    """Nothing of them divides by zero, neither in the training nor in a look."""
    shape = (8, tiny.SIZE, tiny.SIZE)
    flat = np.full(shape, level, np.uint8)
    monitor = {"every": 2, "frames": 16}
    chosen = tiny.options(monitor=monitor, iterations=4)
    given = Validation(flat, ("1",) * 8, ("a",) * 8)
    registry = tiny.with_loss(BREAKS)
    made = tiny.run(tmp_path, chosen, registry, frames=flat, validation=given)
    assert made.iterations == 4
    assert all(np.isfinite(row["spread"]) for row in looks(tmp_path))


def test_validation_may_be_one_clip_or_one_frame(plugins: Registry, tmp_path: Path) -> None:
    """Frames of one clip count one by one, as there is no other group; of one frame there is no
    distance, and the last weights are kept."""
    frames = tiny.some_frames(6)
    for count, best in ((6, True), (1, False)):
        given = Validation(frames[:count], ("1",) * count, ("a",) * count)
        chosen = tiny.options(monitor={"every": 2, "frames": 16, "min_spread": 0.0})
        made = tiny.run(tmp_path / str(count), chosen, plugins, validation=given)
        assert bool(made.best_iteration) == best
