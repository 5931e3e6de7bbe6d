"""Which patients are held out: decided from a patient's code and the seed, for good."""

from __future__ import annotations

from itertools import pairwise

import pytest
from pydantic import ValidationError

from lusgan_core.domain import ScoreCount, ShardRecord
from lusgan_core.selection.splits import held_out_patients, validation_patients
from lusgan_core.selection.stage import SelectionOptions, score_dataset

CODES = [f"P{number}" for number in range(400)]


def shard(code: str) -> ShardRecord:
    """Return a shard with a frame of each score."""
    return ShardRecord(
        patient=code, exam="1", clip=f"convex_{code}_1_1", area=1, key=f"shards/{code}.h5",
        digest="0", frames=4,
        by_score={score: ScoreCount(frames=1, digest="0") for score in range(4)},
    )  # fmt: skip


def test_order_and_repetition_do_not_matter():
    """The same codes in another order, or several times, give the same side to each."""
    expected = held_out_patients(CODES, 0.3, 5)
    assert held_out_patients(reversed(CODES + CODES[:50]), 0.3, 5) == expected
    assert expected <= set(CODES)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.9])
def test_about_the_share_asked_for_is_held_out(share):
    """Over 400 patients and 25 seeds the share is met within 5 deviations."""
    counts = sum(len(held_out_patients(CODES, share, seed)) for seed in range(25))
    slack = 5 * (10_000 * share * (1 - share)) ** 0.5
    assert counts == pytest.approx(10_000 * share, abs=slack)


def test_seeds_split_differently():
    """Another seed holds other patients out."""
    assert held_out_patients(CODES, 0.2, 1) != held_out_patients(CODES, 0.2, 2)


@pytest.mark.parametrize("count", [3, 4, 11])
def test_of_three_patients_one_is_held_out(count):
    """From three patients on at least one is held out however small the share; of fewer, only
    those whose hash says so."""
    for seed in range(50):
        assert len(held_out_patients(CODES[:count], 1e-9, seed)) == 1
        assert held_out_patients(CODES[:2], 1e-9, seed) == frozenset()
    few = [len(held_out_patients(CODES[:2], 0.5, seed)) for seed in range(50)]
    assert set(few) == {0, 1, 2}


def test_the_one_held_out_for_want_of_another_is_the_nearest():
    """He is held out at every larger share too, so that raising it lets nobody back in."""
    for seed in range(50):
        nearest = held_out_patients(CODES[:3], 1e-9, seed)
        for share in (0.2, 0.4, 0.6, 0.8):
            assert nearest <= held_out_patients(CODES[:3], share, seed)


def test_share_0_holds_nobody_out():
    """Not even the one of three."""
    assert held_out_patients(CODES, 0, 1) == frozenset()
    assert held_out_patients([], 0.2, 1) == frozenset()


def test_who_arrives_later_moves_nobody():
    """As patients come one by one, each has the side that he has among all 400; but as long as
    nobody is held out that way, and three are there, one is held out for want of another."""
    for seed in range(20):
        among_all = held_out_patients(CODES, 0.2, seed)
        for count in range(1, 40):
            there = CODES[:count]
            expected = among_all & set(there)
            found = held_out_patients(there, 0.2, seed)
            if expected or count < 3:
                assert found == expected
            else:
                assert len(found) == 1


def test_a_larger_share_holds_the_same_patients_out_and_more():
    """Raising the share moves patients one way only."""
    sides = [held_out_patients(CODES, share, 3) for share in (0.1, 0.2, 0.4, 0.8)]
    assert all(small < large for small, large in pairwise(sides))


def test_the_split_is_pinned():
    """Codes hash to the same side in every release, or held-out patients would come to have been
    trained on; odd codes, also of bytes that are no text, have a side too."""
    assert held_out_patients(map(str, range(1, 12)), 0.2, 999) == {"1", "9"}
    assert len(held_out_patients(["ä", "病", "\udcff", "a/b", " "], 1.0, 0)) == 5


def test_the_split_is_the_same_for_every_score():
    """A patient with frames of several scores is on one side in all of their datasets."""
    shards = [shard(code) for code in CODES[:30]]
    held_out = held_out_patients((shard.patient for shard in shards), 0.3, 4)
    for score in range(4):
        dataset = score_dataset(shards, score, held_out)
        assert {clip.patient for clip in dataset.held_out} == held_out
        assert {clip.patient for clip in dataset.training} == set(CODES[:30]) - held_out


def test_a_split_is_a_share_below_all_and_a_seed() -> None:
    """What is not named stays as in every store so far, since another default would move patients
    from one side to the other; a share of 1 would leave nobody to train on."""
    assert SelectionOptions() == SelectionOptions(held_out=0.2, seed=999)
    assert SelectionOptions(held_out=0, seed=0).seed == 0
    for wrong in ({"held_out": 1}, {"held_out": -0.1}, {"seed": -1}):
        with pytest.raises(ValidationError):
            SelectionOptions.model_validate(wrong)


@pytest.mark.parametrize("count", range(1, 12))
def test_of_four_patients_one_validates(count):
    """From four training patients on at least one however small the share, of fewer none; never
    more than half, so that there is something to train on."""
    for seed in range(40):
        few = validation_patients(CODES[:count], 0.01, seed)
        many = validation_patients(CODES[:count], 0.5, seed)
        assert len(few) >= (count >= 4)
        assert len(few) == 0 or count >= 4
        assert len(many) <= count // 2
        assert not validation_patients(CODES[:count], 0.0, seed)


def test_who_validates_does_not_follow_from_who_is_held_out():
    """Of those that are not held out about the share validates: another hash decides."""
    held = held_out_patients(CODES, 0.5, 3)
    others = [code for code in CODES if code not in held]
    assert 0.1 * len(others) < len(validation_patients(others, 0.2, 3)) < 0.3 * len(others)


def test_nobody_is_on_two_sides():
    """Each clip of a score is on one side; the digest that a training depends on is of its own side
    alone, and that of validation frames names whose they are."""
    shards = [shard(code) for code in CODES[:12]]
    held, seen = frozenset(CODES[:3]), frozenset(CODES[3:5])
    dataset = score_dataset(shards, 0, held, seen)
    sides = [
        {c.patient for c in side}
        for side in (dataset.training, dataset.validation, dataset.held_out)
    ]
    assert sides == [set(CODES[5:12]), seen, held]
    assert dataset.validation_frames == sum(clip.frames for clip in dataset.validation)
    fewer = score_dataset(shards[5:], 0, held, seen)
    assert fewer.frames_digest == dataset.frames_digest
    assert fewer.validation_digest != dataset.validation_digest
