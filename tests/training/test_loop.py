"""A whole training: what it leaves, what it refuses, and what happens when values explode."""

from __future__ import annotations

import csv
import json
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

import tiny
from lusgan_core.api import Loss
from lusgan_core.calls.interrupts import StopFlag
from lusgan_core.calls.runtime import Runtime
from lusgan_core.errors import (
    ConfigError,
    MissingError,
    TooFewFramesError,
    TrainingError,
    UnknownPluginError,
)
from lusgan_core.networks.device import pick_device
from lusgan_core.networks.generator import GeneratorRecord
from lusgan_core.networks.weights import from_bytes, load_network
from lusgan_core.progress import Task, listening
from lusgan_core.training.loop import train
from lusgan_core.training.state import HISTORY


def test_a_training_leaves_what_it_names(plugins, tmp_path):
    """Generator, checkpoint, animation and history are in the store under the keys handed out;
    the generator's file says how to build it, and the history has a row an iteration."""
    chosen = tiny.options(tiny.EVERYTHING, iterations=3, discriminator_steps=2)
    made = tiny.run(tmp_path, chosen, plugins)
    assert set(made.artifacts) == {"generator", "checkpoint", "progress", "history"}
    assert all((tmp_path / key).is_file() for key in made.artifacts.values())
    assert made.device == "cpu"
    assert made.images_seen == 3 * 2 * 4
    data = (tmp_path / made.artifacts["generator"]).read_bytes()
    record = GeneratorRecord.model_validate(from_bytes(data)[1]["generator"])
    assert record == made.record
    assert record.backbone_options["dropout"] == 0.3
    load_network(record.build(plugins), data)
    with (tmp_path / made.artifacts["history"]).open() as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["iteration", *HISTORY]
    assert [row["iteration"] for row in rows] == ["1", "2", "3"]
    assert float(rows[2]["lr_generator"]) == pytest.approx(4e-4 * 0.999**2, rel=1e-6)


@pytest.mark.parametrize("half_life", [0, 30])
def test_the_average_generates_where_there_is_one(plugins, tmp_path, half_life):
    """The generator's file holds the checkpoint's average, or without one its last weights."""
    made = tiny.run(tmp_path, tiny.options(ema_half_life=half_life), plugins)
    checkpoint = load((tmp_path / made.artifacts["checkpoint"]).read_bytes())
    generator = load((tmp_path / made.artifacts["generator"]).read_bytes())
    name = "average" if half_life else "generator"
    assert all(torch.equal(value, checkpoint[f"{name}.{key}"]) for key, value in generator.items())


def test_rgb_frames_give_an_rgb_generator(plugins, tmp_path):
    """Frames (N, S, S, 3) train networks of three channels; grey ones of one."""
    colour = tiny.run(tmp_path, tiny.options(), plugins, frames=tiny.some_frames(colour=True))
    assert (colour.record.channels, colour.record.image_size) == (3, tiny.SIZE)
    images = colour.record.build(plugins)(torch.randn(2, 6))
    assert images.shape == (2, 3, tiny.SIZE, tiny.SIZE)


@pytest.mark.parametrize("size", [32, 64])
def test_frames_decide_the_size_of_images(plugins, tmp_path, size):
    """A generator paints images as large as the frames it is trained on."""
    made = tiny.run(
        tmp_path, tiny.options(iterations=1), plugins, frames=tiny.some_frames(size=size)
    )
    assert made.record.image_size == size
    assert made.record.build(plugins)(torch.randn(1, 6)).shape == (1, 1, size, size)


def test_progress_goes_from_nothing_to_all(plugins, tmp_path):
    """Listeners hear of one task, of as many units as iterations, which ends finished and done."""
    heard: list[tuple[int, int, bool]] = []

    def listen(task: Task) -> None:
        heard.append((task.done, task.total, task.finished))

    with listening(listen):
        tiny.run(tmp_path, tiny.options(iterations=41), plugins)
    assert heard[0] == (0, 41, False)
    assert heard[-1] == (41, 41, True)
    assert [done for done, _, _ in heard] == sorted(done for done, _, _ in heard)
    assert {20, 40} <= {done for done, _, _ in heard}


def test_tensorboard_shows_fixed_noise_at_its_iterations(plugins, tmp_path):
    """The pictures that TensorBoard shows are those of the previews, at the same iterations."""
    tiny.run(tmp_path, tiny.options(previews=3), plugins)
    (events,) = (tmp_path / "model/tensorboard").iterdir()
    pictures = EventAccumulator(str(events.parent)).Reload().Images("fixed noise")
    names = sorted((tmp_path / "model/previews").iterdir())
    assert [picture.step for picture in pictures] == [int(path.stem) for path in names]
    assert all(picture.width == picture.height == 2 * tiny.SIZE for picture in pictures)


def test_tensorboard_shows_losses_and_images_seen(plugins, tmp_path):
    """Every column of the history has a curve, and so has the number of images up to then."""
    made = tiny.run(tmp_path, tiny.options(iterations=3, discriminator_steps=2), plugins)
    shown = EventAccumulator(str(tmp_path / "model/tensorboard")).Reload()
    assert set(shown.Tags()["scalars"]) == {*HISTORY, "images_seen"}
    (seen,) = shown.Scalars("images_seen")
    assert (seen.step, seen.value) == (3, made.images_seen)


def test_the_last_two_checkpoints_stay(plugins, tmp_path):
    """However many checkpoints a training wrote, those of its last two iterations are left."""
    tiny.run(tmp_path, tiny.options(iterations=6), plugins, checkpoint_s=1e-9)
    names = sorted(path.name for path in (tmp_path / "model/checkpoints").iterdir())
    assert names == ["00000005.safetensors", "00000006.safetensors"]


