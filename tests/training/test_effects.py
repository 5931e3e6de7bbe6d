"""Ten iterations with each option of the report: its effect is in the direction, or has the value,
that its description promises."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import softplus

import tiny
from campaigns import Campaign
from lusgan_core.api import Loss, Targets
from lusgan_core.registry import Registry
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.previews import preview_iterations
from lusgan_core.training.state import HISTORY, TrainingState

ITERATIONS = 10
LOSSES = ("SGAN", "RSGAN", "RaSGAN", "LSGAN", "RaLSGAN", "Hinge", "RaHinge")
PENALTIES = ("gp", "r1", "r2")
AUGMENTATIONS = ("cutout", "depth_gain", "gain", "mirror", "rotation", "shift")
COVERED: set[str] = set()
"""Options that a test here is about."""


def covers(*names: str) -> Callable[[Any], Any]:
    """Note which options a test is about."""
    COVERED.update(names)
    return lambda test: test


@dataclass
class Watched:
    """Ten iterations, and what was seen in them."""

    state: TrainingState
    rows: list[dict[str, float]] = field(default_factory=list)
    """The history."""
    packs: list[Tensor] = field(default_factory=list)
    """What the discriminator was called with."""
    logits: list[Tensor] = field(default_factory=list)
    noise: list[Tensor] = field(default_factory=list)
    targets: list[Targets] = field(default_factory=list)
    """Those of the discriminator's steps."""
    weights: list[dict[str, Tensor]] = field(default_factory=list)
    """The generator's and the discriminator's, before the first iteration and after each."""

    def moved(self, title: str) -> float:
        """How far a network's weights have come in all."""
        return sum(
            float((value - self.weights[0][name]).abs().sum())
            for name, value in self.weights[-1].items()
            if name.startswith(title)
        )


def watch(frames: np.ndarray | None = None, **changes: Any) -> Watched:
    """Train ten iterations by SGAN's loss, unless another is asked for, and keep what is seen."""
    seen: list[Targets] = []

    def discriminator(real: Tensor, fake: Tensor, targets: Targets, options: Any) -> Tensor:
        seen.append(targets)
        return softplus(-real).mean() + softplus(fake).mean()

    def generator(real: Tensor, fake: Tensor, targets: Targets, options: Any) -> Tensor:
        return softplus(-fake).mean()

    registry = tiny.with_loss(
        Loss("watched", "Keeps its targets", discriminator, generator, generator_needs_real=False)
    )
    chosen = tiny.options(**{"loss": "watched", "iterations": ITERATIONS} | changes)
    trainer, state = tiny.begin(chosen, registry, frames)
    found = Watched(state, targets=seen)
    state.generator.register_forward_pre_hook(lambda _, given: found.noise.append(given[0]))

    def judged(_: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        found.packs.append(given[0].detach())
        found.logits.append(made.detach())

    state.discriminator.register_forward_hook(judged)

    def weights() -> dict[str, Tensor]:
        return {
            f"{title}.{name}": value.detach().clone()
            for title, network in state.networks().items()
            for name, value in network.named_parameters()
        }

    found.weights.append(weights())
    for _ in range(ITERATIONS):
        found.rows.append(dict(zip(HISTORY, trainer.iterate(state).tolist(), strict=True)))
        found.weights.append(weights())
    return found


@covers("lr_generator", "lr_discriminator")
def test_a_higher_learning_rate_moves_its_network_further() -> None:
    """Three times the rate of one network takes its weights more than twice as far, and leaves the
    other network's way within a third of what it was."""
    usual = watch()
    for title in ("generator", "discriminator"):
        fast = watch(**{f"lr_{title}": 3 * getattr(TrainingOptions(), f"lr_{title}")})
        other = "discriminator" if title == "generator" else "generator"
        assert fast.moved(title) > 2 * usual.moved(title)
        assert fast.moved(other) == pytest.approx(usual.moved(other), rel=1 / 3)


@covers("decay_generator", "decay_discriminator")
def test_learning_rates_fall_as_written() -> None:
    """After i iterations a rate is lr (1 - decay)^i, and the way of its network is shorter."""
    usual = watch()
    for title in ("generator", "discriminator"):
        falling = watch(**{f"decay_{title}": 0.3})
        rate = getattr(TrainingOptions(), f"lr_{title}")
        rates = [row[f"lr_{title}"] for row in falling.rows]
        assert rates == pytest.approx([rate * 0.7**i for i in range(ITERATIONS)], rel=1e-6)
        assert falling.moved(title) < 0.7 * usual.moved(title)


@covers("cool_down")
@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("none", [1] * 10),
        ("linear", [1, 1, 1, 1, 0.8666667, 0.7333333, 0.6, 0.4666667, 0.3333333, 0.2]),
        ("cosine", [1, 1, 1, 1, 0.9464102, 0.8, 0.6, 0.4, 0.2535898, 0.2]),
    ],
)
def test_learning_rates_cool_down(shape: str, expected: list[float]) -> None:
    """Both keep their value for a third of ten iterations, and have a fifth of it in the last."""
    falling = watch(cool_down={"shape": shape, "start": 1 / 3, "end": 0.2}, decay_generator=0.1)
    usual = watch()
    for title in ("generator", "discriminator"):
        rate = getattr(TrainingOptions(), f"lr_{title}")
        decay = 0.9 if title == "generator" else 1.0
        rates = [row[f"lr_{title}"] for row in falling.rows]
        wanted = [rate * share * decay**i for i, share in enumerate(expected)]
        assert rates == pytest.approx(wanted, rel=1e-6)
        if shape != "none":
            assert falling.moved(title) < 0.9 * usual.moved(title)


