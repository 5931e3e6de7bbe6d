"""Puts patients into folds, so that each fold has patients of every score where there are enough.

The order within a score is a hash of the patient's code and a seed, so nothing but the patients
and their scores decides. A patient who arrives may move others: a study is one of all its patients.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Set

ENOUGH = 2
"""Patients that a score needs: one to learn it from while another is judged."""


def fold_patients(scores: Mapping[str, Set[int]], count: int, seed: int) -> dict[str, int]:
    """Put every patient into one fold.

    Scores take turns, the one with the fewest patients first; each of its patients goes where that
    score is rarest, and of such folds to the one with the fewest patients.

    Args:
        scores: Code of each patient -> scores of the patient's frames, one at least.
        count: Number of folds, at most as many as patients.
        seed: Seed of the order.

    Returns:
        Code of each patient -> number of the fold, from 0.
    """
    patients: dict[int, list[str]] = {}
    for code, own in scores.items():
        for score in own:
            patients.setdefault(score, []).append(code)
    order = {code: hashlib.sha256(f"folds/{seed}/{code}".encode()).hexdigest() for code in scores}
    placed: dict[str, int] = {}
    for score in sorted(patients, key=lambda s: (len(patients[s]), s)):
        for code in sorted(patients[score], key=order.__getitem__):
            if code in placed:
                continue
            shown = [0] * count
            for other in patients[score]:
                if other in placed:
                    shown[placed[other]] += 1
            sizes = [list(placed.values()).count(fold) for fold in range(count)]
            placed[code] = min(range(count), key=lambda f: (shown[f], sizes[f], f))
    return placed
