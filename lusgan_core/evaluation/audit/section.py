"""What a report shows of the memorisation audit."""

from __future__ import annotations

from collections import Counter

from lusgan_core.calls.section import (
    FrameAt,
    FramePair,
    FramePairs,
    Group,
    Table,
    plural,
)
from lusgan_core.evaluation.audit.record import SIGNIFICANCE, AuditLimit, AuditRecord, Suspect

MANY_FLAGGED, NEARLY_ALL = 5, 0.8
"""Flagged frames, and their share, from which on it is said that they point at one patient."""
PAIRS = 8
"""Suspect pairs that are shown."""


def verdict(record: AuditRecord) -> str:
    """Put the audit's verdict into words.

    Args:
        record: What was found.

    Returns:
        A sentence or two.
    """
    limit = record.limits[-1]
    flagged = (
        f"{limit.flagged} of {plural(record.frames, 'synthetic frame')} "
        f"{'is' if limit.flagged == 1 else 'are'} flagged, "
        f"expected false alarms {limit.expected_rate * record.frames:.0f}"
    )
    if record.copies_found:
        return f"Copies found: {flagged} (p = {record.p_value:.2g})."
    many = limit.flagged > 2 * limit.expected_rate * record.frames
    chance = f" (p = {record.p_value:.2g}, not below {SIGNIFICANCE:g})" * many
    return (
        f"No copying detected at this sensitivity: {flagged}{chance}; {record.sensitivity:.0%} of "
        f"planted copies are found, and a set with {record.shares[-1]:.0%} of them would be "
        f"noticed with a chance of {record.noticed:.0%}."
    )


def calibration(record: AuditRecord) -> str:
    """Say on whose frames the limits were set, and how they were checked.

    Args:
        record: What was found.

    Returns:
        Some sentences.
    """
    limit = record.limits[-1]
    text = (
        f"Limits were set at {limit.rate:.0%} false alarms on "
        f"{plural(record.held_out_frames, 'frame')} of "
        f"{plural(record.held_out_patients, 'held-out patient')}"
    )
    if record.left_out_frames:
        text += (
            f", and on {plural(record.left_out_frames, 'frame')} of "
            f"{plural(record.training_patients, 'training patient')}, compared with other "
            "patients alone"
        )
    if limit.false_alarms is None or limit.held_out_alarms is None:
        text += "; there is nobody else, so the false alarms could not be checked."
    else:
        text += (
            f". Set without each patient in turn, they flag {limit.false_alarms:.1%} of these "
            f"frames, and {limit.held_out_alarms:.1%} of those of held-out patients"
        )
        one = record.held_out_patients == 1
        text += ": one patient, who is no check to rely on." if one else "."
    if record.shared:
        text += (
            f" {plural(record.shared, 'patient')} share a clip or a frame with another one, and "
            "count as one patient with those."
        )
    return text


def concentration(record: AuditRecord) -> str:
    """Say so where nearly all flagged frames point at one training patient.

    Args:
        record: What was found.

    Returns:
        A sentence; empty where few frames are flagged, or they point at several patients.
    """
    pointed = Counter(suspect.real.patient for suspect in record.suspects)
    most = max(pointed.values(), default=0)
    if most < MANY_FLAGGED or most < NEARLY_ALL * len(record.suspects):
        return ""
    return (
        f"{most} of {len(record.suspects)} flagged frames are nearest to one training patient: "
        "copies of that patient, or frames of somebody who looks like that; the pairs below tell."
    )


def audit_group(record: AuditRecord, samples: str, score: int) -> Group:
    """Make the report's group on the audit.

    Args:
        record: What was found.
        samples: Key of the file of synthetic frames.
        score: Severity score of the frames.

    Returns:
        The verdict, the table of the audit's sensitivity, and the worst pairs.
    """
    figures: list[Table | FramePairs] = [_sensitivity(record, score)]
    if record.suspects:
        figures.append(_gallery(record, samples, score))
    c_t = "not measured" if record.c_t is None else f"{record.c_t:.1f}"
    return Group(
        title="Copies",
        text=f"{verdict(record)} A frame is flagged that is much nearer to one training patient "
        f"than to any other, in features ({record.extractor}) or by {record.likeness}. "
        f"{' '.join(filter(None, (calibration(record), concentration(record))))}",
        figures=tuple(figures),
        caption=f"Authentic frames {record.authentic:.0%} (Alaa 2022); C_T {c_t} (Meehan 2020; far "
        "below 0 speaks for copying). Both hold the frames of a clip for independent, and decide "
        "nothing here.",
    )


def _sensitivity(record: AuditRecord, score: int) -> Table:
    last = record.limits[-1]
    rows = tuple(
        (
            kind.kind,
            kind.number,
            *(f"{hits / kind.number:.0%}" for hits in kind.found),
            "{:.0%} to {:.0%}".format(*kind.interval),
            *(f"{chance:.0%}" for chance in kind.power),
        )
        for kind in record.planted
    )
    return Table(
        name="audit",
        title=f"What the audit of score {score} would find",
        caption="Copies of training frames, changed as named and planted. Shares found at each "
        f"limit, with the 95% interval at {last.rate:.0%}; and the chance that the verdict on a "
        "set is “copies found” if so much of it were such copies.",
        columns=(
            "Copies",
            "Planted",
            *(f"Found at {limit.rate:.0%}" for limit in record.limits),
            "Interval",
            *(f"Noticed at {100 * share:g}%" for share in record.shares),
        ),
        rows=rows,
    )


def _gallery(record: AuditRecord, samples: str, score: int) -> FramePairs:
    last = record.limits[-1]
    return FramePairs(
        name="flagged",
        about="flagged synthetic frames beside the training frames that they may be copies of",
        title=f"Flagged pairs of score {score}",
        metric="Ratio beside its limit",
        pairs=tuple(_pair(suspect, last, samples, score) for suspect in record.suspects[:PAIRS]),
        caption="Flagged synthetic frames, left, beside the training frame that each may be a copy "
        "of, right, the most suspicious first (1 = at the limit, 0 = the same frame). "
        f"{last.expected_rate * record.frames:.0f} such pairs are expected without any copy.",
    )


def _pair(suspect: Suspect, limit: AuditLimit, samples: str, score: int) -> FramePair:
    real = suspect.real
    return FramePair(
        value=suspect.beside(limit),
        synthetic=FrameAt(key=samples, row=suspect.synthetic),
        number=suspect.synthetic,
        real=FrameAt(key=real.shard, row=real.frame, score=score),
        patient=real.patient,
        held_out=False,
    )
