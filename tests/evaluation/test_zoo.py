"""A zoo of crafted sets of frames: which gates hold each back, on phantoms of 64 pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from test_audit import LEARNT, UNSEEN, Frames, clip, evaluated, stacked

from lusgan_core.judgement import Candidate
from lusgan_core.promotion.gates import judge
from lusgan_core.promotion.options import PromotionOptions
from lusgan_core.registry import installed

COUNT = 200
Chance = np.random.Generator


def unseen() -> Frames:
    """One frame each of 200 patients whom nobody has seen."""
    return np.stack([clip(1000 + number, 0)[0] for number in range(COUNT)])


def learnt() -> Frames:
    """Training frames, some of them twice."""
    frames = stacked(LEARNT)
    return frames[np.arange(COUNT) % len(frames)]


def noisy(frames: Frames, sd: float, chance: Chance) -> Frames:
    """Frames with noise of a standard deviation, in grey levels."""
    noise = chance.normal(0, sd, frames.shape)
    return np.clip(frames + noise, 0, 255).astype(np.uint8)


def knows(number: int) -> Callable[[Chance], Frames]:
    """A generator that knows so many frames, and makes each again and again with a little noise."""

    def make(chance: Chance) -> Frames:
        return noisy(unseen()[:number][np.arange(COUNT) % number], 1, chance)

    return make


def blurred(chance: Chance) -> Frames:
    return np.stack([cv2.GaussianBlur(frame, (0, 0), 2.0) for frame in unseen()])


ZOO: dict[str, tuple[Callable[[Chance], Frames], set[str]]] = {
    "noise": (
        lambda chance: chance.integers(0, 256, (COUNT, 64, 64), np.uint8),
        {"realism", "diversity"},
    ),
    "mean frame and noise": (
        lambda chance: noisy(np.stack([unseen().mean(0)] * COUNT), 20, chance),
        {"realism", "diversity"},
    ),
    "one frame": (knows(1), {"diversity", "collapse"}),
    "two frames": (knows(2), {"diversity"}),
    "five frames": (knows(5), {"diversity"}),
    "copies": (lambda chance: learnt(), {"copies"}),
    "mirrored copies": (lambda chance: learnt()[:, :, ::-1].copy(), {"copies"}),
    "shifted copies": (lambda chance: np.roll(learnt(), 3, 2), {"copies"}),
    "darker copies": (lambda chance: (learnt() * 0.8).astype(np.uint8), {"copies"}),
    "blurred frames": (blurred, {"realism", "diversity"}),
    "frames of unseen patients": (lambda chance: unseen(), set()),
}
"""Name of a set -> how it is made, and the gates that must hold it back; none: all let it pass."""


@pytest.mark.parametrize("name", ZOO)
def test_each_set_gets_the_verdict_that_it_deserves(name: str, tmp_path: Path) -> None:
    """Mush, few frames and copies are held back by the gates that are about them; real frames of
    unseen patients pass all gates."""
    make, gates = ZOO[name]
    record = evaluated(
        tmp_path,
        LEARNT,
        UNSEEN,
        make(np.random.default_rng(1)),
        metrics=("ssim", "kid", "recall"),
        features=("lite0",),
        audit_copies=20,
    )
    candidate = Candidate(
        score=record.score,
        model=name,
        values=record.values,
        likeness=record.likeness,
        to_training=tuple(map(record.distance, record.nearest_training)),
        to_held_out=tuple(map(record.distance, record.nearest_held_out)),
        identical=record.identical,
    )
    asked = {gate: {} for gate in ("realism", "diversity", "collapse", "copies")}
    verdicts = judge(candidate, None, PromotionOptions(gates=asked), installed()).verdicts
    assert all(verdict.measured for verdict in verdicts), verdicts
    held = {verdict.gate for verdict in verdicts if not verdict.passed}
    assert held >= gates, verdicts
    assert gates or not held, verdicts