def test_too_few_frames_are_refused(plugins, tmp_path):
    """Fewer frames than a batch: the error has both numbers, and nothing was written."""
    with pytest.raises(TooFewFramesError, match="3 training frames do not fill a batch of 4"):
        tiny.run(tmp_path, tiny.options(), plugins, frames=tiny.some_frames(3))
    assert list(tmp_path.rglob("*")) == []
    assert tiny.run(tmp_path, tiny.options(), plugins, frames=tiny.some_frames(4)).images_seen == 20


@pytest.mark.parametrize("name", ["banana", "cuda:77"])
def test_an_unknown_device_is_refused(plugins, tmp_path, name):
    """The error names the device and the one that always works."""
    with pytest.raises(MissingError, match=f"is '{name}', and there is no .*runtime.device=cpu"):
        train(
            tiny.some_frames(), tiny.options(), tiny.job(tmp_path), plugins,
            Runtime(device=name), StopFlag(),
        )  # fmt: skip
    assert pick_device("cpu").type == "cpu"
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def plain_generator(real: Any, fake: Any, targets: Any, options: Any) -> torch.Tensor:
    return -fake.mean()


def test_a_loss_that_explodes_ends_the_training(tmp_path):
    """The error names the column, the iteration and a way out; the last checkpoint is kept."""
    calls = 0

    def explodes(real: Any, fake: Any, targets: Any, options: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return (fake.mean() - real.mean()) * (1e30 if calls < 4 else 1e30 * 1e30)

    registry = tiny.with_loss(Loss("explosive", "Explodes", explodes, plain_generator))
    with pytest.raises(
        TrainingError,
        match=r"loss_discriminator became NaN or infinite before iteration 4: lower the learning",
    ):
        tiny.run(tmp_path, tiny.options(loss="explosive"), registry, checkpoint_s=1e-9)
    *_, checkpoint = sorted((tmp_path / "model/checkpoints").iterdir())
    assert checkpoint.name == "00000003.safetensors"
    assert from_bytes(checkpoint.read_bytes())[1]["iteration"] == 3
    assert not (tmp_path / "model/lease.json").exists()
    assert not (tmp_path / "model/generator.safetensors").exists()


def test_weights_that_explode_are_never_saved(tmp_path):
    """A finite loss with a NaN gradient ruins the weights unseen: no checkpoint is made of them."""

    def ruinous(real: Any, fake: Any, targets: Any, options: Any) -> torch.Tensor:
        return (fake - fake.detach()).abs().sqrt().mean()  # 0, and its gradient is infinity x 0

    def fine(real: Any, fake: Any, targets: Any, options: Any) -> torch.Tensor:
        return fake.mean() - real.mean()

    registry = tiny.with_loss(Loss("ruinous", "Ruins", fine, ruinous))
    said = "the weights of the generator became NaN or infinite before iteration 1:"
    with pytest.raises(TrainingError, match=said):
        tiny.run(tmp_path, tiny.options(iterations=1, loss="ruinous"), registry)
    assert not (tmp_path / "model/checkpoints").exists()


def test_plugins_that_do_not_fit_together_are_refused(plugins, tmp_path):
    """Unknown names, a batch that cannot be packed, labels nobody reads: said before training."""
    for changes, error, words in (
        ({"loss": "RaSGANN"}, UnknownPluginError, "did you mean 'RaSGAN'"),
        ({"backbone": "none"}, UnknownPluginError, "unknown backbone"),
        ({"penalties": {"r3": {}}}, UnknownPluginError, "unknown penalty"),
        ({"pack": 3}, ConfigError, "batch_size 4 cannot be packed by 3"),
        ({"loss": "RaHinge", "flip_labels": 0.1}, ConfigError, "RaHinge ignores labels"),
        ({"loss": "RSGAN", "smooth_fake": (0, 0.3)}, ConfigError, "RSGAN ignores labels"),
    ):
        with pytest.raises(error, match=words):
            tiny.run(tmp_path, tiny.options(**changes), plugins)
    assert list(tmp_path.rglob("*.safetensors")) == []


def test_frames_are_left_as_they_were(plugins, tmp_path):
    """Training reads frames, also read-only ones, and changes none."""
    frames = tiny.some_frames()
    before = frames.copy()
    tiny.run(tmp_path, tiny.options(input_noise=0.5), plugins, frames=frames)
    assert np.array_equal(frames, before)


def test_tensorboard_shows_options_as_hparams(plugins, tmp_path):
    """The events hold every option of the training for the tab HParams, lists and empty ones as
    text, and the names of the losses that stand beside them; a plugin's own options each have a
    column."""
    chosen = tiny.options(penalties={"r1": {"weight": 0.5, "every": 2}}, iterations=3)
    tiny.run(tmp_path, chosen, plugins)
    found = EventAccumulator(str(tmp_path / "model/tensorboard")).Reload().summary_metadata
    content = {
        name: HParamsPluginData.FromString(data.plugin_data.content)
        for name, data in found.items()
        if name.startswith("_hparams_")
    }
    start = content["_hparams_/session_start_info"].session_start_info.hparams
    assert start["batch_size"].number_value == chosen.batch_size
    assert start["loss"].string_value == chosen.loss
    assert start["penalties.r1.weight"].number_value == 0.5
    assert start["smooth_real"].string_value == "none"
    assert json.loads(start["betas"].string_value) == list(chosen.betas)
    assert not start["standardise"].bool_value
    metrics = content["_hparams_/experiment"].experiment.metric_infos
    assert [metric.name.tag for metric in metrics] == list(HISTORY)
