"""Conditional backbones: one training over several scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tiny
import tiny_backbones as nets
from lusgan_core.api import Penalty
from lusgan_core.config import resolve
from lusgan_core.errors import ConfigError, TooFewFramesError, TrainingStopped
from lusgan_core.networks.seeding import ScoredBatches

CHOSEN: dict[str, Any] = {
    "backbone": "conditional", "backbone_options": {}, "generator_steps": 2, "loss": "RaSGAN",
    "penalties": {"r1": {"weight": 1.0}, "gp": {"weight": 1.0, "every": 2}}, "ema_half_life": 20,
}  # fmt: skip
SCORES = np.arange(18) % 3 % 2
"""Twelve frames of score 0, six of score 1."""


@pytest.fixture(scope="module")
def registry():
    """Return the plugins and a conditional backbone."""
    return tiny.with_records(nets.CONDITIONAL, Penalty("both", "Real and fake at once", both))


def both(discriminator: nn.Module, real: Tensor, fake: Tensor, rng: Any, options: Any) -> Tensor:
    return discriminator(torch.cat([real, fake])).square().mean()


def frames() -> np.ndarray:
    """Dark frames of score 0, bright ones of score 1."""
    return (tiny.some_frames() // 4 + 150 * SCORES[:, None, None]).astype(np.uint8)


def test_a_killed_training_over_two_scores_equals_an_uninterrupted_one(registry, tmp_path) -> None:
    """Stopped after every iteration and resumed, it leaves the same files byte for byte, and a
    generator that paints the scores differently."""
    chosen = tiny.options(**CHOSEN, pack=2, iterations=5)
    given: dict[str, Any] = {"frames": frames(), "scores": SCORES}
    straight = tiny.run(tmp_path / "straight", chosen, registry, **given)
    for _ in range(4):
        with pytest.raises(TrainingStopped):
            tiny.run(tmp_path / "stopped", chosen, registry, stop=tiny.stopped(), **given)
    resumed = tiny.run(tmp_path / "stopped", chosen, registry, **given)
    assert resumed.resumed_from == 4
    assert tiny.left(tmp_path / "stopped") == tiny.left(tmp_path / "straight")
    assert straight.record.scores == 2
    network = straight.record.build(registry)
    z = torch.randn(2, 6)
    dark, bright = (network(z, torch.full((2,), score)) for score in (0, 1))
    assert not torch.equal(dark, bright)


@pytest.mark.parametrize("pack", [1, 2])
def test_every_image_is_judged_by_its_own_score(registry, pack) -> None:
    """The discriminator is given, with each pack of real frames, the score of all frames in it, and
    as many synthetic ones of the same scores."""
    chosen = tiny.options(**CHOSEN | {"penalties": {"both": {}}}, pack=pack)
    trainer, state = tiny.begin(chosen, registry, frames(), scores=SCORES)
    seen: list[tuple[Tensor, Tensor]] = []
    state.discriminator.register_forward_pre_hook(lambda _, given: seen.append(given))
    painted: list[Tensor] = []
    state.generator.register_forward_pre_hook(lambda _, given: painted.append(given[1]))
    for _ in range(3):
        trainer.iterate(state)
    real = [seen[call] for call in range(0, len(seen), 7)]  # an iteration calls it seven times
    for images, scores in real:
        assert scores.dtype == torch.int64
        bright = (images > 0).float().mean(dim=(2, 3)) > 0.5
        assert torch.equal(bright, scores[:, None].bool().expand(-1, pack))
    for (_, first), (_, second) in zip(seen[::7], seen[1::7], strict=True):
        assert torch.equal(first, second)
    assert all(len(scores) == 4 for scores in painted)
    for (packs, scores), of_both in zip(real, seen[2::7], strict=True):
        assert len(of_both[0]) == 2 * len(packs)
        assert torch.equal(of_both[1], scores.repeat(2))


def test_packs_have_one_score_and_an_epoch_shows_no_frame_twice() -> None:
    """Of 12 and 7 frames in packs of 2, batches of 6 show 18 frames an epoch, each once, always in
    packs of one score; the next epoch has another order."""
    scores = np.array([0] * 12 + [1] * 7)
    batches = ScoredBatches(scores, 6, 2, seed=1)
    epochs = [torch.cat([batches[3 * epoch + i] for i in range(3)]).numpy() for epoch in (0, 1)]
    for shown in epochs:
        assert len(set(shown)) == 18
        of_packs = scores[shown].reshape(-1, 2)
        assert (of_packs[:, 0] == of_packs[:, 1]).all()
        assert set(of_packs[:, 0]) == {0, 1}
    assert list(epochs[0]) != list(epochs[1])
    with pytest.raises(TooFewFramesError, match="do not fill a batch of 20 with packs of 2"):
        ScoredBatches(scores, 20, 2, seed=1)


def test_a_pipeline_run_refuses_a_conditional_backbone(registry) -> None:
    """The error names the option, says why, and lists what can be chosen."""
    with pytest.raises(ConfigError, match=r"training\.backbone: conditional is .*dcgan, pacgan2"):
        resolve("demo", registry, settings=["training.backbone=conditional"])


def test_scores_need_a_conditional_backbone(registry) -> None:
    """Scores for a backbone that takes none are an error before anything is trained."""
    with pytest.raises(ConfigError, match=r"dcgan does not take scores.*: conditional"):
        tiny.begin(tiny.options(), registry, scores=SCORES)
