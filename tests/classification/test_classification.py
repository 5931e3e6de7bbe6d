"""One classifier of a study: how many frames it gets, how it is trained and judged."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lusgan_core.classification.stage import (
    TITLES,
    ClassifierOptions,
    synthetic_frames,
    thinned,
)
from lusgan_core.classification.training import (
    Frames,
    fitted,
    judged_chances,
    tallies,
    trivial_augment,
)

CPU = torch.device("cpu")
TINY = ClassifierOptions(steps=30, batch_size=8)
REAL = {0: 100, 2: 60, 3: 10}


@pytest.mark.parametrize(
    ("arm", "wanted"),
    [
        ("real", {}),
        ("augmented", {}),
        ("oversampled", {}),
        ("synthetic-0.5", {2: 20, 3: 45}),
        ("synthetic-1", {2: 40, 3: 90}),
        ("synthetic-2", {0: 100, 2: 140, 3: 190}),
        ("synthetic-only", {0: 100, 2: 100, 3: 100}),
    ],
)
def test_scores_are_filled_up(arm: str, wanted: dict[int, int]) -> None:
    """Half of the way to the largest score, up to it, up to twice that; or that many alone."""
    assert synthetic_frames(arm, REAL) == wanted


def test_every_arm_has_a_title() -> None:
    """And synthetic frames of no score are made where there is no real one."""
    assert all(synthetic_frames(arm, {0: 0, 1: 0}) == {} for arm in TITLES)


def test_thinning_keeps_the_balance() -> None:
    """The largest score keeps what it may, the others the same share; none is lost."""
    assert thinned({0: 8000, 1: 4000, 3: 1}, 2000) == {0: 2000, 1: 1000, 3: 1}
    assert thinned({0: 8, 1: 0}, 2000) == {0: 8, 1: 0}


def light_and_dark(count: int = 40, rare: int = 20) -> Frames:
    """Return noisy frames of two scores: dark ones, then ``rare`` bright ones."""
    rng = np.random.default_rng(1)
    scores = np.repeat([0, 1], [count, rare])
    images = rng.integers(0, 60, (count + rare, 32, 32)) + 120 * scores[:, None, None]
    return Frames(images.astype(np.uint8), scores, tuple(f"p{n % 4}" for n in range(len(scores))))


def test_a_classifier_learns_and_is_the_same_twice() -> None:
    """It tells bright from dark; the same seed gives the same judgement, another another."""
    frames = light_and_dark()
    one, again, other = (
        judged_chances(fitted(frames, 2, TINY, seed, CPU), frames.images, CPU) for seed in (1, 1, 2)
    )
    assert np.mean(one.argmax(1) == frames.scores) == 1
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_arms_change_what_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oversampling shows scores equally often; TrivialAugment changes frames and keeps shapes."""
    frames, seen = light_and_dark(99, 1), []

    def spy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        seen.append(float(targets.double().mean()))
        return logits.sum()

    monkeypatch.setattr("torch.nn.functional.cross_entropy", spy)
    fitted(frames, 2, TINY, 1, CPU)
    plain, seen = np.mean(seen), []
    fitted(frames, 2, TINY, 1, CPU, oversampled=True)
    assert plain < 0.1
    assert 0.35 < np.mean(seen) < 0.65
    change = trivial_augment()
    for image in (torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16), torch.ones(3, 16, 16)):
        image = image.to(torch.uint8)
        changed = [change(image) for _ in range(20)]
        assert {(one.shape, one.dtype) for one in changed} == {(image.shape, torch.uint8)}


def test_colour_frames_are_judged_too() -> None:
    """Frames (N, S, S, 3) are trained on and judged, augmented or not."""
    grey = light_and_dark(8, 8)
    colour = Frames(np.repeat(grey.images[..., None], 3, -1), grey.scores, grey.patients)
    network = fitted(colour, 2, TINY, 1, CPU, augment=trivial_augment())
    assert judged_chances(network, colour.images, CPU).shape == (16, 2)


def test_tallies_sum_up_by_patient() -> None:
    """A patient's confusion counts its frames by true and by given score."""
    frames = Frames(np.zeros((3, 2, 2), np.uint8), np.array([0, 1, 1]), ("a", "b", "b"))
    chances = np.array([[0.9, 0.1], [0.7, 0.3], [0.0, 1.0]])
    first, second = tallies(frames, chances)
    assert (first.patient, first.confusion) == ("a", ((1, 0), (0, 0)))
    assert (second.patient, second.confusion) == ("b", ((0, 0), (1, 1)))
    assert second.bins[-1] == (1.0, 1.0, 1.0)
    assert second.bins[10] == (1.0, 0.7, 0.0)