@covers("betas")
def test_without_moments_adam_moves_every_weight_by_its_rate() -> None:
    """With betas 0 and 0, a weight moves by lr g / |g|: lr up or down, in every iteration."""
    found = watch(betas=(0.0, 0.0), lr_generator=1e-3, lr_discriminator=2e-3)
    for before, after in itertools.pairwise(found.weights):
        for title, rate in (("generator", 1e-3), ("discriminator", 2e-3)):
            names = [name for name in after if name.startswith(title)]
            ways = torch.cat([(after[name] - before[name]).abs().flatten() for name in names])
            assert ways.median().item() == pytest.approx(rate, rel=1e-2)
            assert ways.max().item() < 1.01 * rate


@covers("generator_steps", "discriminator_steps", "iterations", "batch_size", "latent_size", "pack")
def test_steps_and_sizes_are_those_asked_for() -> None:
    """In ten iterations of 2 D and 3 G steps, G is called 50 times with noise (6, 5), D 70 times
    with packs (3, 2, H, W)."""
    found = watch(
        generator_steps=3, discriminator_steps=2, batch_size=6, latent_size=5, pack=2
    )  # fmt: skip
    assert [tuple(z.shape) for z in found.noise] == [(6, 5)] * 50
    assert [tuple(x.shape) for x in found.packs] == [(3, 2, tiny.SIZE, tiny.SIZE)] * 70
    assert found.state.iteration == ITERATIONS
    assert len(found.state.history) == ITERATIONS


@covers("smooth_real", "smooth_fake")
def test_labels_are_drawn_from_their_intervals() -> None:
    """Every label lies in its interval, and their mean is its middle, to 5 standard errors."""
    found = watch(smooth_real=(0.7, 1.2), smooth_fake=(0.0, 0.3), batch_size=16)
    for side, low, high in (("real", 0.7, 1.2), ("fake", 0.0, 0.3)):
        labels = torch.cat([getattr(targets, side) for targets in found.targets])
        assert len(labels) == 160
        assert low <= labels.min()
        assert labels.max() <= high
        error = (high - low) / math.sqrt(12 * 160)
        assert labels.mean().item() == pytest.approx((low + high) / 2, abs=5 * error)


@covers("flip_labels", "flip_batch")
def test_labels_are_flipped_with_their_probability() -> None:
    """At 1 all are flipped; of 320 at 0.3, that share to 5 standard errors; at 0.5 a batch is
    flipped as a whole or not at all, and some are."""
    for name in ("flip_labels", "flip_batch"):
        for targets in watch(**{name: 1.0}).targets:
            assert (targets.real == 0).all()
            assert (targets.fake == 1).all()
    some = watch(flip_labels=0.3, batch_size=16).targets
    labels = torch.cat([torch.cat([1 - targets.real, targets.fake]) for targets in some])
    assert labels.mean().item() == pytest.approx(0.3, abs=5 * math.sqrt(0.3 * 0.7 / 320))
    whole = [targets.real.mean().item() for targets in watch(flip_batch=0.5).targets]
    assert set(whole) == {0.0, 1.0}


