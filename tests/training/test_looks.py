"""What follows from the numbers of a look, and the numbers of networks that are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tiny
from lusgan_core.errors import ConfigError, TrainingError
from lusgan_core.networks.value_range import value_map
from lusgan_core.registry import Registry
from lusgan_core.training.looks import Consequence, Look, MonitorOptions, Watch, judge
from lusgan_core.training.measuring import Measuring, Validation

NAN = math.nan


def watched(looks: list[Look], augmented: bool = True, **options: Any) -> tuple[Watch, list[Any]]:
    """Return the watch after some looks, and what followed from each."""
    watch, chosen = Watch(), MonitorOptions.model_validate(options)
    return watch, [judge(watch, look, chosen, 100, augmented) for look in looks]


def fine(iteration: int, **changes: float) -> Look:
    return Look(iteration, **({"loss": 1.0, "spread": 0.8, "kid": 0.5, "overfit": 0.1} | changes))


def kinds(watch: Watch) -> list[str]:
    return [event.kind for event in watch.events]


def test_nothing_is_said_of_a_training_that_goes_well() -> None:
    """Each look's weights are good ones; the nearest so far are the best."""
    watch, done = watched([fine(10), fine(20, kid=0.3), fine(30, kid=0.4)])
    assert done == [Consequence(keep_good=True, keep_best=best) for best in (True, True, False)]
    assert (watch.best_iteration, watch.best_kid, watch.since_best) == (20, 0.3, 1)
    assert not watch.events
    assert not watched([fine(10)], keep_best=False)[1][0].keep_best


@pytest.mark.parametrize("loss", [NAN, math.inf, 50.5])
def test_divergence_goes_back_with_a_smaller_step(loss: float) -> None:
    """The last good weights come back, rates are halved, and the iterations between are lost."""
    watch, done = watched([fine(10), Look(20, loss), fine(30, kid=0.7), Look(40, loss)])
    assert [one.roll_back for one in done] == [False, True, False, True]
    assert not done[1].keep_good
    assert not done[1].keep_best
    assert watch.rate_share == 0.25
    assert watch.lost == [(10, 20), (30, 40)]
    assert "weights of iteration 10, at 0.5 of the learning rates" in watch.events[0].text
    assert watch.best_iteration == 10
    assert watched([Look(20, 50.0)])[1][0].keep_good


def test_a_training_that_keeps_diverging_fails() -> None:
    """After as many times as allowed one line says what happened and what to do."""
    with pytest.raises(TrainingError, match=r"NaN .* went back 2 times .* lower the learning"):
        watched([Look(10, NAN), Look(20, NAN), Look(30, NAN)], roll_backs=2)
    with pytest.raises(TrainingError, match="loss rose to 60 before iteration 10: lower"):
        watched([Look(10, 60.0)], roll_backs=0)


def test_overfitting_raises_augmentation_and_its_end_lowers_it() -> None:
    """By a tenth a look, said once; without augmentations or validation frames nothing moves."""
    over = [fine(20 + 10 * n, overfit=0.6) for n in range(1, 13)]
    assert watched([fine(20, overfit=0.9)])[0].least_augmentation == 0, "too early to tell"
    watch, _ = watched(over)
    assert watch.least_augmentation == 1.0
    assert kinds(watch) == ["augmentation"]
    watch, _ = watched([*over[:2], fine(130), fine(140), fine(150)])
    assert watch.least_augmentation == 0.0
    assert watched(over, augmented=False)[0].least_augmentation == 0
    assert watched([fine(30, overfit=NAN)])[0].least_augmentation == 0
    assert watched([fine(30, overfit=0.5)])[0].least_augmentation == 0


def test_collapse_is_called_by_name_and_is_never_the_best() -> None:
    """Not in the first quarter, when all frames are alike; its end is said as well."""
    looks = [fine(20, spread=0.01, kid=0.9), fine(40, spread=0.14, kid=0.1), fine(60, kid=0.2)]
    watch, done = watched(looks)
    assert kinds(watch) == ["collapse", "recovery"]
    assert [one.keep_best for one in done] == [True, False, True]
    assert watch.best_iteration == 60


