"""Labels of a discriminator step: smoothed, flipped one by one, flipped as a whole."""

from __future__ import annotations

import pytest
import torch

import tiny
from lusgan_core.training import label_noise as labels

MANY = torch.zeros(500, 40)


def draw(seed=1, logits=MANY, **changes):
    targets = labels.drawn(
        logits, logits, tiny.options(**changes), torch.Generator().manual_seed(seed)
    )
    return targets.real, targets.fake


def test_labels_are_1_and_0_unless_told_otherwise():
    """With no trick on, real labels are 1 and synthetic ones 0, shaped as the logits."""
    real, fake = draw()
    assert torch.equal(real, torch.ones(500, 40))
    assert torch.equal(fake, torch.zeros(500, 40))
    plain = labels.plain(MANY, MANY)
    assert torch.equal(plain.real, real)
    assert torch.equal(plain.fake, fake)


def test_smoothed_labels_are_uniform_in_their_intervals():
    """Both sides fill their interval: the ends to 0.001, mean and deviation to 1%."""
    real, fake = draw(smooth_real=(0.7, 1.2), smooth_fake=(0.0, 0.3))
    for drawn, low, high in ((real, 0.7, 1.2), (fake, 0.0, 0.3)):
        assert low <= drawn.min() < low + 1e-3
        assert high - 1e-3 < drawn.max() <= high
        assert drawn.mean().item() == pytest.approx((low + high) / 2, rel=0.01)
        assert drawn.std().item() == pytest.approx((high - low) / 12**0.5, rel=0.01)


def test_one_side_alone_can_be_smoothed():
    """An empty interval leaves that side at its plain value."""
    real, fake = draw(smooth_real=(0.7, 1.2))
    assert real.unique().numel() > 1000
    assert torch.equal(fake, torch.zeros(500, 40))


@pytest.mark.parametrize("p", [0.05, 0.5, 1.0])
def test_each_label_is_flipped_with_probability_p(p):
    """On both sides, independently, a share p becomes the other label (5 deviations of 20,000)."""
    real, fake = draw(flip_labels=p)
    slack = 5 * (p * (1 - p) / 20_000) ** 0.5
    assert (real == 0).float().mean().item() == pytest.approx(p, abs=slack)
    assert (fake == 1).float().mean().item() == pytest.approx(p, abs=slack)
    both = ((real == 0) & (fake == 1)).float().mean().item()
    assert both == pytest.approx(p * p, abs=5 * (p * p * (1 - p * p) / 20_000) ** 0.5)


def test_a_flipped_label_is_smoothed_as_the_other_kind():
    """With p = 1 and smoothing, real labels lie in the synthetic interval and the other way."""
    real, fake = draw(flip_labels=1.0, smooth_real=(0.7, 1.2), smooth_fake=(0.0, 0.3))
    assert 0 <= real.min() <= real.max() <= 0.3
    assert 0.7 <= fake.min() <= fake.max() <= 1.2


def test_a_batch_is_flipped_as_a_whole():
    """With flip_batch 0.3 either all labels of a step are flipped or none, in 3 of 10 steps."""
    few = torch.zeros(2, 3)
    flipped = 0
    for seed in range(1000):
        real, fake = draw(seed, few, flip_batch=0.3)
        assert real.unique().numel() == fake.unique().numel() == 1
        assert real[0, 0] != fake[0, 0]
        flipped += int(real[0, 0] == 0)
    assert flipped == pytest.approx(300, abs=5 * (1000 * 0.3 * 0.7) ** 0.5)