@covers("input_noise")
def test_input_noise_has_its_deviation() -> None:
    """Real frames in the ten D steps differ from clean ones by noise of deviation 0.4, to 2%."""
    clean, noisy = (watch(input_noise=noise) for noise in (0.0, 0.4))
    for step in range(0, 30, 3):  # an iteration calls D three times, with real frames first
        difference = noisy.packs[step] - clean.packs[step]
        assert difference.std().item() == pytest.approx(0.4, rel=0.03)


@covers("value_range", "standardise")
def test_grey_levels_become_values_as_written() -> None:
    """Black and white become 0 and 1, or -1 and 1; standardised, they have mean 0, deviation 1."""
    frames = tiny.some_frames(20)
    frames[:, 0, 0], frames[:, 0, 1] = 0, 255
    for name, low in (("0..1", 0.0), ("-1..1", -1.0)):
        real = torch.cat(watch(frames, value_range=name).packs[::3])
        assert (real[..., 0, 0] == low).all()
        assert (real[..., 0, 1] == 1).all()
    chosen = {"standardise": True, "batch_size": 10, "loss": "SGAN", "generator_steps": 1}
    found = watch(frames, **chosen)
    # SGAN's generator takes its batch and does not look at it: D sees one half of each epoch
    real = torch.cat([found.packs[3 * step] for step in range(ITERATIONS)])
    assert real.mean().item() == pytest.approx(0, abs=0.25)
    assert real.std().item() == pytest.approx(1, abs=0.25)


@covers("ema_half_life")
def test_the_average_is_the_formula() -> None:
    """After each step the average keeps 0.5^(batch / half-life) of itself, the half-life at most a
    twentieth of the images seen."""
    found = watch(ema_half_life=2, batch_size=4)
    name = next(name for name in found.weights[0] if name.startswith("generator."))
    ours = found.weights[0][name].double()
    for i in range(ITERATIONS):
        half_life = min(2, max(1.0, 0.05 * 4 * (i + 1)))
        keep = 0.5 ** (4 / half_life)
        ours = keep * ours + (1 - keep) * found.weights[i + 1][name].double()
        theirs = found.weights[i + 1][name.replace("generator", "average", 1)]
        np.testing.assert_allclose(theirs, ours, atol=1e-6)


@covers("monitor")
def test_what_is_left_of_the_rates_after_going_back(plugins: Registry) -> None:
    """Both rates are that share of what they would be; ``test_monitored`` is about the rest."""
    trainer, state = tiny.begin(tiny.options(), plugins)
    state.watch.rate_share = 0.25
    row = dict(zip(HISTORY, trainer.iterate(state).tolist(), strict=True))
    assert row["lr_generator"] == pytest.approx(0.25 * trainer.options.lr_generator)
    assert row["lr_discriminator"] == pytest.approx(0.25 * trainer.options.lr_discriminator)


@covers("seed")
def test_a_seed_repeats_all_and_another_nothing() -> None:
    """Ten losses are the same for the same seed, and not one of them for another."""
    one, same, other = (watch(seed=seed).rows for seed in (1, 1, 2))
    assert one == same
    assert all(a["loss_generator"] != b["loss_generator"] for a, b in zip(one, other, strict=True))


@covers("backbone_options")
def test_dropout_and_noise_have_their_strength(plugins: Registry) -> None:
    """Over ten iterations dropout takes its share of channels, to 5 standard errors, and a noise
    layer adds its deviation, to 2%."""
    for name, value, kind in (("dropout", 0.3, nn.Dropout2d), ("noise", 0.2, nn.Module)):
        chosen = tiny.options(backbone_options={"width": 8, "dropout": 0.0} | {name: value})
        trainer, state = tiny.begin(chosen, plugins)
        layers = [
            module for module in state.generator.modules()
            if isinstance(module, kind) and (name == "dropout" or hasattr(module, "std"))
        ]  # fmt: skip
        seen: list[tuple[Tensor, Tensor]] = []
        layers[0].register_forward_hook(
            lambda _, given, made, seen=seen: seen.append((given[0].detach(), made.detach()))
        )
        for _ in range(ITERATIONS):
            trainer.iterate(state)
        if name == "noise":
            added = torch.cat([(after - before).flatten() for before, after in seen])
            assert added.std().item() == pytest.approx(0.2, rel=0.02)
            continue
        alive = torch.cat([before.flatten(2).any(2).flatten() for before, _ in seen])
        kept = torch.cat([after.flatten(2).any(2).flatten() for _, after in seen])[alive]
        error = math.sqrt(0.3 * 0.7 / len(kept))
        assert kept.float().mean().item() == pytest.approx(0.7, abs=5 * error)


