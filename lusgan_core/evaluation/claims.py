"""What an evaluation claims of a score's frames, in words: realistic? diverse? copies?

A fourth question, where there is a LUS encoder: do they show the severity that they shall? Each
answer rests on one number that stands beside its floor. Distances are placed on the way from real
frames of other patients (the floor) to noise; limits are in shares of that way. On real clips at 64
pixels, differences below 2% of it meant nothing, sharp frames lay at 8 to 13% and clouds without a
pleura at a third.
"""

from __future__ import annotations

from collections.abc import Iterator

from lusgan_core.calls.section import HELD_OUT, SYNTHETIC, Claim
from lusgan_core.evaluation.audit.section import verdict
from lusgan_core.evaluation.stage import FIDELITY, EvaluationRecord
from lusgan_core.judgement import Candidate
from lusgan_core.measured import NOISE, find, find_distance

CLOSE, FAR = 0.1, 0.25
"""Shares of the way to noise up to which frames are called realistic, and partly so."""
VARIED, NARROW = 0.9, 0.6
"""How much synthetic frames differ, as a share of what real ones do: diverse, and partly so."""
COVERED, MISSED = 0.7, 0.25
"""Recall as a share of what training frames reach: diverse, and partly so."""
FAITHFUL, UNFAITHFUL = 0.85, 0.6
"""Share of frames judged as their score, as a multiple of that of held-out patients' frames: the
right severity, and partly so."""
SENSITIVE = 0.5
"""Share of planted copies that the audit must find to say anything."""
FEW_PATIENTS = 5
"""Training patients of a score below which more of them are the first advice."""
BETWEEN = (HELD_OUT, SYNTHETIC)


def realistic(record: EvaluationRecord) -> Claim:
    """Answer whether frames look like those of patients the model has not seen.

    Args:
        record: The evaluation.

    Returns:
        The claim, by KID on the first of its extractors.
    """
    question = "Realistic?"
    value = find_distance(record.values, "kid", BETWEEN)
    if value is None or value.value is None or value.floor is None:
        return _cannot_say(question, _why_not(record, "KID"))
    text = (
        f"{value.title} {value.value:.3g}{_range(value.interval)}; real frames of other patients "
    )
    text += f"{value.floor:.3g}{_range(value.floor_range)}"
    way = value.way_to_noise
    if way is None:
        return _cannot_say(question, text)
    text += f", noise {value.ceilings[NOISE]:.3g}: {max(way, 0):.0%} of the way from real to noise."
    return _answer(question, (way <= CLOSE, way <= FAR), text)


def diverse(record: EvaluationRecord) -> Claim:
    """Answer whether frames differ as much as real ones do, and cover what these show.

    Args:
        record: The evaluation.

    Returns:
        The claim, by the mean likeness of frames, and by recall where it was measured.
    """
    question = "Diverse?"
    share = Candidate(
        score=record.score,
        model="",
        values=record.values,
        likeness=record.likeness,
        identical=record.identical,
    ).diversity
    if share is None:
        return _cannot_say(question, "how alike frames are was not measured.")
    text = f"They differ by {share:.0%} of what real frames of different clips do"
    recall = find_distance(record.values, "recall", BETWEEN)
    enough, some = share >= VARIED, share >= NARROW
    if recall and recall.value is not None and recall.floor:
        text += f"; recall {recall.value:.2f}, of training frames {recall.floor:.2f}"
        enough &= recall.value >= COVERED * recall.floor
        some &= recall.value >= MISSED * recall.floor
    return _answer(question, (enough, some), text + ".")


def copies(record: EvaluationRecord) -> Claim:
    """Answer whether frames are copies of training frames, as far as the audit could tell.

    Args:
        record: The evaluation.

    Returns:
        The claim; it never says that nothing was copied, only that no copying was detected.
    """
    question, audit = "Copies?", record.audit
    if audit is None:
        return _cannot_say(question, _why_not(record, "Memorisation audit"))
    text = verdict(audit)
    if audit.copies_found:
        return Claim(question=question, answer="Found", state="bad", text=text)
    if not audit.checked_patients:
        return _cannot_say(
            question, f"{text} The false alarms could be checked on no other patient."
        )
    if audit.sensitivity < SENSITIVE:
        return _cannot_say(question, f"{text} That is too few to tell.")
    return Claim(question=question, answer="None detected", state="good", text=text)


