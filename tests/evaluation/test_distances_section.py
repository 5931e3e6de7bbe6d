"""What a report shows of distances: one row each, and whether extractors agree."""

from __future__ import annotations

from typing import Any

from lusgan_core.calls.section import HELD_OUT, SYNTHETIC, TRAINING, Measured, Range, Table
from lusgan_core.evaluation.distances_section import (
    TOO_FEW,
    agreement_in_words,
    distances_groups,
)


def distance(
    metric: str, value: float, floor: float | None, *ceilings: float, **more: Any
) -> Measured:
    """Return a distance to held-out frames, with ceilings of blurred frames and of noise."""
    name, _, extractor = metric.partition("/")
    facts = {
        "metric": metric, "title": f"{name.upper()} ({extractor})", "better": "lower",
        "between": (HELD_OUT, SYNTHETIC), "value": value, "floor": floor, "number": 50,
        "ceilings": dict(zip(("blurred", "noise"), ceilings, strict=False)),
    }  # fmt: skip
    return Measured.model_validate(facts | more)


def table(*values: Measured) -> Table:
    """Return the table that is shown of distances."""
    (group,) = distances_groups(3, values)
    (found,) = group.figures
    assert isinstance(found, Table)
    return found


def test_a_row_has_all_that_a_distance_is_held_against() -> None:
    """Value, range, floor, its range, each ceiling, the distance to training frames, the number."""
    one = distance("kid/lite0", 0.5, 0.1, 0.9, 4.4, interval=(0.3, 0.7), floor_range=(-0.1, 0.2))
    near = one.model_copy(update={"between": (TRAINING, SYNTHETIC), "value": 0.4})
    found = table(one, near)
    assert dict(zip(found.columns, found.rows[0], strict=True)) == {
        "Distance": "KID (lite0), ↓ lower = more alike",
        "Value": 0.5,
        "5% to 95%": Range(low=0.3, high=0.7),
        "Floor": 0.1,
        "Floor, 5% to 95%": Range(low=-0.1, high=0.2),
        "Blurred": 0.9,
        "Noise": 4.4,
        "To training": 0.4,
        "Frames a side": 50,
    }
    assert len(found.rows) == 1
    assert "compared where there is a LUS encoder" in found.caption
    scores = one.model_copy(update={"ceilings": {"noise": 4.4, "score 1": 0.2, "score 3": 0.7}})
    beside = table(scores)
    assert beside.columns[-4:-2] == ("Score 1", "Score 3")
    assert "score 1, score 3: real frames of training patients" in beside.caption


def test_few_patients_are_said_to_be_too_few() -> None:
    """Instead of an interval; without held-out patients there is nothing to have one."""
    found = table(distance("fid/lite0", 5, 1, 9, 44), distance("kid/lite0", 0.5, 0.1))
    assert [row[1] for row in found.rows] == [0.5, 5]  # KID first
    assert [row[2] for row in found.rows] == [TOO_FEW, TOO_FEW]
    assert found.rows[0][5:8] == (None, None, None)
    alone = table(distance("kid/lite0", 0.5, None, between=(TRAINING, SYNTHETIC)))
    assert alone.rows[0][2] is None
    assert alone.rows[0][-2] == 0.5


def test_extractors_that_rank_alike_are_said_to() -> None:
    """By every distance, or by which; one extractor alone agrees with nobody."""
    alike = [distance(f"kid/{of}", 0.5, 0.1, 0.9, 4.4) for of in ("lite0", "random")]
    who = "The extractors lite0 and random rank floor, synthetic frames and bad frames alike"
    assert agreement_in_words(alike) == f"{who} by every distance."
    unlike = [distance("fid/lite0", 5, 1, 9, 44), distance("fid/random", 10, 1, 9, 44)]
    orders = (
        "By FID, the best first: lite0 floor, synthetic, blurred, noise; random floor, blurred, "
        "synthetic, noise."
    )
    found = agreement_in_words([*alike, *unlike])
    assert found == f"{who} by KID, but not by FID. {orders}"
    assert agreement_in_words(unlike) == (
        "The extractors lite0 and random do not rank floor, synthetic frames and bad frames alike "
        f"by FID. {orders}"
    )
    assert agreement_in_words(alike[:1]) == ""


def test_a_value_within_the_range_of_its_floor_ranks_as_the_floor() -> None:
    """Chance may put either ahead, so it is no disagreement; nor is a tie."""
    ranges = {"floor_range": (0.0, 0.6)}
    near = [distance("kid/a", 0.5, 0.1, 0.9, **ranges), distance("kid/b", 0.05, 0.1, 0.9, **ranges)]
    assert agreement_in_words(near).endswith("by every distance.")
    tie = [distance("kid/a", 0.9, 0.1, 0.9), distance("kid/b", 1.0, 0.1, 0.9)]
    assert agreement_in_words(tie).endswith("by every distance.")


def test_higher_is_better_turns_the_order() -> None:
    """Coverage of the floor is highest, of noise lowest, and both extractors agree on it."""
    of = [
        distance(f"coverage/{name}", value, 0.9, 0.3, 0.0, better="higher")
        for name, value in (("a", 0.5), ("b", 0.2))
    ]
    assert "a floor, synthetic, blurred, noise; b floor, blurred, synthetic, noise" in (
        agreement_in_words(of)
    )


def test_distances_that_are_absent_are_told_beside_the_others() -> None:
    """Why a distance was not measured depends on a score's frames, so it stands in its section;
    where none was measured the reasons stand alone."""
    absent = {"FID at infinity (lite0)": "needs 50 frames a side, there are 29"}
    (alone,) = distances_groups(1, (), absent)
    said = "FID at infinity (lite0) is absent: needs 50 frames a side, there are 29."
    assert (alone.text, alone.figures) == (said, ())
    assert distances_groups(1, ()) == []
