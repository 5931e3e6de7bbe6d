"""Augmentation in the training: who is changed, how strongly, and by which chance."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import tiny
from lusgan_core.api import Augmentation, NoOptions
from lusgan_core.errors import ConfigError, PluginError, UnknownPluginError
from lusgan_core.networks.value_range import ValueMap
from lusgan_core.registry import Registry
from lusgan_core.training import section
from lusgan_core.training.augment import Augmenter, followed
from lusgan_core.training.recipe import recipe

UNIT = ValueMap(scale=2 / 255, offset=-1)


def augmenter(registry: Registry, values: ValueMap = UNIT, **changes: Any) -> Augmenter:
    chosen = tiny.options(batch_size=400, **changes)
    return Augmenter(chosen, recipe(chosen, 32, 1, values, registry))


def white(images: Tensor, draws: Tensor, options: NoOptions) -> Tensor:
    return torch.ones_like(images) + 0 * images


WHITE = Augmentation("white", "All white", white)


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_the_strength_is_the_share_that_is_changed(strength: float) -> None:
    """Of 400 images about that share is changed (five standard deviations), all of it or none."""
    apply = augmenter(tiny.with_records(WHITE), augmentations={"white": {}})
    found = apply(torch.zeros(400, 1, 32, 32), torch.tensor(strength), "real", 0)
    changed = (found == 1).flatten(1)
    assert torch.equal(changed.any(1), changed.all(1))
    share = changed.all(1).float().mean().item()
    assert share == pytest.approx(strength, abs=5 * (strength * (1 - strength) / 400) ** 0.5)


def test_augmentations_are_drawn_apart_and_for_each_use(plugins: Registry) -> None:
    """Images, augmentations, purposes and steps have draws of their own; the same ones repeat."""
    both = {"gain": {}, "depth_gain": {}}
    images, half = torch.zeros(400, 1, 32, 32), torch.tensor(0.5)
    apply = augmenter(plugins, augmentations=both)
    found = apply(images, half, "real", 0)
    flat = found.flatten(2)[:, 0]
    tilted, alone = flat.std(1) > 1e-6, (flat.std(1) <= 1e-6) & (flat.mean(1).abs() > 1e-6)
    assert 140 < tilted.sum() < 260
    assert 60 < alone.sum() < 140
    assert torch.equal(found, apply(images, half, "real", 0))
    for purpose, step in (("fake", 0), ("real", 1)):
        assert not torch.equal(found, apply(images, half, purpose, step))
    other = augmenter(plugins, augmentations=both, seed=5)
    assert not torch.equal(found, other(images, half, "real", 0))


def test_the_order_of_names_changes_nothing(plugins: Registry) -> None:
    """Options of the same content have one key, so they must have one result."""
    images = torch.rand(400, 1, 32, 32)
    one, two = (
        augmenter(plugins, augmentations={name: {} for name in names})
        for names in (("cutout", "shift", "gain"), ("gain", "shift", "cutout"))
    )
    strength = torch.tensor(1.0)
    assert torch.equal(one(images, strength, "real", 0), two(images, strength, "real", 0))


@pytest.mark.parametrize(("scale", "offset"), [(1 / 255, 0.0), (0.02, -1.3)])
def test_levels_are_the_same_in_every_range(plugins: Registry, scale: float, offset: float) -> None:
    """Augmentations see -1..1 whatever the networks' range is, and black stays its black."""
    values = ValueMap(scale=scale, offset=offset)
    frames = torch.randint(0, 256, (400, 32, 32), dtype=torch.uint8)
    chosen = {"cutout": {}, "gain": {}, "mirror": {}, "shift": {}}
    found = [
        used.to_uint8(
            augmenter(plugins, used, augmentations=chosen)(
                used.to_model(frames), torch.tensor(1.0), "real", 0
            )
        )
        for used in (UNIT, values)
    ]
    assert (found[0].int() - found[1].int()).abs().max() <= 1
    assert (found[0] == 0).float().mean() > 0.05


def test_both_networks_see_augmented_images(plugins: Registry) -> None:
    """At full strength all four kinds of input are changed, real and synthetic, in both steps."""
    seen: dict[float, list[Tensor]] = {}
    for strength in (0.0, 1.0):
        chosen = tiny.options(
            loss="RaSGAN", augmentations={"cutout": {"side": 1.0}}, augmentation_images=0,
            augmentation_strength=strength, lr_generator=1e-9, lr_discriminator=1e-9,
        )  # fmt: skip
        trainer, state = tiny.begin(chosen, plugins)
        inputs: list[Tensor] = []
        state.discriminator.register_forward_pre_hook(lambda m, x, to=inputs: to.append(x[0]))
        trainer.iterate(state)
        seen[strength] = inputs
    assert len(seen[0.0]) == 4
    for plain, changed in zip(seen[0.0], seen[1.0], strict=True):
        black = changed == -1
        assert black.float().mean() > 0.2
        torch.testing.assert_close(changed[~black], plain[~black])


