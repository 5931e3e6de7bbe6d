"""A side of a distance: its groups, fewer of its frames, and halves by patient."""

from __future__ import annotations

import numpy as np

from lusgan_core.measures.sides import HALVES, Side


def side(*frames_of: int) -> Side:
    """Return a side whose patients have so many frames each, numbered throughout, in two clips."""
    patients = [f"p{number}" for number, count in enumerate(frames_of) for _ in range(count)]
    clips = [f"{patient}/{number % 2}" for number, patient in enumerate(patients)]
    features = np.arange(len(patients), dtype=np.float64)[:, None]
    return Side(features, tuple(patients), tuple(clips))


def test_groups_are_patients_or_clips() -> None:
    """Frames of one patient, or of one clip, share a number; unknown ones share none."""
    some = side(2, 3)
    assert [len(set(some.groups(by).tolist())) for by in ("patient", "clip")] == [2, 4]
    assert some.groups("patient").tolist() == [0, 0, 1, 1, 1]
    assert Side(some.features).groups("patient").tolist() == [0, 1, 2, 3, 4]


def test_frames_keep_their_patients_and_clips() -> None:
    """Thinned to the first, the middle and the last, each is still whose it was."""
    fewer = side(2, 3).thinned(3)
    assert fewer.features[:, 0].tolist() == [0, 2, 4]
    assert fewer.patients == ("p0", "p1", "p1")
    assert fewer.clips == ("p0/0", "p1/0", "p1/0")
    assert side(2, 3).thinned(9).features.tolist() == side(2, 3).features.tolist()


def test_each_patient_is_left_out_once() -> None:
    """The rest of the patients keeps all frames."""
    assert [len(rest) for rest in side(2, 3, 5).leaving_out()] == [8, 7, 5]


def test_halves_share_no_patient() -> None:
    """Twenty pairs of sides, no two the same, each of the frames that were asked for."""
    pairs = list(side(*[6] * 9).halves(10))
    assert len(pairs) == HALVES
    for one, other in pairs:
        assert len(one) == len(other) == 10
        assert not set(one.patients) & set(other.patients)
    assert len({frozenset(one.patients) for one, _ in pairs}) == HALVES


def test_few_patients_have_few_halves() -> None:
    """Four patients can be halved in three ways, three in none that tells anything."""
    assert len(list(side(4, 4, 4, 4).halves(8))) == 3
    assert list(side(4, 4, 4).halves(4)) == []
    assert list(Side(np.ones((9, 1))).halves(2)) == []


def test_halves_with_too_few_frames_are_passed_over() -> None:
    """The patient with most frames needs another one beside the half that is without."""
    pairs = list(side(20, 3, 3, 3).halves(6))
    assert len(pairs) == 3
    assert list(side(20, 3, 3, 3).halves(7)) == []
