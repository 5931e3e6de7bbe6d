"""The audit's statistic, limits and published measures on crafted arrays, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, mannwhitneyu

from lusgan_core.evaluation.audit.limits import (
    drawn_rates,
    false_alarms,
    flagged,
    joint_limits,
    p_value,
    power,
    smallest_rate,
    wilson,
)
from lusgan_core.evaluation.audit.plants import KINDS, plant
from lusgan_core.evaluation.audit.published import ENOUGH, authenticity, c_t, z_u
from lusgan_core.evaluation.audit.ratios import feature_distances, merge_patients, ratios
from lusgan_core.evaluation.audit.record import AuditRecord, Suspect
from lusgan_core.evaluation.audit.section import concentration
from lusgan_core.evaluation.real_frame import RealFrame


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_ratios_are_those_of_a_plain_loop(rng: np.random.Generator) -> None:
    """The distance to the nearest training frame over that to the nearest one of anybody else."""
    distances = rng.uniform(0.1, 1, (40, 30))
    patients = [f"p{number}" for number in rng.integers(0, 5, 30)]
    found = ratios(distances, patients)
    for row, value, nearest in zip(distances, found.values, found.nearest, strict=True):
        assert nearest == min(range(30), key=lambda frame: row[frame])
        others = [d for d, code in zip(row, patients, strict=True) if code != patients[nearest]]
        assert value == min(row) / min(others)


def test_a_ratio_is_0_for_a_copy_and_1_where_nobody_is_nearer() -> None:
    """Two patients at distance 0 are no evidence against either, and NaN is no distance."""
    distances = np.array([[0.0, 0.5, 0.4], [0.0, 0.3, 0.0], [np.nan, 0.2, 0.8]])
    found = ratios(distances, ["a", "a", "b"])
    assert found.values.tolist() == [0.0, 1.0, 0.25]
    assert found.nearest.tolist() == [0, 0, 1]


def test_feature_distances_are_euclidean(rng: np.random.Generator) -> None:
    """As numpy's norm has them, far from the origin too; and none is negative or NaN."""
    a, b = 1e3 + rng.normal(size=(7, 12)), 1e3 + rng.normal(size=(5, 12))
    expected = np.linalg.norm(a[:, None] - b[None], axis=2)
    assert feature_distances(a, b) == pytest.approx(expected, rel=1e-9)
    assert np.diag(feature_distances(a, a)) == pytest.approx(0, abs=1e-5)


def test_patients_who_share_something_are_one() -> None:
    """Directly or through a third one; others stay who they are."""
    marks = [("c", {1}), ("a", {2}), ("b", {1, 2}), ("d", {3}), ("d", {4}), ("e", set[int]())]
    assert merge_patients(marks) == {"a": "a", "b": "a", "c": "a", "d": "d", "e": "e"}


@pytest.mark.parametrize("rate", [0.01, 0.02, 0.1])
def test_joint_limits_flag_at_most_the_rate_and_no_higher_rank_does(
    rng: np.random.Generator, rate: float
) -> None:
    """Together, not each; both limits have one rank, and at the next one too many are flagged."""
    features, likeness = rng.uniform(size=(2, 300))
    limits = joint_limits(features, likeness, rate)
    ranks = [int((v < limit).sum()) for v, limit in zip((features, likeness), limits, strict=True)]
    assert ranks[0] == ranks[1]
    assert flagged(features, likeness, limits).sum() <= rate * 300
    higher = np.sort(features)[ranks[0] + 1], np.sort(likeness)[ranks[0] + 1]
    assert ranks[0] == 300 * rate or flagged(features, likeness, higher).sum() > rate * 300


def test_few_frames_flag_none_of_themselves(rng: np.random.Generator) -> None:
    """At 1 % of 40 frames no false alarm is left: limits are the smallest ratios seen."""
    features, likeness = rng.uniform(size=(2, 40))
    assert joint_limits(features, likeness, 0.01) == (features.min(), likeness.min())


