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

KID = installed().set_metric("kid")


class TestContract(SetMetricContract):
    """Every built-in metric on sets keeps the contract."""

    @pytest.fixture(autouse=True, params=["kid"])
    def choose(self, request: pytest.FixtureRequest) -> None:
        self.record = installed().set_metric(request.param)


def kid(a: np.ndarray, b: np.ndarray, **options: int) -> float:
    return bound(KID, options).value(a, b)


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
def test_kid_says_what_it_needs(shapes: tuple[tuple[int, int], ...]) -> None:
    """One frame alone, or sides with other features, are refused with what was expected."""
    with pytest.raises(ConfigError, match="at least two frames"):
        kid(*(np.ones(shape) for shape in shapes))
