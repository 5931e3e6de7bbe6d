"""What is kept of a stream of values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lusgan_core.measures.pairs.accumulators import Accumulators, Histogram, Moments, Nearest

numbers = st.lists(
    st.floats(-1e6, 1e6, allow_nan=False, allow_subnormal=False)
    | st.just(float("inf"))
    | st.just(float("nan")),
    min_size=1,
    max_size=60,
)


def fed(values: np.ndarray, pieces: int) -> Accumulators:
    """Accumulators that got the values in so many pieces."""
    accumulators = Accumulators(1, 1, "lower", 16)
    for part in np.array_split(values, pieces):
        accumulators.count(part)
    return accumulators


class TestMoments:
    @given(numbers, st.integers(1, 9))
    def test_moments_are_numpys_however_the_values_come(self, values, pieces):
        """Mean, deviation and extremes are those of the finite values; the rest is counted."""
        values = np.array(values)
        finite = values[np.isfinite(values)]
        summary = fed(values, pieces).summary()
        assert (summary.count, summary.infinite, summary.undefined) == (
            values.size,
            np.isinf(values).sum(),
            np.isnan(values).sum(),
        )
        if finite.size:
            assert summary.mean == pytest.approx(finite.mean(), rel=1e-9, abs=1e-6)
            assert summary.sd == pytest.approx(finite.std(), rel=1e-6, abs=1e-6)
            assert (summary.min, summary.max) == (finite.min(), finite.max())
        else:
            assert summary.mean is summary.sd is summary.min is summary.max is None


class TestHistogram:
    @given(numbers, st.integers(1, 9))
    def test_counts_are_numpys_over_the_same_edges(self, values, pieces):
        """Each bin holds what lies between its edges, the upper one excluded."""
        values = np.array(values)
        finite = values[np.isfinite(values)]
        summary = fed(values, pieces).summary()
        if finite.size:
            edges = np.array([*summary.edges, np.inf])
            wanted = np.histogram(finite, edges)[0]
            assert list(summary.counts) == wanted[:-1].tolist()
            assert wanted[-1] == 0

    @given(numbers, st.integers(1, 9))
    def test_pieces_make_no_difference(self, values, pieces):
        """The histogram of a stream is that of all values at once, edges included."""
        values = np.array(values)
        one, many = fed(values, 1).summary(), fed(values, pieces).summary()
        assert one.edges == many.edges
        assert one.counts == many.counts

    def test_bins_are_few_and_fit_the_range(self):
        """At most as many bins as asked for, and more than a quarter of them used."""
        values = np.random.default_rng(0).normal(30, 2, 10_000)
        histogram = Histogram(64)
        histogram.add(values, values.min(), values.max())
        assert 32 <= len(histogram.counts) <= 64
        assert histogram.counts.sum() == values.size

    def test_one_value_alone_has_a_bin(self):
        """A metric that never varies gives one bin, be it zero or huge."""
        for value in (0.0, 1e300, -7.25):
            histogram = Histogram(64)
            histogram.add(np.full(3, value), value, value)
            assert histogram.counts.tolist() == [3]


class TestNearest:
    @settings(max_examples=50)
    @given(
        st.integers(0, 10_000),
        st.sampled_from(["higher", "lower"]),
        st.sampled_from([None, 3.0]),
        st.integers(1, 7),
    )
    def test_neighbours_are_those_of_a_full_sort(self, seed, better, target, step):
        """In any order of blocks, ties to the lower index, infinity last, NaN never.

        By the nearness to a target where there is one, from either side.
        """
        rng = np.random.default_rng(seed)
        values = rng.integers(0, 6, (20, 5)).astype(float)  # many ties
        values[values == 5] = np.inf
        values[rng.random(values.shape) < 0.2] = np.nan
        nearest = Nearest(5, 4, better, target)
        for start in rng.permutation(range(0, 20, step)).tolist():
            rows = np.arange(start, min(start + step, 20))
            nearest.offer(values[rows], rows, 0)
        keys = values if better == "lower" else -values
        if target is not None:
            keys = np.abs(values - target)
        order = np.argsort(keys, axis=0, kind="stable")[:4].T
        wanted = np.take_along_axis(values.T, order, axis=1)
        np.testing.assert_array_equal(nearest.values, wanted)
        assert (nearest.indices[~np.isnan(wanted)] == order[~np.isnan(wanted)]).all()
        assert (nearest.indices[np.isnan(wanted)] == -1).all()


def test_restored_accumulators_go_on_as_if_nothing_had_happened():
    """State put into other accumulators gives the same summary after the same further values."""
    values = np.random.default_rng(1).normal(size=(40, 6))
    whole, first, second = (Accumulators(6, 3, "higher", 16) for _ in range(3))
    rows = np.arange(40)
    for accumulators, part in (
        (whole, slice(0, 20)),
        (whole, slice(20, 40)),
        (first, slice(0, 20)),
    ):
        accumulators.count(values[part])
        accumulators.nearest.offer(values[part], rows[part], 0)
    second.restore(first.state())
    second.count(values[20:])
    second.nearest.offer(values[20:], rows[20:], 0)
    assert second.summary() == whole.summary()
    np.testing.assert_array_equal(second.nearest.indices, whole.nearest.indices)


def test_an_empty_stream_has_no_moments():
    """Nothing counted leaves None, not zeros that look like values."""
    assert Moments().add(np.array([np.nan])).size == 0
    assert Accumulators(1, 1, "lower", 8).summary().mean is None
