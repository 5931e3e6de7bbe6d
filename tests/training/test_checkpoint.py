"""Checkpoints and weights as files."""

from __future__ import annotations

import json
import random
from pathlib import Path
from unittest.mock import ANY

import pytest
import torch
from PIL import Image
from safetensors.torch import load
from torch import nn

import tiny
from lusgan_core.errors import TrainingError, TrainingStopped
from lusgan_core.networks.weights import from_bytes, load_network, network_bytes, to_bytes
from lusgan_core.training.checkpoint import load_state, read_checkpoint, save_state


@pytest.fixture(scope="module")
def state(plugins):
    """Return a state after two iterations with every option on."""
    trainer, state = tiny.begin(tiny.options(tiny.EVERYTHING), plugins)
    for _ in range(2):
        state.history[state.iteration - 1] = trainer.iterate(state).numpy()
    return state


def test_equal_content_gives_equal_bytes():
    """Bytes depend on names, values and header, not on the order in which they were given."""
    tensors = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.ones(4, dtype=torch.int64)}
    header = {"y": [1, 2], "x": {"d": None, "c": 0.5}}
    turned = {"a": tensors["a"].clone(), "b": tensors["b"].t().contiguous().t()}
    data = to_bytes(tensors, header)
    assert to_bytes(turned, {"x": {"c": 0.5, "d": None}, "y": [1, 2]}) == data
    assert to_bytes(tensors | {"a": torch.zeros(4, dtype=torch.int64)}, header) != data
    found, said = from_bytes(data)
    assert said == header
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_a_state_comes_back_whole(plugins, state):
    """Networks, average, both Adams, history and iteration of a fresh state become the saved."""
    data = save_state(state, "mine")
    _, fresh = tiny.begin(tiny.options(tiny.EVERYTHING), plugins)
    load_state(fresh, data, "mine")
    assert fresh.iteration == 2
    assert (fresh.history == state.history).all()
    assert save_state(fresh, "mine") == data
    names = load(data)
    for start in ("generator.", "discriminator.", "average.", "adam_G.0.exp_avg", "adam_D.0.step"):
        assert any(name.startswith(start) for name in names), start


def test_files_hold_tensors_and_json_alone(state):
    """A file is safetensors: a JSON head that spans it to the last byte, and no pickle in it."""
    data = save_state(state, "mine")
    size = int.from_bytes(data[:8], "little")
    head = json.loads(data[8 : 8 + size])
    said = json.loads(head.pop("__metadata__")["lusgan"])
    assert said == {
        "iteration": 2, "identity": "mine", "torch": [torch.__version__],
        "watch": state.watch.header(), "digest": ANY,
    }  # fmt: skip
    assert max(entry["data_offsets"][1] for entry in head.values()) == len(data) - 8 - size
    assert not data.startswith((b"PK", b"\x80"))  # a torch.save archive, a pickle


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data[:5],
        lambda data: b"",
        lambda data: b"\xff" * 8 + data[8:],
        lambda data: data[:8] + b"x" + data[9:],
        lambda data: b"PK\x03\x04 not a safetensors file",
        lambda data: to_bytes({"a": torch.ones(2)}, {})[:8] + b"[]" + data[10:],
    ],
)
def test_a_damaged_file_is_refused(plugins, state, damage):
    """Truncated, scrambled or foreign bytes are a TrainingError that says what to do."""
    _, fresh = tiny.begin(tiny.options(tiny.EVERYTHING), plugins)
    with pytest.raises(TrainingError, match=r"damaged or not lusgan's .*; delete it and train"):
        load_state(fresh, damage(save_state(state, "mine")), "mine")