def test_patience_ends_a_training() -> None:
    """After so many looks without a better one, said once; never without validation frames."""
    looks = [fine(10), *(fine(n, kid=0.6) for n in (20, 30))]
    watch, _ = watched(looks, patience=2)
    assert watch.stopped
    assert kinds(watch) == ["stopped early"]
    assert "none of 2 looks" in watch.events[0].text
    assert not watched(looks, patience=3)[0].stopped
    assert not watched(looks)[0].stopped
    blind = [fine(n, kid=NAN, overfit=NAN) for n in (10, 20, 30, 40)]
    assert not watched(blind, patience=1)[0].stopped
    assert not watched([fine(90), fine(100, kid=0.9)], patience=1)[0].stopped


class Reader(nn.Module):
    """A discriminator whose logit is the mean grey level."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean((1, 2, 3), keepdim=False).unsqueeze(1)


def measuring(plugins: Registry, training: int, validation: int, **changes: Any) -> Measuring:
    """Return what measures a training on frames of one grey level."""
    options = tiny.options(monitor={"every": 1, "frames": 16, **changes})
    trainer, _ = tiny.begin(options, plugins)
    shape = (20, tiny.SIZE, tiny.SIZE)
    given = Validation(np.full(shape, validation, np.uint8), ("1",) * 20, ("a", "b") * 10)
    frames = torch.full(shape, training, dtype=torch.uint8)
    return Measuring(options, trainer.recipe, plugins, torch.device("cpu"), frames, given)


@pytest.mark.parametrize(("validation", "expected"), [(200, 0), (150, 0.5), (100, 1), (250, 0)])
def test_overfitting_is_where_validation_frames_stand(
    plugins: Registry, validation: int, expected: float
) -> None:
    """0 where they are judged as training frames (200), 1 where as synthetic ones (100)."""
    found = measuring(plugins, 200, validation)
    synthetic = np.full((16, tiny.SIZE, tiny.SIZE), 100, np.uint8)
    assert found._overfit(Reader(), synthetic) == pytest.approx(expected, abs=1e-6)


def test_a_look_measures_kid_and_spread(plugins: Registry) -> None:
    """Frames of one noise vector alone have no spread; KID is that of the plugin to validation
    frames, and a look at the same weights repeats it."""
    options = tiny.options(monitor={"every": 1, "frames": 16})
    trainer, state = tiny.begin(options, plugins)
    state.history[0] = trainer.iterate(state).numpy()
    given = Validation(tiny.some_frames(12), tuple("112233445566"), tuple("abcdefghijkl"))
    frames = torch.from_numpy(tiny.some_frames())
    found = Measuring(options, trainer.recipe, plugins, torch.device("cpu"), frames, given)
    look = found.look(state, 0)
    assert (look.iteration, look.loss) == (1, pytest.approx(abs(float(state.history[0][1]))))
    assert 0 <= look.overfit <= 1
    assert look.kid > 0
    again = Measuring(options, trainer.recipe, plugins, torch.device("cpu"), frames, given)
    assert again.look(state, 0) == look
    for weight in state.generator.parameters():
        nn.init.zeros_(weight)
    assert found.look(state, 0).spread == pytest.approx(0, abs=1e-9)
    assert state.generator.training
    blind = Measuring(options, trainer.recipe, plugins, torch.device("cpu"), frames, None)
    assert math.isnan(blind.look(state, 0).kid)


def test_values_that_are_not_finite_are_found(plugins: Registry) -> None:
    """In the history since the last look, and in weights; nothing else is measured then."""
    options = tiny.options(monitor={"every": 1, "frames": 16})
    trainer, state = tiny.begin(options, plugins)
    for number in range(2):
        state.history[number] = trainer.iterate(state).numpy()
    found = Measuring(options, trainer.recipe, plugins, trainer.frames.device, trainer.frames, None)
    state.history[0, 0] = NAN
    assert math.isnan(found.look(state, 0).loss)
    assert found.look(state, 1).loss > 0
    with torch.no_grad():
        next(state.discriminator.parameters())[0] = math.inf
    assert math.isnan(found.look(state, 1).loss)


def test_features_for_larger_frames_are_refused(plugins: Registry) -> None:
    """The line names the option, and what the extractor needs."""
    frames = torch.zeros((16, 4, 4), dtype=torch.uint8)
    options = tiny.options(monitor={"every": 1})
    made = tiny.begin(options, plugins)[0].recipe
    assert value_map(options, frames)
    found = Measuring(options, made, plugins, frames.device, frames, None)
    with pytest.raises(ConfigError, match=r"training.monitor.features: random needs frames of 8"):
        _ = found._extract
