"""Backbones, losses and penalties that break the contract: found at the start, and told by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tiny
import tiny_backbones as nets
from lusgan_core.api import Backbone, Loss, Penalty
from lusgan_core.errors import ConfigError, PluginError, TrainingStopped
from lusgan_core.networks.weights import load_network
from lusgan_core.registry import Registry

DENSE = {"backbone": "dense", "backbone_options": {}}


def critic(real: Tensor, fake: Tensor, targets: Any, options: Any) -> Tensor:
    return fake.mean() - real.mean()


def forger(real: Tensor, fake: Tensor, targets: Any, options: Any) -> Tensor:
    return -fake.mean()


def divides(*given: Any) -> Any:
    return 1 / 0


def interrupted(*given: Any) -> Any:
    raise KeyboardInterrupt


def refuses(*given: Any) -> Any:
    raise ConfigError("image size 32: this one starts at 64")


def half_frozen(spec: Any, options: Any) -> nn.Module:
    network = nets.discriminator(spec, options)
    network[1].requires_grad_(False)
    return network


def half_frozen_generator(spec: Any, options: Any) -> nn.Module:
    network = nets.generator(spec, options)
    network[0].requires_grad_(False)
    return network


def one_iteration(registry: Registry, **changes: Any) -> None:
    trainer, state = tiny.begin(tiny.options(**changes), registry)
    trainer.iterate(state)


def test_frozen_layers_stay_frozen() -> None:
    """Layers that a backbone builds frozen keep their weights; the others are trained, and no
    penalty brings the frozen ones to life."""
    registry = tiny.with_records(
        nets.dense(generator=half_frozen_generator, discriminator=half_frozen)
    )
    chosen = tiny.options(**DENSE, penalties={"r1": {"weight": 1.0}}, ema_half_life=8)
    trainer, state = tiny.begin(chosen, registry)
    before = {
        title: {name: weight.detach().clone() for name, weight in network.named_parameters()}
        for title, network in state.networks().items()
    }
    for _ in range(3):
        trainer.iterate(state)
    for title, network in state.networks().items():
        frozen = "1." if title == "discriminator" else "0."
        for name, weight in network.named_parameters():
            stayed = torch.equal(weight, before[title][name])
            assert stayed == name.startswith(frozen), f"{title}.{name}"


def test_what_a_backbone_keeps_in_eval_mode_stays_so(tmp_path) -> None:
    """A frozen batch norm keeps its statistics in a training with previews after each iteration."""

    def normed(spec: Any, options: Any) -> nn.Module:
        network = nets.generator(spec, options)
        network.insert(1, nn.BatchNorm1d(8).requires_grad_(False).eval())
        return network

    registry = tiny.with_records(nets.dense(generator=normed))
    made = tiny.run(tmp_path, tiny.options(**DENSE, previews=5), registry)
    network = made.record.build(registry)
    load_network(network, (tmp_path / made.artifacts["generator"]).read_bytes())
    assert torch.equal(network.get_buffer("1.running_mean"), torch.zeros(8))


def test_tied_weights_are_trained_saved_and_resumed(tmp_path) -> None:
    """A weight of two names and a layer of two names are one after the training, too; stopped and
    resumed, it ends in the same bytes."""
    registry = tiny.with_records(nets.dense(generator=lambda spec, options: nets.Tied(spec)))
    chosen = tiny.options(**DENSE, ema_half_life=8)
    straight = tiny.run(tmp_path / "straight", chosen, registry)
    with pytest.raises(TrainingStopped):
        tiny.run(tmp_path / "stopped", chosen, registry, stop=tiny.stopped())
    resumed = tiny.run(tmp_path / "stopped", chosen, registry)
    one, two = (
        (folder / made.artifacts["generator"]).read_bytes()
        for folder, made in ((tmp_path / "straight", straight), (tmp_path / "stopped", resumed))
    )
    assert one == two
    network = straight.record.build(registry)
    load_network(network, one)
    assert torch.equal(network.get_parameter("once.weight"), network.get_parameter("tied.weight"))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (
            {"generator": lambda s, o: nets.Extra(*nets.generator(s, o))},
            r"its generator cannot be saved: _extra_state is a dict\. .* weights and buffers",
        ),
        (
            {"discriminator": lambda s, o: nets.sparse(nets.discriminator(s, o))},
            r"its discriminator cannot be saved: graph cannot be written \(",
        ),
        (
            {"generator": lambda s, o: nets.expanded(nets.generator(s, o))},
            r"its generator cannot be loaded from a checkpoint \(",
        ),
        (
            {"generator": lambda s, o: nets.generator(s, o).requires_grad_(False)},
            r"its generator has no weight to train",
        ),
        ({"discriminator": lambda s, o: len}, r"its discriminator is a builtin.*nn\.Module"),
        ({"generator": divides}, r"building its generator raised ZeroDivisionError"),
    ],
)
def test_networks_that_cannot_be_trained_to_the_end_are_refused(tmp_path, parts, said) -> None:
    """Before the first iteration, with the backbone's name; nothing is written but the lease."""
    registry = tiny.with_records(nets.dense(**parts))
    with pytest.raises(PluginError, match=rf"^backbone 'dense': {said}") as caught:
        tiny.run(tmp_path, tiny.options(**DENSE), registry)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (
            {"generator": lambda s, o: nets.generator(s, o)[:-1]},
            r"generator made float32 \(4, 1024\) of noise \(4, 6\), expected floats "
            r"\(4, 1, 32, 32\)",
        ),
        (
            {
                "generator": lambda s, o: nn.Sequential(
                    *nets.generator(s, o), nn.Upsample(scale_factor=2)
                )
            },
            r"generator made float32 \(4, 1, 64, 64\)",
        ),
        (
            {"discriminator": lambda s, o: nn.Sequential(*nets.discriminator(s, o), nn.Flatten(0))},
            r"discriminator made float32 \(4,\) of packs \(4, 1, 32, 32\), expected floats "
            r"\(4, L\)",
        ),
        (
            {
                "discriminator": lambda s, o: nn.Sequential(
                    *nets.discriminator(s, o), nn.Flatten(0), nn.Unflatten(0, (1, -1))
                )
            },
            r"discriminator made float32 \(1, 4\)",
        ),
        ({"generator": lambda s, o: Failing()}, r"generator raised ValueError: no image today"),
        ({"discriminator": lambda s, o: Failing()}, r"discriminator raised ValueError: no image"),
    ],
)
def test_wrong_outputs_end_the_training_at_once(parts, said) -> None:
    """Images of another size and logits of another shape, or none: the error names the backbone,
    what came and what was expected."""
    with pytest.raises(PluginError, match=rf"^backbone 'dense': its {said}"):
        one_iteration(tiny.with_records(nets.dense(**parts)), **DENSE)


