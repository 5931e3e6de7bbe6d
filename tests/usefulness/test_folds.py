"""Folds of patients."""

from __future__ import annotations

import pytest

from lusgan_core.usefulness.folds import fold_patients

PATIENTS = {f"90{n:02}": {0, 1} if n % 3 else {0, 3} for n in range(20)}


@pytest.mark.parametrize("count", [2, 3, 5, 20])
def test_every_patient_is_in_one_fold(count: int) -> None:
    """Everyone has a fold, every fold has someone, and sizes differ by one at most."""
    folds = fold_patients(PATIENTS, count, 999)
    sizes = [list(folds.values()).count(fold) for fold in range(count)]
    assert folds.keys() == PATIENTS.keys()
    assert max(sizes) - min(sizes) <= 1


def test_a_rare_score_is_spread_over_folds() -> None:
    """Three patients with a score are in three folds, whatever the hashes say."""
    for seed in range(20):
        shown = {f"p{n}": {0, 2} if n < 3 else {0} for n in range(15)}
        folds = fold_patients(shown, 3, seed)
        assert {folds["p0"], folds["p1"], folds["p2"]} == {0, 1, 2}


def test_the_seed_decides_and_not_the_order() -> None:
    """The same patients in another order get the same folds; another seed gives others."""
    backwards = dict(reversed(PATIENTS.items()))
    assert fold_patients(backwards, 5, 1) == fold_patients(PATIENTS, 5, 1)
    assert fold_patients(PATIENTS, 5, 2) != fold_patients(PATIENTS, 5, 1)
