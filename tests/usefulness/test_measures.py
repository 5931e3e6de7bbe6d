"""Values of a study against counting frame by frame, and their intervals over patients."""

from __future__ import annotations

import numpy as np
import pytest

from lusgan_core.classification.stage import BINS, Judged
from lusgan_core.classification.training import Frames, tallies
from lusgan_core.usefulness.measures import ENOUGH, judgements, measured

SCORES = (0, 2, 3)


def frames(patients: int, seed: int = 3) -> tuple[Frames, np.ndarray]:
    """Return made-up frames, 7 a patient, and the probabilities that a classifier gives them."""
    rng = np.random.default_rng(seed)
    codes = tuple(f"p{n}" for n in range(patients) for _ in range(7))
    scores = rng.integers(0, 3, len(codes))
    logits = rng.normal(0, 1, (len(codes), 3)) + 1.2 * np.eye(3)[scores]
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return Frames(np.zeros((len(codes), 2, 2), np.uint8), scores, codes), chances


def judged(of: Frames, chances: np.ndarray, seed: int = 1) -> Judged:
    return Judged(
        arm="real", fold=0, seed=seed, scores=SCORES, real={}, synthetic={},
        patients=tallies(of, chances),
    )  # fmt: skip


def values_of(*every: Judged, patients: int = 6) -> dict:
    return measured(judgements(every, [f"p{n}" for n in range(patients)]), SCORES)


def test_values_are_those_of_the_frames() -> None:
    """Recall, macro-F1, kappa and calibration error, counted over single frames."""
    of, chances = frames(6)
    given, true = chances.argmax(1), of.scores
    f1, recalls = [], []
    for score in range(3):
        right = np.sum((given == score) & (true == score))
        recalls.append(right / np.sum(true == score))
        precision = right / np.sum(given == score)
        f1.append(2 * precision * recalls[-1] / (precision + recalls[-1]))
    by_chance = sum(np.mean(given == s) * np.mean(true == s) for s in range(3))
    kappa = (np.mean(given == true) - by_chance) / (1 - by_chance)
    sure, error = chances.max(1), 0.0
    for low in np.arange(BINS) / BINS:
        own = (sure >= low) & (sure < low + 1 / BINS)
        if own.any():
            error += own.mean() * abs(np.mean(given[own] == true[own]) - sure[own].mean())
    found = values_of(judged(of, chances))
    assert found["macro_f1"].value == pytest.approx(np.mean(f1), abs=1e-12)
    assert [found[f"recall/{s}"].value for s in SCORES] == pytest.approx(recalls, abs=1e-12)
    assert found["kappa"].value == pytest.approx(kappa, abs=1e-12)
    assert found["ece"].value == pytest.approx(error, abs=1e-12)


def test_seeds_are_averaged() -> None:
    """The value of two seeds is the mean of theirs, not that of all their frames."""
    one, two = (judged(*frames(6, seed), seed=seed) for seed in (3, 4))
    alone = [values_of(each)["macro_f1"].value for each in (one, two)]
    assert values_of(one, two)["macro_f1"].value == pytest.approx(np.mean(alone))


def test_an_interval_is_one_over_patients() -> None:
    """Twice the frames of the same patients narrow nothing; more patients do."""
    of, chances = frames(6)
    twice = Frames(np.repeat(of.images, 2, 0), np.repeat(of.scores, 2),
                   tuple(np.repeat(of.patients, 2)))  # fmt: skip
    narrow = values_of(judged(twice, np.repeat(chances, 2, 0)))["macro_f1"].interval
    few = values_of(judged(of, chances))["macro_f1"].interval
    many = values_of(judged(*frames(60)), patients=60)["macro_f1"].interval
    assert narrow == pytest.approx(few)
    assert many[1] - many[0] < 0.5 * (few[1] - few[0])


def test_too_few_patients_have_no_interval() -> None:
    """Below four patients there is a value alone."""
    count = ENOUGH - 1
    value = values_of(judged(*frames(count)), patients=count)["macro_f1"]
    assert value.value is not None
    assert value.interval is None


def test_differences_are_paired() -> None:
    """An arm that judges every frame alike differs by exactly nothing, on every draw."""
    one = values_of(judged(*frames(6)))["macro_f1"]
    assert one.over(one).value == 0
    assert one.over(one).interval == (0, 0)


def test_a_score_that_is_never_given_has_no_f1() -> None:
    """It counts as 0, so that nobody gains by leaving the rarest score out."""
    of, chances = frames(6)
    chances[:, 2] = 0
    found = values_of(judged(of, chances))
    assert found["recall/3"].value == 0
    assert found["macro_f1"].value < 2 / 3
