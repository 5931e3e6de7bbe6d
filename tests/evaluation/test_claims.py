"""What an evaluation claims in words, at and around its limits."""

from __future__ import annotations

from typing import Any

import pytest

from lusgan_core.calls.section import HELD_OUT, REAL, SYNTHETIC, Measured
from lusgan_core.evaluation.audit.record import AuditLimit, AuditRecord, Planted
from lusgan_core.evaluation.claims import advice, claims, copies, diverse, realistic
from lusgan_core.evaluation.stage import EvaluationRecord

BETWEEN = (HELD_OUT, SYNTHETIC)


def distance(metric: str, value: float | None, floor: float | None, **more: Any) -> Measured:
    """Return a distance on features of lite0."""
    facts = {"metric": f"{metric}/lite0", "title": f"{metric.upper()} (lite0)", "between": BETWEEN}
    return Measured.model_validate(facts | {"value": value, "floor": floor} | more)


def kid(value: float | None, floor: float | None = 0.0, noise: float | None = 4.0) -> Measured:
    """Return a KID beside its floor and noise."""
    return distance("kid", value, floor, ceilings={} if noise is None else {"noise": noise})


def likeness(synthetic: float, real: float = 0.2) -> tuple[Measured, ...]:
    """Return mean SSIM between synthetic frames and between real ones."""
    return tuple(
        Measured(metric="ssim", title="SSIM", between=(side,) * 2, statistic="mean", value=value)
        for side, value in ((SYNTHETIC, synthetic), (REAL, real))
    )


def audit(flagged: int = 5, found: int = 45, patients: int = 9, **changes: Any) -> AuditRecord:
    """Return an audit of 500 frames with one limit at 1% and one kind of 50 planted copies."""
    limit = AuditLimit(
        rate=0.01, features=0.5, likeness=0.5, false_alarms=0.01, held_out_alarms=0.01,
        expected_rate=0.01, flagged=flagged, p_value=1e-9 if flagged > 20 else 0.6,
    )  # fmt: skip
    planted = Planted(kind="verbatim", number=50, found=(found,), interval=(0, 1), power=(1,))
    facts: dict[str, Any] = {
        "extractor": "lite0-0", "likeness": "SSIM", "frames": 500, "training_frames": 600,
        "training_patients": patients, "shared": 0, "held_out_patients": 2, "held_out_frames": 90,
        "left_out_frames": 600, "limits": (limit,),
        "planted": (planted,), "shares": (0.01,), "suspects": (), "authentic": 0.9, "c_t": None,
    }  # fmt: skip
    return AuditRecord.model_validate(facts | changes)


def record(*values: Measured, **changes: Any) -> EvaluationRecord:
    """Return an evaluation by SSIM with these values."""
    facts: dict[str, Any] = {
        "score": 2, "samples": "samples/frames.h5", "training": 60, "held_out": 20,
        "synthetic": 100, "among": 40, "likeness": "ssim", "values": values, "distributions": (),
        "absent": {}, "nearest": (), "nearest_training": (), "nearest_held_out": (),
        "engine": "numba", "pairs": 1, "audit": audit(),
    }  # fmt: skip
    return EvaluationRecord.model_validate(facts | changes)


@pytest.mark.parametrize(
    ("value", "answer"),
    [(-0.1, "Yes"), (0.39, "Yes"), (0.41, "Partly"), (0.99, "Partly"), (1.01, "No"), (5.0, "No")],
)
def test_realism_is_a_share_of_the_way_to_noise(value: float, answer: str) -> None:
    """With the floor at 0 and noise at 4, limits lie at 0.4 and at 1."""
    assert realistic(record(kid(value))).answer == answer
    moved = realistic(record(kid(value + 7, 7.0, 11.0)))
    assert moved.answer == answer


def test_the_sentence_on_realism_has_all_numbers() -> None:
    """Value, interval, floor with its range, noise and the share of the way are told."""
    value = kid(0.5, 0.1, 4.1).model_copy(
        update={"interval": (0.3, 0.7), "floor_range": (-0.05, 0.2)}
    )
    assert realistic(record(value)).text == (
        "KID (lite0) 0.5 [0.3, 0.7]; real frames of other patients 0.1 [-0.05, 0.2], noise 4.1: "
        "10% of the way from real to noise."
    )


@pytest.mark.parametrize("value", [kid(0.1, None), kid(None), kid(0.1, 0.0, None), kid(1, 4, 4)])
def test_without_a_floor_or_noise_nothing_is_said_of_realism(value: Measured) -> None:
    """A value alone says nothing."""
    assert realistic(record(value)).state == "unknown"


def test_textbook_kid_and_distances_to_training_frames_do_not_count() -> None:
    """The claim is on KID without pairs of one patient, to frames of held-out ones."""
    near = kid(9.0).model_copy(update={"between": ("training", SYNTHETIC)})
    textbook = distance("kid_textbook", 9.0, 0.0, ceilings={"noise": 4.0})
    assert realistic(record(near, textbook, kid(0.1))).answer == "Yes"
    assert realistic(record(near, textbook)).state == "unknown"


