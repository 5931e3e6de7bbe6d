"""Losses that read images, noise or the iteration."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import tiny
from lusgan_core.api import Loss, Step


def recording(kept: dict[str, list[Step]], **fields: Any) -> Loss:
    """A loss that keeps the steps that it is given."""

    def discriminator(real: Tensor, fake: Tensor, targets: Any, step: Step, options: Any) -> Tensor:
        kept["D"].append(step)
        return fake.mean() - real.mean()

    def generator(real: Tensor, fake: Tensor, targets: Any, step: Step, options: Any) -> Tensor:
        kept["G"].append(step)
        return -fake.mean()

    return Loss(
        "recording", "Keeps its steps", discriminator, generator, targets=frozenset(), **fields
    )


def trained(loss: Loss, iterations: int = 2, **changes: Any) -> Any:
    trainer, state = tiny.begin(tiny.options(loss=loss.name, **changes), tiny.with_loss(loss))
    for _ in range(iterations):
        trainer.iterate(state)
    return state


def test_a_loss_is_given_what_it_names_and_no_more() -> None:
    """Each of images, noise and iteration is there where named, and None where not."""
    for name, fields in {
        "images": {"real", "fake"}, "noise": {"noise"}, "iteration": {"iteration"},
    }.items():  # fmt: skip
        kept: dict[str, list[Step]] = {"D": [], "G": []}
        trained(recording(kept, reads=frozenset({name})))
        for step in (*kept["D"], *kept["G"]):
            given = {field for field, value in vars(step).items() if value is not None}
            assert given == fields


def test_what_is_given_is_what_the_networks_saw() -> None:
    """Images are the discriminator's packs, noise made the fake ones, iterations count from 0; in
    a generator step the fake images have a gradient and, without real logits, there are no real."""
    kept: dict[str, list[Step]] = {"D": [], "G": []}
    loss = recording(
        kept, reads=frozenset({"images", "noise", "iteration"}), generator_needs_real=False
    )
    trainer, state = tiny.begin(
        tiny.options(loss="recording", pack=2, lr_generator=1e-12), tiny.with_loss(loss)
    )
    judged: list[Tensor] = []
    state.discriminator.register_forward_pre_hook(lambda _, given: judged.append(given[0].detach()))
    for _ in range(2):
        trainer.iterate(state)
    assert (
        [step.iteration for step in kept["D"]] == [step.iteration for step in kept["G"]] == [0, 1]
    )
    in_D, in_G = kept["D"][0], kept["G"][0]
    assert torch.equal(in_D.real, judged[0])
    assert torch.equal(in_D.fake, judged[1])
    assert torch.equal(in_G.fake, judged[2])
    assert in_D.noise.shape == (4, 6)
    assert not torch.equal(in_D.noise, in_G.noise)
    assert in_G.real is None
    assert in_G.fake.requires_grad
    assert not in_D.fake.requires_grad


def test_a_loss_on_images_trains_the_generator() -> None:
    """A generator's loss on the images alone moves them where it wants them: to white."""

    def whiter(real: Tensor, fake: Tensor, targets: Any, step: Step, options: Any) -> Tensor:
        return 0 * fake.mean() - step.fake.mean()

    def critic(real: Tensor, fake: Tensor, targets: Any, step: Step, options: Any) -> Tensor:
        return fake.mean() - real.mean()

    loss = Loss(
        "white",
        "Wants white images",
        critic,
        whiter,
        targets=frozenset(),
        reads=frozenset({"images"}),
    )
    state = trained(loss, 30, lr_generator=5e-3)
    assert state.generator(torch.randn(4, 6)).mean() > 0.5


@pytest.mark.parametrize("size", [1, 2])
def test_several_processes_are_given_the_whole_batch(size) -> None:
    """A process of two gathers images as it does logits, in the order of the batch, and has the
    noise of all."""
    kept: dict[str, list[Step]] = {"D": [], "G": []}
    loss = recording(kept, reads=frozenset({"images", "noise"}))
    group = Halves(size)
    trainer, state = tiny.begin(
        tiny.options(loss="recording"), tiny.with_loss(loss), group=group
    )  # fmt: skip
    trainer.iterate(state)
    for step in (kept["D"][0], kept["G"][0]):
        assert step.real.shape == step.fake.shape == (4, 1, tiny.SIZE, tiny.SIZE)
        assert step.noise.shape == (4, 6)


class Halves:
    """The first of some processes, the others of which see what it sees."""

    rank, leads, counters = 0, True, ()

    def __init__(self, size: int) -> None:
        self.size = size

    def part(self, batch: Tensor) -> Tensor:
        return batch[: len(batch) // self.size]

    def gather(self, logits: Tensor) -> Tensor:
        return torch.cat([logits, *[logits.detach()] * (self.size - 1)])

    def averaging(self, network: Any) -> Any:
        return network

    def mean(self, value: Tensor) -> Tensor:
        return value

    def networks(self, *networks: Any) -> Any:
        return networks