def test_false_alarms_are_counted_by_limits_of_other_patients(rng: np.random.Generator) -> None:
    """Each patient's frames by limits set without them: one who is like no other is flagged, whose
    own frames would have moved the limits. One patient alone cannot be checked."""
    features, likeness = rng.uniform(0.5, 1, (2, 120))
    patients = [f"p{number // 30}" for number in range(120)]
    features[:30] -= 0.4
    found = false_alarms(features, likeness, patients, 0.02)
    assert found is not None
    assert found[:30].mean() > 0.5
    limits = joint_limits(features[30:], likeness[30:], 0.02)
    assert np.array_equal(found[:30], flagged(features[:30], likeness[:30], limits))
    assert flagged(features, likeness, joint_limits(features, likeness, 0.02)).sum() <= 2
    assert false_alarms(features, likeness, ["p"] * 120, 0.02) is None


def test_few_frames_cannot_tell_small_rates() -> None:
    """Of 19 frames none may be flagged; the next one is below all of them once in 20 times."""
    assert smallest_rate(0.02, 999) == 0.02
    assert smallest_rate(0.02, 19) == 1 / 20


def test_rates_are_drawn_by_patients() -> None:
    """Where all frames of one of four patients are flagged, a draw of four patients has him a
    binomial number of times; and no rate is below the smallest."""
    alarms = np.repeat([True, False, False, False], 10)
    rates = drawn_rates(alarms, np.repeat(list("abcd"), 10).tolist(), 0.02)
    assert set(rates) <= {0.02, 0.25, 0.5, 0.75, 1.0}
    for times in range(4):
        share = np.mean(rates == max(0.02, times / 4))
        assert share == pytest.approx(binom.pmf(times, 4, 0.25), abs=0.05)
    assert drawn_rates(None, ["a"], 0.03).tolist() == [0.03]


def test_p_values_and_power_are_binomial() -> None:
    """As scipy's distribution has them: of the smallest count whose p value is significant; for
    several rates their mean."""
    one = np.array([0.02])
    assert p_value(0, 500, one) == 1
    assert p_value(19, 500, one) == pytest.approx(binom.sf(18, 500, 0.02))
    several = np.array([0.02, 0.04, 0.04, 0.1])
    assert p_value(19, 500, several) == pytest.approx(binom.sf(18, 500, several).mean())
    needed = next(n for n in range(500) if binom.sf(n - 1, 500, 0.02) < 0.01)
    share = 0.05 * 0.9 + 0.95 * 0.02
    (found,) = power([0.05], 500, [one], [0.9])
    assert found == pytest.approx(binom.sf(needed - 1, 500, share))
    assert power([0.5], 2, [np.array([0.4])], [1.0]) == (0.0,)
    assert power([0.05], 500, [one], [0.0]) == power([0.05], 500, [one], [0.02])


def test_power_is_that_of_the_better_limit() -> None:
    """Two limits share the significance; the one that notices a share sooner counts."""
    rates = [np.array([0.01]), np.array([0.02])]
    both = power([0.02], 500, rates, [0.9, 0.9])[0]
    each = [power([0.02], 500, [rate, rate], [0.9, 0.9])[0] for rate in rates]
    assert both == max(each)
    assert each[0] != each[1]


def test_wilson_interval() -> None:
    """Values of Wilson's formula that were computed by hand for 8 of 10, and at both ends."""
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 50) == pytest.approx((0.0, 0.0713), abs=1e-4)
    assert wilson(50, 50) == pytest.approx((0.9287, 1.0), abs=1e-4)


def test_authenticity_is_as_written_in_the_paper(rng: np.random.Generator) -> None:
    """A frame is authentic if it is further from its nearest training frame than that frame is from
    any other training frame; in parts as at once."""
    training = rng.normal(size=(50, 3))
    synthetic = np.concatenate([training[:20] + 0.05, rng.normal(size=(20, 3))])
    authentic = 0
    for frame in synthetic:
        gaps = [float(np.linalg.norm(frame - other)) for other in training]
        near = gaps.index(min(gaps))
        apart = [
            float(np.linalg.norm(training[near] - other))
            for number, other in enumerate(training)
            if number != near
        ]
        authentic += min(gaps) > min(apart)
    assert 0 < authentic < 40
    for rows in (1024, 7):
        assert authenticity(synthetic, training, rows) == authentic / 40


def test_z_u_is_the_standardised_mann_whitney_statistic(rng: np.random.Generator) -> None:
    """It counts pairs whose synthetic distance is larger, ties by half; copies make it negative."""
    held_out, synthetic = rng.uniform(size=30).round(1), rng.uniform(size=40).round(1)
    u = sum((s > h) + 0.5 * (s == h) for s in synthetic for h in held_out)
    assert u == mannwhitneyu(synthetic, held_out).statistic
    expected = (u - 600) / np.sqrt(30 * 40 * 71 / 12)
    assert z_u(held_out, synthetic) == pytest.approx(expected)
    assert z_u(held_out, 0 * synthetic) < -5


