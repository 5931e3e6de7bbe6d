"""The audit's measured values, for gates, tables and whoever else reads values."""

from __future__ import annotations

from lusgan_core.calls.section import SYNTHETIC, TRAINING, Measured
from lusgan_core.evaluation.audit.record import AuditRecord

BETWEEN = (SYNTHETIC, TRAINING)


def audit_values(record: AuditRecord | None) -> tuple[Measured, ...]:
    """List the measured values of an audit.

    Args:
        record: What was found; None without an audit.

    Returns:
        ``copies``: the share flagged beside the share expected, its ``p`` value, and the number of
        patients by whom the false alarms were ``checked``; ``copies_found``: the share found of
        planted copies, of all and of each kind; ``copies_noticed``: the chance that a set is
        noticed of which the largest of the audit's shares are copies; ``authenticity``, ``c_t``.
    """
    if record is None:
        return ()
    limit = record.limits[-1]
    copies = Measured(
        metric="copies", title="Frames flagged as copies", between=BETWEEN, statistic="share",
        value=limit.flagged / record.frames, number=record.frames, floor=limit.expected_rate,
        bounds=(0, 1),
    )  # fmt: skip
    found = Measured(
        metric="copies_found", title="Planted copies found", statistic="share",
        value=record.sensitivity, number=sum(kind.number for kind in record.planted),
        bounds=(0, 1),
    )  # fmt: skip
    return (
        copies,
        copies.model_copy(update={"statistic": "p", "value": record.p_value, "floor": None}),
        copies.model_copy(
            update={
                "statistic": "checked", "value": float(record.checked_patients), "floor": None,
                "bounds": (0, None),
            }
        ),
        found,
        found.model_copy(
            update={
                "metric": "copies_noticed",
                "title": f"Chance of noticing {record.shares[-1]:.0%} of copies",
                "value": record.noticed,
            }
        ),
        *(
            found.model_copy(
                update={
                    "metric": f"copies_found/{kind.kind}",
                    "title": f"Planted copies found, {kind.kind}",
                    "value": kind.share,
                    "number": kind.number,
                    "interval": kind.interval,
                }
            )
            for kind in record.planted
        ),
        Measured(
            metric="authenticity", title="Authentic frames", between=BETWEEN, statistic="share",
            value=record.authentic, number=record.frames, bounds=(0, 1),
        ),
        Measured(
            metric="c_t", title="C_T", between=BETWEEN, statistic="value",
            value=record.c_t, number=record.frames,
        ),
    )  # fmt: skip