def test_the_generator_learns_through_augmentations(plugins: Registry) -> None:
    """Where all is cut out but for a strip, weights of the generator still get gradients."""
    chosen = tiny.options(
        augmentations={"rotation": {}, "shift": {}, "gain": {}}, augmentation_strength=1.0,
        augmentation_images=0,
    )  # fmt: skip
    trainer, state = tiny.begin(chosen, plugins)
    before = [weight.clone() for weight in state.generator.parameters()]
    trainer.iterate(state)
    assert all(
        weight.grad is not None and weight.grad.any() for weight in state.generator.parameters()
    )
    assert any(
        not torch.equal(a, b) for a, b in zip(before, state.generator.parameters(), strict=True)
    )


def test_the_strength_follows_the_advantage(plugins: Registry) -> None:
    """It rises by batch / images where the mean sign is above the target, falls below, and stays
    within 0..1; without augmentations or images it stays put."""
    chosen = tiny.options(
        augmentations={"mirror": {}}, augmentation_images=40, augmentation_target=0.5
    )
    ahead, behind = torch.tensor(0.75), torch.tensor(0.25)
    strength = torch.tensor(0.85)
    rises = followed(strength, ahead, chosen)
    assert rises.item() == pytest.approx(0.95)
    assert followed(rises, ahead, chosen).item() == 1
    assert followed(strength, behind, chosen).item() == pytest.approx(0.75)
    assert followed(torch.tensor(0.05), behind, chosen).item() == 0
    for change in ({"augmentations": {}}, {"augmentation_images": 0}):
        assert followed(strength, ahead, chosen.model_copy(update=change)).item() == strength.item()


def test_a_training_moves_its_strength(plugins: Registry, tmp_path: Any) -> None:
    """Each row of the history holds the strength after it, which follows from the rows' signs."""
    chosen = tiny.options(
        augmentations={"gain": {}}, augmentation_strength=0.5, augmentation_images=80,
        discriminator_steps=1, iterations=6, augmentation_target=0.0,
    )  # fmt: skip
    trainer, state = tiny.begin(chosen, plugins)
    rows = torch.stack([trainer.iterate(state) for _ in range(6)])
    expected = 0.5
    for row in rows:
        expected = min(max(expected + 4 / 80 * float(torch.sign(row[5])), 0), 1)
        assert row[6].item() == pytest.approx(expected, abs=1e-6)
    assert rows[:, 6].unique().numel() > 2


@pytest.mark.parametrize(
    ("apply", "said"),
    [
        (lambda x, d, o: x[:, :, 1:], r"made torch\.float32 \(4, 1, 31, 32\) of"),
        (lambda x, d, o: None, "made a NoneType of"),
        (lambda x, d, o: x.double(), r"made torch\.float64"),
        (lambda x, d, o: x / [1], "its change of images raised TypeError"),
    ],
)
def test_faults_name_the_augmentation(apply: Any, said: str) -> None:
    """An augmentation that fails, or returns anything else, is named."""
    registry = tiny.with_records(Augmentation("odd", "Odd", apply))
    trainer, state = tiny.begin(tiny.options(augmentations={"odd": {}}), registry)
    with pytest.raises(PluginError, match=f"augmentation 'odd': (it )?{said}"):
        trainer.iterate(state)


def test_unknown_augmentations_and_options_are_refused(plugins: Registry) -> None:
    """One line says what there is."""
    with pytest.raises(UnknownPluginError, match="mirror"):
        augmenter(plugins, augmentations={"mirrored": {}})
    from lusgan_core.config import resolve

    with pytest.raises(ConfigError, match=r"training\.augmentations\.shift\.mist.*most"):
        resolve("demo", plugins, settings=["training.augmentations.shift.mist=1"])
    with pytest.raises(ConfigError, match="augmentation_target"):
        resolve("demo", plugins, settings=["training.augmentation_target=2"])


def test_the_report_shows_the_strength_where_there_is_one() -> None:
    """A curve of it is drawn of a training with augmentations, from its history, and else none:
    histories of older versions have no such column."""
    head = "iteration,loss_discriminator,loss_generator,lr_discriminator,lr_generator"
    rows = [f"{i},1,1,1,1" for i in range(1, 4)]
    plain = "\n".join((head, *rows)).encode()
    assert [c.title for c in section._curves(plain, tiny.options())] == [
        "Training losses",
        "Learning rates",
    ]
    strengths = [f"{row},{i / 4}" for i, row in enumerate(rows)]
    augmented = "\n".join((f"{head},augmentation", *strengths)).encode()
    curve = section._curves(augmented, tiny.options(augmentations={"gain": {}}))[-1]
    assert curve.title == "Strength of augmentation"
    assert curve.series[0].values == (0, 0.25, 0.5)
    assert curve.images_seen == (4, 8, 12)