def faithful(record: EvaluationRecord) -> Claim:
    """Answer whether frames show the severity that they are meant to show.

    Args:
        record: The evaluation, with a LUS encoder.

    Returns:
        The claim, by the share of frames that the encoder judges as their score.
    """
    question = "Right severity?"
    value = find(record.values, "fidelity", (SYNTHETIC,), "share")
    if value is None or value.value is None or not value.floor or FIDELITY in record.absent:
        return _cannot_say(question, f"not measured: {record.absent.get(FIDELITY, 'no encoder')}.")
    text = (
        f"{value.value:.0%} are judged as score {record.score} by the LUS encoder; of held-out "
        f"patients' frames {value.floor:.0%}{_shares(value.floor_range)}."
    )
    share = value.value / value.floor
    return _answer(question, (share >= FAITHFUL, share >= UNFAITHFUL), text)


def claims(record: EvaluationRecord) -> tuple[Claim, ...]:
    """Answer the three questions, and a fourth where there is a LUS encoder."""
    three = realistic(record), diverse(record), copies(record)
    return (*three, faithful(record)) if record.encoder else three


def advice(record: EvaluationRecord) -> Iterator[str]:
    """Say what to do next, by what is claimed.

    Args:
        record: The evaluation.

    Yields:
        A sentence for each thing to do, the most important first.
    """
    real, varied, own, *others = (claim.state for claim in claims(record))
    weak = {"warn", "bad"} & {real, varied}
    if own == "bad":
        yield "Give no frame of this model away; augmentation and more patients prevent copies."
    elif weak and record.audit and record.audit.training_patients < FEW_PATIENTS:
        yield "So few patients have this score that more of them would help most."
    if real in weak and own != "bad":
        yield (
            "More patients and augmentation (as in the preset “small”) make frames more realistic, "
            "and so do more iterations, as long as the discriminator does not win."
        )
    if varied in weak and own != "bad":
        yield "Train with augmentation, or with another loss; look at the frames for repeated ones."
    if others in (["warn"], ["bad"]) and own != "bad":
        yield (
            "Look at the frames beside real ones of other scores: labels that experts disagree "
            "about, or few patients of this score, mix them."
        )
    if not record.held_out:
        yield "Hold patients out (`selection.held_out`), so that there are frames to compare with."
    elif {real, varied, own, *others} <= {"good", "unknown"} and {real, varied, own} == {"good"}:
        yield "Look at the frames, then use them; in a paper, quote these numbers with the claims."


def _why_not(record: EvaluationRecord, metric: str) -> str:
    if not record.held_out:
        return "no patient with this score is held out, so there is nothing to compare with."
    reasons = (why for title, why in record.absent.items() if title.startswith(metric))
    return f"{metric} was not measured: {next(reasons, 'it was not asked for')}."


def _range(ends: tuple[float, float] | None) -> str:
    return f" [{ends[0]:.3g}, {ends[1]:.3g}]" if ends else ""


def _shares(ends: tuple[float, float] | None) -> str:
    return f" [{ends[0]:.0%}, {ends[1]:.0%}]" if ends else ""


def _answer(question: str, met: tuple[bool, bool], text: str) -> Claim:
    yes, partly = met
    if yes:
        return Claim(question=question, answer="Yes", state="good", text=text)
    if partly:
        return Claim(question=question, answer="Partly", state="warn", text=text)
    return Claim(question=question, answer="No", state="bad", text=text)


def _cannot_say(question: str, why: str) -> Claim:
    text = why[0].upper() + why[1:]
    return Claim(question=question, answer="Cannot say", state="unknown", text=text)
