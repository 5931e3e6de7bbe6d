"""The agreement of raters, beside published numbers and another implementation."""

from __future__ import annotations

import numpy as np
import pytest

from lusgan_core.api import LABELS
from lusgan_core.domain import ClipFiles
from lusgan_core.ingestion.agreement import agreements
from matfiles import as_clip


def rated(*rows: dict[str, int]) -> ClipFiles:
    labels = [[0, 0, [[name, score] for name, score in row.items()]] for row in rows]
    return as_clip("a.avi").model_copy(update={"facts": {LABELS: labels}})


def test_a_textbooks_kappa() -> None:
    """Of 50 cases 20 are yes and 15 no for both, 5 and 10 differ: kappa is 0.4."""
    rows = [{"a": 1, "b": 1}] * 20 + [{"a": 1, "b": 0}] * 5 + [{"a": 0, "b": 1}] * 10
    (pair,) = agreements([rated(*rows, *[{"a": 0, "b": 0}] * 15)])
    assert (pair.raters, pair.rows, pair.equal) == (("a", "b"), 50, 35)
    assert pair.kappa == pytest.approx(0.4)
    assert pair.weighted_kappa == pytest.approx(0.4)


def test_it_agrees_with_torchmetrics() -> None:
    """On random scores, unweighted and with quadratic weights, to 1e-6."""
    functional = pytest.importorskip("torchmetrics.functional.classification")
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(4)
    a = rng.integers(0, 4, 300)
    b = np.clip(a + rng.integers(-1, 2, 300), 0, 3)
    (pair,) = agreements(
        rated({"x": int(one), "y": int(two)}) for one, two in zip(a, b, strict=True)
    )
    for value, weights in ((pair.kappa, "none"), (pair.weighted_kappa, "quadratic")):
        expected = functional.multiclass_cohen_kappa(
            torch.from_numpy(a), torch.from_numpy(b), num_classes=4, weights=weights
        )
        assert value == pytest.approx(float(expected), abs=1e-6)


def test_every_two_raters_are_compared_on_what_both_scored() -> None:
    """A row that one of them left empty does not count; one score throughout has no kappa."""
    found = agreements(
        [rated({"c": 2, "a": 2}, {"a": 1}), rated({"a": 2, "b": 2, "c": 2}), as_clip("x.mat")]
    )
    assert [(pair.raters, pair.rows) for pair in found] == [
        (("a", "b"), 1), (("a", "c"), 2), (("b", "c"), 1)
    ]  # fmt: skip
    assert {pair.kappa for pair in found} == {None}
    assert agreements([rated({"a": 1})]) == []
