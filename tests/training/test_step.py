"""One iteration: every option of the report does to it what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

import tiny
from lusgan_core.api import Loss
from lusgan_core.networks.seeding import generator as chance_for
from lusgan_core.training.ema import Average
from lusgan_core.training.state import HISTORY
from lusgan_core.training.step import pack


def inputs_of(network: nn.Module) -> list[Tensor]:
    """Collect what a network is called with from now on."""
    seen: list[Tensor] = []
    network.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    return seen


def adam_steps(optimiser: torch.optim.Adam) -> int:
    return int(next(iter(optimiser.state.values()))["step"])


def trained(registry, **changes: Any) -> dict[str, Tensor]:
    """Return the generator's weights after two iterations."""
    trainer, state = tiny.begin(tiny.options(**changes), registry)
    for _ in range(2):
        trainer.iterate(state)
    return state.generator.state_dict()


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_iterations_equal_a_training_written_out(plugins):
    """Three SGAN iterations of 2 D and 3 G steps end in the weights of a plain loop, to 1e-6."""
    chosen = tiny.options(
        discriminator_steps=2, generator_steps=3, decay_discriminator=0.1, decay_generator=0.2,
        betas=(0.4, 0.9), lr_generator=3e-3, lr_discriminator=2e-3, batch_size=6,
    )  # fmt: skip
    trainer, state = tiny.begin(chosen, plugins)
    _, other = tiny.begin(chosen, plugins)
    G, D = other.generator, other.discriminator
    adam_G = torch.optim.Adam(G.parameters(), lr=3e-3, betas=(0.4, 0.9))
    adam_D = torch.optim.Adam(D.parameters(), lr=2e-3, betas=(0.4, 0.9))
    fall_G = torch.optim.lr_scheduler.ExponentialLR(adam_G, gamma=1 - 0.2)
    fall_D = torch.optim.lr_scheduler.ExponentialLR(adam_D, gamma=1 - 0.1)
    images = torch.from_numpy(tiny.some_frames())[:, None].float() / 255 * 2 - 1
    real = inputs_of(state.discriminator)
    for iteration in range(3):
        real.clear()
        row = trainer.iterate(state)
        for step in range(2):
            z = torch.randn(6, 6, generator=chance_for(999, "discriminator", 2 * iteration + step))
            fake = G(z).detach()
            a, b = D(real[2 * step]), D(fake)
            loss_D = cross_entropy(a, torch.ones(6, 1)) + cross_entropy(b, torch.zeros(6, 1))
            adam_D.zero_grad()
            loss_D.backward()
            adam_D.step()
            shown = (real[2 * step][:, None] - images[None]).abs().amax(dim=(2, 3, 4))
            assert (shown.min(dim=1).values < 1e-6).all(), "not frames of the data set"
        for step in range(3):
            z = torch.randn(6, 6, generator=chance_for(999, "generator", 3 * iteration + step))
            loss_G = cross_entropy(D(G(z)), torch.ones(6, 1))
            adam_G.zero_grad()
            loss_G.backward()
            adam_G.step()
        fall_G.step()
        fall_D.step()
        np.testing.assert_allclose(row[:2], [loss_D.item(), loss_G.item()], rtol=1e-5)
        np.testing.assert_allclose(row[3:5], [a.mean().item(), b.mean().item()], atol=1e-5)
        assert row[5].item() == pytest.approx((a - b).sign().mean().item())
    for mine, written in ((state.generator, G), (state.discriminator, D)):
        for name, value in mine.state_dict().items():
            np.testing.assert_allclose(value, written.state_dict()[name], atol=1e-6, err_msg=name)


def test_learning_rates_fall_by_their_share_each_iteration(plugins):
    """At iteration i (from 0) either rate is lr * (1 - decay)^i, in the history and in Adam."""
    chosen = tiny.options(
        lr_generator=4e-4, lr_discriminator=2e-4, decay_generator=0.25, decay_discriminator=0.5
    )
    trainer, state = tiny.begin(chosen, plugins)
    for i in range(4):
        row = dict(zip(HISTORY, trainer.iterate(state).tolist(), strict=True))
        assert row["lr_generator"] == pytest.approx(4e-4 * 0.75**i, rel=1e-6)
        assert row["lr_discriminator"] == pytest.approx(2e-4 * 0.5**i, rel=1e-6)
        assert state.generator_optimiser.param_groups[0]["lr"] == 4e-4 * 0.75**i
        assert state.discriminator_optimiser.param_groups[0]["lr"] == 2e-4 * 0.5**i


