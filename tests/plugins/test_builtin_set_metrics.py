"""The built-in metrics on sets against their contract, and against formulas written out here."""

from __future__ import annotations

import itertools
from statistics import fmean

import numpy as np
import pytest

from lusgan_core.api import ConfigError
from lusgan_core.measures.bound import bound
from lusgan_core.registry import installed
from lusgan_core.testing import SetMetricContract

SETS = ("kid", "kid_textbook", "fid", "fid_infinity", "precision", "recall", "density", "coverage")


class TestContract(SetMetricContract):
    """Every built-in metric on sets keeps the contract."""

    @pytest.fixture(autouse=True, params=SETS)
    def choose(self, request: pytest.FixtureRequest) -> None:
        self.record = installed().set_metric(request.param)


Groups = tuple[np.ndarray, np.ndarray]


def value(name: str, a: np.ndarray, b: np.ndarray, groups: Groups | None = None, **o: int) -> float:
    """A metric's value; each frame is a group of its own unless groups are given."""
    metric = installed().set_metric(name)
    given = groups or (np.arange(len(a)), np.arange(len(b)))
    return bound(metric, o).value(a, b, *(given if metric.grouped_by else ()))


def kid(a: np.ndarray, b: np.ndarray, **options: int) -> float:
    found = value("kid", a, b, **options)
    assert found == pytest.approx(value("kid_textbook", a, b, **options), abs=1e-12)
    return found