def formula(name: str, a: Tensor, b: Tensor) -> float:
    """The discriminator's loss of real logits a and fake logits b, as published."""
    up, down = a - b.mean(), b - a.mean()
    return {
        "SGAN": softplus(-a).mean() + softplus(b).mean(),
        "RSGAN": softplus(b - a).mean(),
        "RaSGAN": (softplus(-up).mean() + softplus(down).mean()) / 2,
        "LSGAN": (a - 1).square().mean() + b.square().mean(),
        "RaLSGAN": ((up - 1).square().mean() + (down + 1).square().mean()) / 2,
        "Hinge": (1 - a).relu().mean() + (1 + b).relu().mean(),
        "RaHinge": ((1 - up).relu().mean() + (1 + down).relu().mean()) / 2,
    }[name].item()


@covers("loss", "loss_options")
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_its_formula(name: str) -> None:
    """In each of ten iterations the loss in the history is that of the logits of its step."""
    found = watch(loss=name, loss_options={})
    calls = len(found.logits) // ITERATIONS
    for i, row in enumerate(found.rows):
        a, b = found.logits[calls * i : calls * i + 2]
        assert row["loss_discriminator"] == pytest.approx(formula(name, a, b), rel=1e-4)


@covers("penalties")
@pytest.mark.parametrize("name", PENALTIES)
def test_every_penalty_pulls_at_the_gradients(name: str) -> None:
    """It is there in every second step alone, twice as strong, where asked for; and after ten
    iterations at a high weight gradients at real frames are nearer to what it wants."""
    options = {"backbone_options": {"width": 4, "dropout": 0.0, "discriminator_norm": "none"}}
    lazy = watch(penalties={name: {"weight": 1.0, "every": 2}}, **options)
    present = [row["penalty"] > 0 for row in lazy.rows]
    assert present == [i % 2 == 0 for i in range(ITERATIONS)]
    each = watch(penalties={name: {"weight": 1.0, "every": 1}}, **options)
    assert lazy.rows[0]["penalty"] == pytest.approx(2 * each.rows[0]["penalty"], rel=1e-5)
    wanted = 1.0 if name == "gp" else 0.0
    fast = {"lr_discriminator": 1e-2, **options}
    with_it, without = (
        watch(penalties={name: {"weight": weight}}, **fast) for weight in (100.0, 0.0)
    )
    assert abs(steepness(with_it) - wanted) < abs(steepness(without) - wanted)


def steepness(found: Watched) -> float:
    """Mean norm of the discriminator's gradient at the last real frames."""
    real = found.packs[-3].clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(found.state.discriminator(real).sum(), real)
    return float(gradient.flatten(1).norm(dim=1).mean())


@covers("augmentations", "augmentation_strength")
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_augmentations_change_as_many_images_as_their_strength_says(strength: float) -> None:
    """Of 160 real images, and of as many synthetic ones, about that share has a black square (five
    standard deviations)."""
    options = {"augmentation_strength": strength, "augmentation_images": 0, "batch_size": 16}
    found = watch(augmentations={"cutout": {"side": 1.0}}, **options)
    for kind in (0, 1):  # what the discriminator's steps see: real, then synthetic images
        images = torch.cat(found.packs[kind::3])
        cut = (images == -1).flatten(1).float().mean(1) > 0.2
        share = cut.float().mean().item()
        assert share == pytest.approx(strength, abs=5 * (strength * (1 - strength) / 160) ** 0.5)


@covers("augmentation_images", "augmentation_target")
def test_the_strength_follows_the_target() -> None:
    """A batch of 4 moves it by 4 / 50: up with a target that is always reached, down with one that
    never is, not at all without images."""
    ways = {(50, -1.0): 0.08, (50, 1.0): -0.08, (0, -1.0): 0.0}
    for (images, target), way in ways.items():
        found = watch(
            augmentations={"gain": {}}, augmentation_strength=0.9, augmentation_images=images,
            augmentation_target=target, lr_discriminator=1e-3,
        )  # fmt: skip
        strengths = [row["augmentation"] for row in found.rows]
        moves = [way * float(row["sign"] != target) for row in found.rows]
        expected = [min(0.9 + sum(moves[: i + 1]), 1.0) for i in range(ITERATIONS)]
        assert strengths == pytest.approx(expected, abs=1e-6)