class Failing(nn.Module):
    """Has a weight, and no use for it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))

    def forward(self, given: Tensor) -> Tensor:
        """Raise an error of two lines."""
        raise ValueError("no image today,\n  none at all")


@pytest.mark.parametrize(
    ("record", "changes", "said"),
    [
        (
            Loss("odd", "Odd", divides, forger),
            {"loss": "odd"},
            r"loss 'odd': its discriminator loss raised ZeroDivisionError: division by zero",
        ),
        (
            Loss("odd", "Odd", critic, divides),
            {"loss": "odd"},
            r"loss 'odd': its generator loss raised ZeroDivisionError",
        ),
        (
            Loss("odd", "Odd", lambda a, b, t, o: (b - a).mean(0), forger),
            {"loss": "odd"},
            r"loss 'odd': its discriminator loss is float32 \(1,\), expected a scalar",
        ),
        (
            Loss("odd", "Odd", lambda a, b, t, o: 0.5, forger),
            {"loss": "odd"},
            r"loss 'odd': its discriminator loss is a float, expected a scalar tensor",
        ),
        (
            Penalty("odd", "Odd", divides),
            {"penalties": {"odd": {}}},
            r"penalty 'odd': its value raised ZeroDivisionError",
        ),
        (
            Penalty("odd", "Odd", lambda d, r, f, g, o: d(r).square()),
            {"penalties": {"odd": {}}},
            r"penalty 'odd': its value is float32 \(4, 1\), expected a scalar",
        ),
        (
            Loss("odd", "Odd", critic, lambda a, b, t, o: b.detach().mean()),
            {"loss": "odd", "generator_steps": 1},
            r"backbone 'dcgan': the backward pass through it and loss 'odd' raised RuntimeError",
        ),
    ],
)
def test_whatever_a_plugin_raises_is_told_by_its_name(record, changes, said) -> None:
    """A loss or penalty that raises, or returns no scalar, ends in one line with its name, and
    with the original error as the cause."""
    with pytest.raises(PluginError, match=f"^{said}") as caught:
        one_iteration(tiny.with_records(record), **changes)
    assert "\n" not in str(caught.value)
    assert ("raised" in said) == (caught.value.__cause__ is not None)


def test_a_stop_passes_through_a_plugin() -> None:
    """Ctrl-C in the middle of a loss is no fault of the loss."""
    registry = tiny.with_records(Loss("odd", "Odd", interrupted, forger))
    with pytest.raises(KeyboardInterrupt):
        one_iteration(registry, loss="odd")


def test_a_backbone_may_refuse_its_options() -> None:
    """A ConfigError of a backbone stays one, so that the command ends with 2, and has its name."""
    registry = tiny.with_records(Backbone("picky", "Picky", refuses, nets.discriminator))
    with pytest.raises(ConfigError, match=r"^backbone 'picky': image size 32: this one"):
        one_iteration(registry, backbone="picky", backbone_options={})