def spread(seed: int, frames: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of normally distributed features whose deviations fall from one to the next."""
    rng, sd = np.random.default_rng(seed), 1 / np.sqrt(np.arange(1, features + 1))
    a, b = (rng.standard_normal((frames, features)) * sd for _ in range(2))
    return a, 0.3 + 1.4 * b


REFERENCE = {
    (300, 24): {"fid": (2.7000400707798935, 2.700040070779904),
                "kid_textbook": (0.2911344131263926, 0.2911344131263922)},
    (60, 200): {"fid": (23.987040290748443, 23.987040266644144),
                "kid_textbook": (0.2981704395291776, 0.2981704395291782)},
}  # fmt: skip
"""Values of ``spread(11, frames, features)`` by clean-fid 0.1.35 and by torch-fidelity 0.4.0, of
all frames at once, with more frames than features and with fewer."""


@pytest.mark.parametrize("shape", REFERENCE)
@pytest.mark.parametrize("name", ["fid", "kid_textbook"])
def test_published_distances_are_those_of_other_libraries(
    name: str, shape: tuple[int, int]
) -> None:
    """FID and KID equal what clean-fid and torch-fidelity give for the same features."""
    found = value(name, *spread(11, *shape))
    assert REFERENCE[shape][name] == pytest.approx((found, found), rel=1e-6)


@pytest.mark.parametrize("shape", REFERENCE)
def test_fid_is_its_formula(shape: tuple[int, int]) -> None:
    """With the root of the covariances' product by eigenvalues, however few frames there are."""
    a, b = spread(12, *shape)
    one, two = (np.cov(x, rowvar=False) for x in (a, b))
    levels, vectors = np.linalg.eigh(one)
    half = vectors * np.sqrt(np.maximum(levels, 0)) @ vectors.T
    roots = np.sqrt(np.maximum(np.linalg.eigvalsh(half @ two @ half), 0)).sum()
    gap = ((a.mean(0) - b.mean(0)) ** 2).sum()
    expected = gap + np.trace(one) + np.trace(two) - 2 * roots
    assert value("fid", a, b) == pytest.approx(expected, rel=1e-6)


def test_fid_of_normal_distributions_is_known() -> None:
    """Of many frames it is nearly |mu - mu'|^2 + sum (sd - sd')^2."""
    a, b = spread(13, 20_000, 6)
    expected = 6 * 0.3**2 + (0.4**2 / np.arange(1, 7)).sum()
    assert value("fid", a, b) == pytest.approx(expected, rel=0.05)


def test_fid_at_infinity_takes_away_what_few_frames_add() -> None:
    """FID of 200 frames is far above that of the distributions, the extrapolation much less so; and
    with more frames than chance allows for both agree."""
    features = 60
    expected = features * 0.3**2 + (0.4**2 / np.arange(1, features + 1)).sum()
    few = [spread(seed, 200, features) for seed in range(12)]
    plain = fmean(value("fid", a, b) for a, b in few) - expected
    extrapolated = fmean(value("fid_infinity", a, b) for a, b in few) - expected
    assert plain > 0.5
    assert abs(extrapolated) < 0.25 * plain
    many = spread(3, 6000, 8)
    assert value("fid_infinity", *many) == pytest.approx(value("fid", *many), rel=0.03)


def naive_prdc(
    a: np.ndarray, b: np.ndarray, groups_a: np.ndarray, groups_b: np.ndarray, k: int
) -> dict[str, float]:
    """Frame by frame, as the papers have them, but for neighbours of the frame's own group."""

    def radius(x: np.ndarray, groups: np.ndarray, i: int) -> float:
        others = [np.linalg.norm(x[i] - x[j]) for j in range(len(x)) if groups[j] != groups[i]]
        return float(sorted(others)[:k][-1])

    of_a = [radius(a, groups_a, i) for i in range(len(a))]
    of_b = [radius(b, groups_b, j) for j in range(len(b))]
    apart = [[np.linalg.norm(x - y) for y in b] for x in a]
    real, judged = range(len(a)), range(len(b))
    return {
        "precision": fmean(any(apart[i][j] <= of_a[i] for i in real) for j in judged),
        "recall": fmean(any(apart[i][j] <= of_b[j] for j in judged) for i in real),
        "density": fmean(sum(apart[i][j] <= of_a[i] for i in real) / k for j in judged),
        "coverage": fmean(min(apart[i]) <= of_a[i] for i in real),
    }


@pytest.mark.parametrize("k", [1, 3, 8])
@pytest.mark.parametrize("clips", [None, (3, 4), (2, 9)])
def test_neighbours_are_counted_as_written_out(k: int, clips: tuple[int, int] | None) -> None:
    """With frames that are each a clip of their own, and with few clips of many frames, of which
    one has fewer than ``k`` others."""
    rng = np.random.default_rng(14)
    a, b = rng.standard_normal((26, 3)), 0.6 + 1.3 * rng.standard_normal((31, 3))
    groups = np.arange(26), np.arange(31)
    if clips:
        groups = np.minimum(np.arange(26) // 12, clips[0]), np.arange(31) % clips[1]
    for name, expected in naive_prdc(a, b, *groups, k).items():
        assert value(name, a, b, groups, k=k) == pytest.approx(expected, abs=1e-12)


def test_neighbours_of_independent_frames_are_the_reference() -> None:
    """Each frame a clip of its own, k = 5: what the authors' own ``prdc`` 0.2 gives."""
    a, b = spread(15, 120, 10)
    expected = {"precision": 49 / 120, "recall": 1.0, "density": 133 / 600, "coverage": 69 / 120}
    assert {name: value(name, a, b, k=5) for name in expected} == pytest.approx(expected)


def test_kid_leaves_out_pairs_of_one_patient() -> None:
    """Pair by pair: only pairs of different patients count within a set, and all of them across."""
    rng = np.random.default_rng(16)
    a, b = rng.standard_normal((9, 4)), 0.5 + rng.standard_normal((7, 4))
    groups = np.array([0, 0, 0, 4, 4, 2, 2, 2, 9]), np.array([1, 1, 5, 5, 5, 5, 8])

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return (float(np.dot(x, y)) / 4 + 1) ** 3

    within = [
        fmean(k(x[i], x[j]) for i in range(len(x)) for j in range(len(x)) if g[i] != g[j])
        for x, g in zip((a, b), groups, strict=True)
    ]
    expected = sum(within) - 2 * fmean(k(x, y) for x in a for y in b)
    assert value("kid", a, b, groups) == pytest.approx(expected, rel=1e-12)


def test_kid_of_other_patients_is_zero_on_average() -> None:
    """Two sets of different patients of one population: the textbook's estimate is far above 0, for
    frames of one patient are alike, and the one that leaves out pairs of a patient is not."""
    rng = np.random.default_rng(17)
    patients, frames = 6, 12
    groups = np.repeat(np.arange(patients), frames)
    found: dict[str, list[float]] = {"kid": [], "kid_textbook": []}
    for _ in range(200):
        a, b = (
            np.repeat(rng.standard_normal((patients, 5)), frames, axis=0)
            + 0.3 * rng.standard_normal((patients * frames, 5))
            for _ in range(2)
        )
        for name, values in found.items():
            values.append(value(name, a, b, (groups, groups)))
    error = np.std(found["kid"]) / np.sqrt(200)
    assert abs(fmean(found["kid"])) < 4 * error
    assert fmean(found["kid_textbook"]) > 10 * error


def test_kid_of_one_patient_is_undefined() -> None:
    """No pair is left within the set."""
    a, b = spread(18, 5, 3)
    assert np.isnan(value("kid", a, b, (np.zeros(5, int), np.arange(5))))


@pytest.mark.parametrize("degree", [1, 3, 4])
def test_kid_is_its_formula(degree: int) -> None:
    """Pair by pair, as the paper has it: a pair of a frame with itself counts in neither mean."""
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((7, 4)), 0.5 + rng.standard_normal((5, 4))

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return (sum(u * v for u, v in zip(x, y, strict=True)) / 4 + 1) ** degree

    within = [fmean(k(x, y) for x, y in itertools.permutations(side, 2)) for side in (a, b)]
    expected = sum(within) - 2 * fmean(k(x, y) for x in a for y in b)
    assert kid(a, b, degree=degree) == pytest.approx(expected, rel=1e-12)
    assert kid(a, b) == kid(a, b, degree=3)


def test_kid_of_degree_one_is_the_distance_of_means() -> None:
    """With a linear kernel the discrepancy is |mean - mean|^2 / D less what chance adds to it."""
    rng = np.random.default_rng(6)
    a, b = rng.standard_normal((40, 6)), 2 + rng.standard_normal((30, 6))
    gap = ((a.mean(0) - b.mean(0)) ** 2).sum() - sum(
        x.var(0, ddof=1).sum() / len(x) for x in (a, b)
    )
    assert kid(a, b, degree=1) == pytest.approx(gap / 6, rel=1e-10)


def test_kid_is_unbiased_at_any_number_of_frames() -> None:
    """Over many draws of two sets of one distribution its mean is 0, for few frames as for more."""
    rng = np.random.default_rng(7)
    for count in (3, 20):
        values = [kid(*rng.standard_normal((2, count, 4))) for _ in range(600)]
        assert abs(fmean(values)) < 4 * np.std(values) / np.sqrt(len(values))
        assert min(values) < 0


def test_kid_of_many_frames_is_computed_in_blocks() -> None:
    """More rows than a block give what one block would give."""
    rng = np.random.default_rng(8)
    a, b = rng.standard_normal((1500, 3)), rng.standard_normal((1100, 3))
    sums = [((x @ y.T / 3 + 1) ** 3).sum() for x, y in ((a, a), (b, b), (a, b))]
    same = [((x**2).sum(1) / 3 + 1) ** 3 for x in (a, b)]
    expected = (
        (sums[0] - same[0].sum()) / (1500 * 1499)
        + (sums[1] - same[1].sum()) / (1100 * 1099)
        - 2 * sums[2] / (1500 * 1100)
    )
    assert kid(a, b) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("shapes", [((1, 4), (5, 4)), ((5, 4), (5, 3))])
def test_distances_say_what_they_need(shapes: tuple[tuple[int, int], ...]) -> None:
    """One frame alone, or sides with other features, are refused with what was expected."""
    for name, least in (("kid", "two"), ("kid_textbook", "two"), ("fid", "two"),
                        ("fid_infinity", "four")):  # fmt: skip
        with pytest.raises(ConfigError, match=f"at least {least} frames"):
            value(name, *(np.ones(shape) for shape in shapes))