@covers("previews", "preview_frames")
def test_previews_are_as_many_as_asked_for(plugins: Registry, tmp_path: Any) -> None:
    """Ten iterations leave a preview at each of its iterations, of as many frames."""
    tiny.run(tmp_path, tiny.options(iterations=10, previews=4, preview_frames=9), plugins)
    paths = sorted((tmp_path / "model/previews").iterdir())
    assert [int(path.stem) for path in paths] == list(preview_iterations(10, 4))
    assert {Image.open(path).size for path in paths} == {(3 * tiny.SIZE, 3 * tiny.SIZE)}


@covers("backbone")
@pytest.mark.parametrize(
    ("backbone", "loss", "penalty"),
    [
        *itertools.product(["dcgan"], LOSSES, [*PENALTIES, None]),
        *itertools.product(["selu_sn"], LOSSES[::2], PENALTIES),
    ],
)
def test_combinations_stay_finite(
    plugins: Registry, backbone: str, loss: str, penalty: Any
) -> None:
    """Ten iterations of 40 combinations of backbone, loss and penalty: no loss and no weight is
    infinite or NaN, and both networks have moved."""
    options: dict[str, Any] = {"width": 4} | ({"max_width": 8} if backbone == "selu_sn" else {})
    check_finite(
        plugins,
        {
            "backbone": backbone, "backbone_options": options, "loss": loss,
            "penalties": {penalty: {}} if penalty else {},
        },
    )  # fmt: skip


@pytest.mark.campaign("options")
def test_any_training_stays_finite(plugins: Registry, campaign: Campaign, number: int) -> None:
    """Whatever is drawn of backbones, losses, penalties and all other options, ten iterations stay
    finite."""
    chance = campaign.chance(number)
    loss = chance.choice(LOSSES)
    backbone = chance.choice(("dcgan", "selu_sn", "pacgan2"))
    sizes = {"dcgan": {"width": 4}, "selu_sn": {"width": 4, "max_width": 16}, "pacgan2": {}}
    pack = chance.choice((1, 2, 4))
    labels = {} if "Hinge" in loss else {"smooth_real": (0.7, 1.2), "flip_batch": 0.1}
    chosen = {
        "backbone": backbone, "loss": loss, "pack": pack,
        "batch_size": pack * chance.choice((2, 3)),
        "backbone_options": sizes[backbone]
        | {"dropout": chance.choice((0.0, 0.4)), "noise": chance.choice((0.0, 0.2))},
        "penalties": {
            name: {"weight": 10 ** chance.uniform(-2, 2), "every": chance.choice((1, 3))}
            for name in chance.sample(PENALTIES, chance.choice((0, 1, 2)))
        },
        "augmentations": {
            name: {} for name in chance.sample(AUGMENTATIONS, chance.choice((0, 2, 6)))
        },
        "augmentation_strength": chance.choice((0.0, 0.5, 1.0)),
        "latent_size": chance.choice((1, 16, 100)),
        "generator_steps": chance.choice((1, 3)), "discriminator_steps": chance.choice((1, 2)),
        "lr_generator": 10 ** chance.uniform(-5, -3),
        "lr_discriminator": 10 ** chance.uniform(-5, -3),
        "betas": chance.choice(((0.0, 0.99), (0.5, 0.999))),
        "decay_discriminator": chance.choice((0.0, 5e-4)),
        "input_noise": chance.choice((0.0, 0.1)), "standardise": chance.random() < 0.3,
        "value_range": chance.choice(("0..1", "-1..1")),
        "ema_half_life": chance.choice((0, 50)), "seed": chance.randrange(2**31), **labels,
    }  # fmt: skip
    check_finite(plugins, chosen)
    campaign.row(number=number, backbone=backbone, loss=loss, penalties=sorted(chosen["penalties"]))


def check_finite(registry: Registry, changes: dict[str, Any]) -> None:
    trainer, state = tiny.begin(tiny.options(**changes), registry)
    before = [next(n.parameters()).detach().clone() for n in state.networks().values()]
    rows = torch.stack([trainer.iterate(state) for _ in range(ITERATIONS)])
    assert rows.isfinite().all()
    for first, (title, network) in zip(before, state.networks().items(), strict=True):
        assert all(value.isfinite().all() for value in network.state_dict().values()), title
        assert not torch.equal(first, next(network.parameters())), title


def test_no_option_is_left_out() -> None:
    """Whoever adds an option shows its effect here."""
    assert set(TrainingOptions.model_fields) == COVERED