def test_adam_gets_the_betas_and_the_number_of_steps(plugins):
    """Betas reach both optimisers; each takes its steps an iteration, 3 and 2 here."""
    chosen = tiny.options(betas=(0.3, 0.8), generator_steps=3, discriminator_steps=2)
    trainer, state = tiny.begin(chosen, plugins)
    for _ in range(4):
        trainer.iterate(state)
    for optimiser, steps in ((state.generator_optimiser, 12), (state.discriminator_optimiser, 8)):
        assert optimiser.param_groups[0]["betas"] == (0.3, 0.8)
        assert adam_steps(optimiser) == steps


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("batch_size", "packed"), [(4, 1), (6, 2), (6, 3)])
def test_networks_see_the_sizes_asked_for(plugins, channels, batch_size, packed):
    """G gets (B, D) and D (B / P, C P, H, W), real and synthetic, in steps of both networks."""
    chosen = tiny.options(batch_size=batch_size, pack=packed, latent_size=9, loss="RaSGAN")
    frames = tiny.some_frames(colour=channels == 3)
    trainer, state = tiny.begin(chosen, plugins, frames)
    noise, images = inputs_of(state.generator), inputs_of(state.discriminator)
    trainer.iterate(state)
    assert [tuple(z.shape) for z in noise] == [(batch_size, 9)] * 2
    shape = (batch_size // packed, channels * packed, tiny.SIZE, tiny.SIZE)
    assert [tuple(x.shape) for x in images] == [shape] * 4


def test_steps_of_both_networks_share_an_epoch(plugins):
    """D steps and G steps draw from one row of batches: in two iterations of 1 D and 2 G steps no
    frame of an epoch of 24 is shown twice, and all are."""
    frames = tiny.some_frames(24)
    chosen = tiny.options(loss="RaSGAN", generator_steps=2)
    trainer, state = tiny.begin(chosen, plugins, frames)
    seen = inputs_of(state.discriminator)
    for _ in range(2):
        trainer.iterate(state)
    # an iteration calls D with real, fake; then twice with fake, real
    real = torch.cat([seen[call] for call in (0, 3, 5, 6, 9, 11)])
    levels = ((real[:, 0] + 1) / 2 * 255).round().to(torch.uint8).numpy()
    shown = {frame.tobytes() for frame in levels}
    assert shown == {frame.tobytes() for frame in frames}


def test_packing_puts_neighbours_into_channels():
    """Input i of a packed batch holds images i P to i P + P - 1, whole and in order."""
    images = torch.arange(4 * 3 * 2 * 2).reshape(4, 3, 2, 2)
    packed = pack(images, 2)
    assert torch.equal(packed[1], torch.cat([images[2], images[3]]))
    assert pack(images, 1) is images


def test_backbone_is_the_one_asked_for(plugins):
    """`selu_sn` trains SELU networks, `dcgan` ReLU ones, with the options given."""
    _, selu = tiny.begin(tiny.options(backbone="selu_sn", backbone_options={"width": 4}), plugins)
    _, dcgan = tiny.begin(tiny.options(backbone_options={"width": 8}), plugins)
    assert any(isinstance(m, nn.SELU) for m in selu.generator.modules())
    assert not any(isinstance(m, nn.SELU) for m in dcgan.generator.modules())
    first = next(m for m in dcgan.discriminator.modules() if isinstance(m, nn.Conv2d))
    assert first.out_channels == 8


@pytest.mark.parametrize(
    "name", ["SGAN", "RSGAN", "RaSGAN", "LSGAN", "RaLSGAN", "Hinge", "RaHinge"]
)
def test_loss_is_the_one_asked_for(plugins, name):
    """The loss in the history is that of the named loss on the logits of that very step."""
    trainer, state = tiny.begin(tiny.options(loss=name), plugins)
    logits: list[Tensor] = []
    state.discriminator.register_forward_hook(lambda *given: logits.append(given[2].detach()))
    row = dict(zip(HISTORY, trainer.iterate(state).tolist(), strict=True))
    a, b = logits[0], logits[1]
    ones, zeros = torch.ones_like(a), torch.zeros_like(a)
    expected = {
        "SGAN": cross_entropy(a, ones) + cross_entropy(b, zeros),
        "RSGAN": cross_entropy(a - b, ones),
        "RaSGAN": (cross_entropy(a - b.mean(), ones) + cross_entropy(b - a.mean(), zeros)) / 2,
        "LSGAN": (a - 1).square().mean() + b.square().mean(),
        "RaLSGAN": ((a - b.mean() - 1) ** 2 + (b - a.mean() + 1) ** 2).mean() / 2,
        "Hinge": (1 - a).relu().mean() + (1 + b).relu().mean(),
        "RaHinge": ((1 - a + b.mean()).relu() + (1 + b - a.mean()).relu()).mean() / 2,
    }[name]
    assert row["loss_discriminator"] == pytest.approx(expected.item(), rel=1e-5)


def test_labels_reach_the_discriminator_and_not_the_generator():
    """Smoothed and flipped labels are what D's loss is given; G's are always 1 and 0."""
    given: dict[str, list[Any]] = {"D": [], "G": []}

    def loss_for(who):
        def loss(real, fake, targets, options):
            given[who].append(targets)
            return real.mean() * 0 - fake.mean()

        return loss

    registry = tiny.with_loss(Loss("recording", "Records", loss_for("D"), loss_for("G")))
    chosen = tiny.options(
        loss="recording", smooth_real=(0.7, 1.2), smooth_fake=(0, 0.3), flip_labels=0.3,
        batch_size=16,
    )  # fmt: skip
    trainer, state = tiny.begin(chosen, registry)
    for _ in range(20):
        trainer.iterate(state)
    real = torch.cat([targets.real for targets in given["D"]])
    fake = torch.cat([targets.fake for targets in given["D"]])
    share = 5 * (0.3 * 0.7 / 320) ** 0.5
    assert (real < 0.5).float().mean().item() == pytest.approx(0.3, abs=share)
    assert (fake > 0.5).float().mean().item() == pytest.approx(0.3, abs=share)
    assert real.unique().numel() > 300
    assert all((t.real == 1).all() and (t.fake == 0).all() for t in given["G"])


def test_white_noise_is_added_to_all_that_the_discriminator_sees(plugins):
    """With input_noise 0.5 its inputs differ from the clean ones by noise of deviation 0.5 (2%)."""
    chosen = {"loss": "RaSGAN", "batch_size": 8, "lr_generator": 1e-9, "lr_discriminator": 1e-9}
    seen = []
    for noise in (0.0, 0.5):
        trainer, state = tiny.begin(tiny.options(input_noise=noise, **chosen), plugins)
        images = inputs_of(state.discriminator)
        trainer.iterate(state)
        seen.append(images)
    clean = torch.from_numpy(tiny.some_frames())[:, None].float() / 255 * 2 - 1
    noises = []
    for noisy, exact in ((0, 0), (3, 3)):  # real images in the D step and in the G step
        noises.append(seen[1][noisy] - seen[0][exact])
        nearest = (seen[0][exact][:, None] - clean).abs().amax(dim=(2, 3, 4)).min(dim=1).values
        assert (nearest < 1e-6).all()
    for noise in noises:
        assert noise.std().item() == pytest.approx(0.5, rel=0.02)
        assert noise.mean().item() == pytest.approx(0, abs=5 * 0.5 / noise.numel() ** 0.5)
    assert not torch.equal(*noises)
    added = seen[1][2] - seen[0][2]  # in the G step both trainings draw the same latent vectors
    assert added.std().item() == pytest.approx(0.5, rel=0.02)
    plain = seen[0][1].std().item()
    assert seen[1][1].std().item() == pytest.approx((plain**2 + 0.5**2) ** 0.5, rel=0.05)


def test_dropout_and_noise_layers_work_in_training(plugins):
    """Either changes what is trained, differently each iteration, the same for the same seed."""
    weights = {
        name: trained(plugins, backbone_options={"width": 4, "dropout": 0.0} | given)
        for name, given in {
            "none": {},
            "dropout": {"dropout": 0.4},
            "noise": {"noise": 0.3},
        }.items()
    }
    for name in ("dropout", "noise"):
        given = {"width": 4, "dropout": 0.0} | {name: {"dropout": 0.4, "noise": 0.3}[name]}
        assert same(weights[name], trained(plugins, backbone_options=given))
        assert not same(weights[name], weights["none"])
    chosen = tiny.options(
        backbone_options={"width": 4, "dropout": 0.5}, lr_generator=1e-9, lr_discriminator=1e-9
    )
    trainer, state = tiny.begin(chosen, plugins)
    dropout = next(m for m in state.generator.modules() if isinstance(m, nn.Dropout2d))
    kept: list[Tensor] = []
    dropout.register_forward_hook(lambda *given: kept.append(given[2].flatten(2).any(dim=2)))
    for _ in range(2):
        trainer.iterate(state)
    assert not torch.equal(kept[0], kept[2])


def test_seed_decides_everything(plugins):
    """Equal seeds give equal weights bit for bit, whatever torch drew before; others differ."""
    one = trained(plugins, **tiny.EVERYTHING)
    torch.manual_seed(123)
    torch.rand(7)
    assert same(one, trained(plugins, **tiny.EVERYTHING))
    assert not same(one, trained(plugins, **(tiny.EVERYTHING | {"seed": 998})))


@pytest.mark.parametrize("every", [1, 3])
def test_penalties_are_weighted_lazy_and_as_strong_on_average(plugins, every):
    """R1 is added each `every`-th D step, weight * every times |grad D(real)|^2 / 2 (to 1e-5)."""
    chosen = tiny.options(
        penalties={"r1": {"weight": 0.7, "every": every}}, lr_generator=1e-12,
        lr_discriminator=1e-12, backbone_options={"width": 4, "discriminator_norm": "none"},
    )  # fmt: skip
    trainer, state = tiny.begin(chosen, plugins)
    images = inputs_of(state.discriminator)
    for i in range(6):
        images.clear()
        row = dict(zip(HISTORY, trainer.iterate(state).tolist(), strict=True))
        if i % every:
            assert row["penalty"] == 0
            continue
        real = images[0].double().requires_grad_(True)
        logits = state.discriminator.double()(real)
        (gradient,) = torch.autograd.grad(logits.sum(), real)
        expected = 0.7 * every * gradient.square().sum(dim=(1, 2, 3)).mean().item() / 2
        state.discriminator.float()
        assert expected > 0
        assert row["penalty"] == pytest.approx(expected, rel=1e-4)


def test_a_penalty_changes_the_discriminator_alone_by_its_gradient(plugins):
    """With a penalty D is trained to other weights than without one, also where loss is equal."""
    states = []
    for penalties in ({}, {"r2": {"weight": 5.0}}):
        trainer, state = tiny.begin(tiny.options(penalties=penalties), plugins)
        row = trainer.iterate(state)
        states.append((row, state.discriminator.state_dict()))
    assert states[0][0][0] == states[1][0][0]
    assert not same(states[0][1], states[1][1])


def test_average_follows_every_generator_step(plugins):
    """With ema_half_life the state keeps an average, which follows after each G step."""
    chosen = tiny.options(ema_half_life=30, generator_steps=2)
    trainer, state = tiny.begin(chosen, plugins)
    assert state.average is not None
    assert state.best_generator is state.average.network
    expected = Average(state.generator, 30)
    seen = 0

    def after_step(*_: Any) -> None:
        nonlocal seen
        seen += chosen.batch_size
        expected.update(state.generator, chosen.batch_size, seen)

    state.generator_optimiser.register_step_post_hook(after_step)
    for _ in range(3):
        trainer.iterate(state)
    assert same(expected.network.state_dict(), state.average.network.state_dict())
    assert not same(state.generator.state_dict(), state.average.network.state_dict())


def test_without_an_average_the_last_weights_generate(plugins):
    """ema_half_life 0: no average is kept, and the generator itself is the one that generates."""
    _, state = tiny.begin(tiny.options(), plugins)
    assert state.average is None
    assert state.best_generator is state.generator