def test_c_t_weighs_cells_by_their_held_out_frames(rng: np.random.Generator) -> None:
    """In two clouds far apart it is the mean of the clouds' Z_U; a cloud without enough synthetic
    frames is left out, and without any that has enough there is no value."""
    left, right = np.zeros(4), np.full(4, 100.0)

    def cloud(centre: np.ndarray, count: int, spread: float) -> np.ndarray:
        return centre + rng.normal(0, spread, (count, 4))

    training = np.concatenate([cloud(left, 60, 1), cloud(right, 60, 1)])
    held_out = np.concatenate([cloud(left, 30, 1), cloud(right, 90, 1)])
    copying = training[:40] + 1e-3
    sound = cloud(right, 50, 1)
    made = np.concatenate([copying, sound])

    def gaps(frames: np.ndarray) -> np.ndarray:
        return np.linalg.norm(frames[:, None] - training[None], axis=2).min(1)

    one = z_u(gaps(held_out[:30]), gaps(copying))
    two = z_u(gaps(held_out[30:]), gaps(sound))
    assert c_t(made, training, held_out, cells=2) == pytest.approx((one + 3 * two) / 4)
    few = np.concatenate([copying[: ENOUGH - 1], sound])
    assert c_t(few, training, held_out, cells=2) == pytest.approx(two)
    assert c_t(made[: ENOUGH - 1], training, held_out) is None
    assert one < -5 < two


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("colours", [(), (3,)])
def test_planted_copies_differ_from_their_originals_as_their_kind_says(
    kind: str, colours: tuple[int, ...]
) -> None:
    """Of the same shape, the same each time, in grey and in colour."""
    y, x = np.mgrid[0:64, 0:64]
    waves = [128 + 60 * np.sin(x / (5 + n)) * np.cos(y / 9) + 20 * np.sin(x + n) for n in range(6)]
    frames = np.stack(waves).astype(np.uint8)
    frames = np.repeat(frames[..., None], 3, axis=3) if colours else frames
    found = plant(kind, frames)
    assert (found.shape, found.dtype) == (frames.shape, np.uint8)
    assert np.array_equal(found, plant(kind, frames))
    level = frames.astype(float)
    error = np.abs(found - level).mean()
    if kind == "verbatim":
        assert error == 0
    elif kind == "mirrored":
        assert np.array_equal(found[:, :, 0], frames[:, :, -1])
    elif kind == "shifted":
        inner = frames[:, 2:-2, 2:-2]
        moves = [found[:, 2 + d : 62 + d, 2 + r : 62 + r] for d in (-2, 2) for r in (-2, 2)]
        assert all(any(np.array_equal(m[n], inner[n]) for m in moves) for n in range(6))
    elif kind == "contrast":
        assert found.std() == pytest.approx(0.8 * frames.std(), rel=0.02)
    elif kind == "gain":
        assert found[0].mean() == pytest.approx(frames[0].mean() / 1.25, rel=0.01)
        assert found[1].mean() == pytest.approx(min(255, frames[1].mean() * 1.25), rel=0.02)
    elif kind == "noise":
        assert (found - level).std() == pytest.approx(12, rel=0.05)
    elif kind == "blended":
        assert np.abs(found - (level + np.roll(level, -3, axis=0)) / 2).max() <= 0.5
    else:
        assert 2 < error < 40


def test_flags_that_point_at_one_patient_are_told() -> None:
    """Five of six flagged frames nearest to one training patient are said to be; three of six, or
    few frames, are not."""

    def pointing(*patients: str) -> AuditRecord:
        suspects = tuple(
            Suspect(
                synthetic=number, features=0.5, likeness=0.5,
                real=RealFrame(shard="s", frame=0, patient=patient, held_out=False),
            )
            for number, patient in enumerate(patients)
        )  # fmt: skip
        return AuditRecord.model_construct(suspects=suspects)

    assert concentration(pointing(*"aaaaab")).startswith("5 of 6 flagged frames are nearest to one")
    assert concentration(pointing(*"aaabbb")) == ""
    assert concentration(pointing(*"aaa")) == ""
