"""Each gate on candidates of which it is known whether they should pass."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from lusgan_core.promotion.candidate import Candidate, TrainingEnd
from lusgan_core.promotion.gates import GATES, judge
from lusgan_core.promotion.stage import PromotionOptions

SOUND = Candidate(
    score=2,
    model="sound",
    training=TrainingEnd(generator_loss=0.7, discriminator_loss_share=0.8),
    synthetic_distance=0.5,
    real_distance=0.6,
    closest_real=0.2,
    to_training=(0.3,) * 50,
    to_held_out=(0.35,) * 50,
)
OPTIONS = PromotionOptions()


def failed(candidate: Candidate, current: Candidate | None = None, **options: object) -> set[str]:
    chosen = PromotionOptions.model_validate(options)
    return {v.gate for v in judge(candidate, current, chosen) if not v.passed}


def test_a_sound_model_passes_every_gate() -> None:
    """Bounded losses, frames as different as real ones, none near a training frame."""
    assert failed(SOUND) == set()
    assert failed(SOUND, SOUND) == set()


def test_gates_have_names_and_say_what_they_are_for() -> None:
    """Each verdict carries its gate's name and a reason; names are distinct."""
    assert [gate.name for gate in GATES] == ["divergence", "collapse", "near-copies"]
    assert all(gate.description for gate in GATES)
    assert [v.gate for v in judge(SOUND, None, OPTIONS)] == [gate.name for gate in GATES]
    assert all(v.reason for v in judge(SOUND, None, OPTIONS))


@pytest.mark.parametrize(
    ("loss", "share", "passes"),
    [(50.0, 1.0, True), (50.1, 1.0, False), (1.0, 0.0099, False), (1.0, 0.01, True),
     (math.nan, 1.0, False), (math.inf, 1.0, False)],
)  # fmt: skip
def test_divergence(loss: float, share: float, passes: bool) -> None:
    """A loss beyond its limit, or none that is a number, fails; the limit itself passes."""
    candidate = replace(SOUND, training=TrainingEnd(loss, share))
    assert failed(candidate) == (set() if passes else {"divergence"})


def test_collapse_is_by_distance_beside_real_frames() -> None:
    """Diversity is synthetic over real distance: 0.21 / 0.6 is the limit of 35 %."""
    assert failed(replace(SOUND, synthetic_distance=0.211)) == set()
    assert failed(replace(SOUND, synthetic_distance=0.209)) == {"collapse"}
    assert failed(replace(SOUND, synthetic_distance=0.209), min_diversity=0.3) == set()
    verdict = judge(replace(SOUND, synthetic_distance=0.06), None, OPTIONS)[1]
    assert verdict.values == pytest.approx({"diversity": 0.1, "limit": 0.35})
    assert verdict.reason == "synthetic frames differ by 10% of what real ones do, under 35%"


def test_collapse_compares_with_the_current_model() -> None:
    """A model that keeps less than half of the current one's diversity fails, though above 35 %."""
    better = replace(SOUND, synthetic_distance=0.6)
    worse = replace(SOUND, synthetic_distance=0.25)
    assert failed(worse) == set()
    assert failed(worse, better) == {"collapse"}
    assert failed(worse, better, keep_diversity=0.4) == set()
    assert failed(better, worse) == set()


def test_near_copies_are_counted() -> None:
    """One frame in 50 may be closer than a third of the closest real pair; two may not."""
    close = (0.06,)
    one = replace(SOUND, to_training=close + SOUND.to_training[1:])
    two = replace(SOUND, to_training=close * 2 + SOUND.to_training[2:])
    assert failed(one) == set()
    assert failed(two) == {"near-copies"}
    assert failed(two, max_near_copies=0.04) == set()
    assert failed(two, near_copy=0.25) == set()


def test_a_frame_as_near_to_a_held_out_patient_is_no_copy() -> None:
    """What is just as close to somebody who was never seen cannot have been copied."""
    near = replace(SOUND, to_training=(0.06,) * 50, to_held_out=(0.1,) * 50)
    assert failed(near) == set()
    assert failed(replace(near, to_held_out=())) == {"near-copies"}


@pytest.mark.parametrize(
    "change",
    [
        {"synthetic_distance": None, "closest_real": None, "to_training": (), "to_held_out": ()},
        {"real_distance": None, "closest_real": None, "to_held_out": ()},
        {"real_distance": 0.0},
    ],
)
def test_what_cannot_be_measured_passes_and_says_so(change: dict[str, object]) -> None:
    """Without likeness, with one clip, or with equal real frames there is no verdict against."""
    verdicts = judge(replace(SOUND, **change), None, OPTIONS)
    assert all(verdict.passed for verdict in verdicts)
    assert verdicts[1].reason.startswith("not measured")


def test_the_end_of_a_training_is_read_from_its_history() -> None:
    """Means are over the last and the first hundred iterations, of absolute values."""
    rows = ["iteration,loss_discriminator,loss_generator"]
    rows += [f"{n},{2.0 if n <= 100 else -0.5},{-3.0 if n > 100 else 9}" for n in range(1, 301)]
    end = TrainingEnd.read("\n".join(rows).encode())
    assert end.generator_loss == pytest.approx(3.0)
    assert end.discriminator_loss_share == pytest.approx(0.25)
    broken = TrainingEnd.read("\n".join([*rows, "301,1,nan"]).encode())
    assert math.isnan(broken.generator_loss)