def test_a_checkpoint_of_another_training_is_refused(plugins, tmp_path):
    """Another identity is an error that names the file; nothing is trained over it."""
    chosen = tiny.options()
    with pytest.raises(TrainingStopped):
        tiny.run(tmp_path, chosen, plugins, stop=tiny.stopped())
    (checkpoint,) = (tmp_path / "model/checkpoints").iterdir()
    data = checkpoint.read_bytes()
    _, fresh = tiny.begin(chosen, plugins)
    load_state(fresh, data, "this training")
    checkpoint.write_bytes(save_state(fresh, "another"))
    with pytest.raises(TrainingError, match=r"00000001\.safetensors: .* other data or options"):
        tiny.run(tmp_path, chosen, plugins)
    assert not (tmp_path / "model/generator.safetensors").exists()


def flipped(path: Path, where: float) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[int(len(data) * where)] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("where", [0.3, 0.5, 0.9])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(plugins, tmp_path, where, caplog):
    """One changed bit, among the weights or the header: it is named and set aside, the one before
    is taken, and the training ends in the weights of one that was never damaged."""
    chosen = tiny.options(iterations=4)
    whole = tiny.run(tmp_path / "whole", chosen, plugins, checkpoint_s=1e-9)
    tiny.run(tmp_path / "hurt", chosen, plugins, checkpoint_s=1e-9)
    first, last = sorted((tmp_path / "hurt/model/checkpoints").iterdir())
    flipped(last, where)
    again = tiny.run(tmp_path / "hurt", chosen, plugins)
    assert (again.resumed_from, whole.resumed_from) == (3, 0)
    assert "checkpoints/00000004.safetensors was set aside" in caplog.text
    assert (tmp_path / "hurt/damaged/model/checkpoints/00000004.safetensors").exists()
    weights = [tmp_path / name / "model/generator.safetensors" for name in ("whole", "hurt")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    for path in (first, last):
        flipped(path, where)
    assert tiny.run(tmp_path / "hurt", chosen, plugins).resumed_from == 0
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_every_bit_of_a_checkpoint_counts(state):
    """Wherever one bit of a file changes, reading it is refused: nothing is used in silence."""
    data = save_state(state, "mine")
    chance = random.Random(3)
    places = [*range(0, 2000, 37), *(chance.randrange(len(data)) for _ in range(60))]
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1 << chance.randrange(8)
        with pytest.raises(TrainingError):
            read_checkpoint(bytes(changed))


@pytest.mark.parametrize("damage", [b"", b"no picture", None])
def test_no_picture_stops_a_training(plugins, tmp_path, damage, caplog):
    """Previews that are damaged or gone, all or some, are left out of the animation."""
    chosen = tiny.options(previews=3)
    tiny.run(tmp_path, chosen, plugins)
    previews = sorted((tmp_path / "model/previews").iterdir())
    for hit in (previews[:1], previews):
        for path in hit:
            if damage is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(damage)
        (tmp_path / "model/progress.gif").write_bytes(b"")
        tiny.run(tmp_path, chosen, plugins)
        with Image.open(tmp_path / "model/progress.gif") as shown:
            assert shown.n_frames == max(1, len(previews) - len(hit))


@pytest.mark.parametrize("change", [{"latent_size": 7}, {"iterations": 9}, {"ema_half_life": 0}])
def test_a_checkpoint_that_does_not_fit_is_refused(plugins, state, change):
    """Of the right identity but other sizes, it is a TrainingError, not a crash inside torch."""
    _, other = tiny.begin(tiny.options(tiny.EVERYTHING, **change), plugins)
    if "ema_half_life" in change:  # the file lacks what the state has
        data, other = (
            save_state(other, "mine"),
            tiny.begin(tiny.options(tiny.EVERYTHING), plugins)[1],
        )
    else:
        data = save_state(state, "mine")
    with pytest.raises(TrainingError, match="does not fit"):
        load_state(other, data, "mine")


def test_weights_of_a_network_come_back_with_their_header():
    """load_network restores weights and buffers exactly; weights of another shape are refused."""
    torch.manual_seed(2)
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3))
    network(torch.randn(2, 1, 5, 5))
    data = network_bytes(network, {"made": "here"})
    other = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3))
    assert load_network(other, data) == {"made": "here"}
    for name, value in network.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)
    with pytest.raises(TrainingError, match="do not fit"):
        load_network(nn.Conv2d(1, 3, 3), data)