def test_why_realism_cannot_be_told_is_said() -> None:
    """The reason is that nobody is held out, or what the evaluation gives for KID."""
    assert "held out" in realistic(record(held_out=0)).text
    absent = record(absent={"KID (lite0)": "needs 2 patients"})
    assert realistic(absent).text == "KID was not measured: needs 2 patients."


@pytest.mark.parametrize(
    ("synthetic", "recall", "answer"),
    [
        (0.27, None, "Yes"),
        (0.29, None, "Partly"),
        (0.51, None, "Partly"),
        (0.53, None, "No"),
        (0.2, 0.15, "Yes"),
        (0.2, 0.13, "Partly"),
        (0.2, 0.06, "Partly"),
        (0.2, 0.04, "No"),
        (0.53, 0.2, "No"),
    ],
)
def test_diversity_is_by_likeness_and_recall(synthetic, recall, answer: str) -> None:
    """Frames must differ as real ones do, which differ by 0.8, and reach what training frames do,
    a recall of 0.2."""
    values = (*likeness(synthetic), *([distance("recall", recall, 0.2)] if recall else []))
    assert diverse(record(*values)).answer == answer


def test_diversity_counts_from_the_likeness_of_identical_frames() -> None:
    """For a metric by which identical frames are at 0, half the value is half the difference."""
    assert diverse(record(*likeness(0.1, 0.2), identical=0.0)).text.startswith(
        "They differ by 50% of what real frames of different clips do"
    )
    assert diverse(record(likeness=None)).state == "unknown"


def test_copies_are_claimed_as_the_audit_has_it() -> None:
    """Copies that were found, none detected, or a reason why nothing can be said."""
    assert copies(record(audit=audit(flagged=50))).answer == "Found"
    none = copies(record())
    assert (none.answer, none.state) == ("None detected", "good")
    assert "90% of planted copies" in none.text
    assert copies(record(audit=audit(found=24))).state == "unknown"
    assert copies(record(audit=None)).state == "unknown"
    limits = tuple(limit.model_copy(update={"false_alarms": None}) for limit in audit().limits)
    unchecked = audit(limits=limits)
    assert "checked on no other patient" in copies(record(audit=unchecked)).text


def test_copies_are_found_however_insensitive_the_audit_is() -> None:
    """What was flagged counts more than what might have been missed."""
    assert copies(record(audit=audit(flagged=50, found=1))).state == "bad"


GOOD = (kid(0.1), *likeness(0.2))


@pytest.mark.parametrize(
    ("evaluation", "words"),
    [
        (record(*GOOD), ["Look at the frames, then use them"]),
        (record(*GOOD, audit=audit(flagged=50)), ["Give no frame of this model away"]),
        (record(kid(3.0), *likeness(0.2)), ["More patients and augmentation"]),
        (record(kid(0.1), *likeness(0.9)), ["Train with augmentation"]),
        (
            record(kid(3.0), *likeness(0.2), audit=audit(patients=4)),
            ["So few patients", "More patients and augmentation"],
        ),
        (record(*likeness(0.2), held_out=0, audit=None), ["Hold patients out"]),
        (record(*GOOD, audit=None), []),
    ],
)
def test_advice_follows_from_the_claims(evaluation: EvaluationRecord, words: list[str]) -> None:
    """Each weakness has its sentence, copies first; nothing is advised where nothing is known."""
    told = list(advice(evaluation))
    assert len(told) == len(words)
    assert all(word in sentence for word, sentence in zip(words, told, strict=True))


def test_all_three_questions_are_answered() -> None:
    """In the order in which they are read."""
    assert [claim.question for claim in claims(record())] == ["Realistic?", "Diverse?", "Copies?"]


@pytest.mark.parametrize(
    ("share", "answer", "state"),
    [
        (0.7, "Yes", "good"),
        (0.67, "Partly", "warn"),
        (0.47, "No", "bad"),
        (None, "Cannot say", "unknown"),
    ],
)
def test_the_right_severity_is_held_against_real_frames(
    share: float | None, answer: str, state: str
) -> None:
    """With 80% of held-out patients' frames judged right, limits lie at 68% and 48%; without an
    encoder the question is not asked, and without a value its reason is told."""
    value = Measured(
        metric="fidelity", title="Score fidelity", between=(SYNTHETIC,), statistic="share",
        value=share, floor=0.8, floor_range=(0.6, 0.9), number=100,
    )  # fmt: skip
    absent = {} if share is not None else {"Score fidelity": "it cannot judge"}
    found = record(*((value,) if share is not None else ()), encoder="aaaa", absent=absent)
    claim = claims(found)[-1]
    assert (claim.question, claim.answer, claim.state) == ("Right severity?", answer, state)
    expected = f"{share:.0%} are judged" if share is not None else "it cannot judge"
    assert expected in claim.text
    assert share is None or "80% [60%, 90%]" in claim.text
    assert len(claims(record(value))) == 3
