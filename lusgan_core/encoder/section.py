"""What a report shows of the LUS encoder."""

from __future__ import annotations

from lusgan_core.calls.section import Callout, Cell, Group, Range, Section, Table
from lusgan_core.encoder.stage import EncoderRecord


def encoder_section(record: EncoderRecord) -> Section:
    """Make the section of an encoder from its record.

    Args:
        record: The encoder, and how well it judges held-out patients.

    Returns:
        Facts, a doubt where there is one, and the table of its judgements.
    """
    facts: tuple[tuple[str, Cell], ...] = (
        ("Network", record.network),
        ("Training patients", len(record.patients)),
        ("Held-out patients", record.held_out_patients),
        ("Accuracy", None if record.accuracy is None else f"{record.accuracy:.0%}"),
        ("Accuracy, 5% to 95%", Range.of(record.accuracy_range)),
        ("By chance", None if record.chance is None else f"{record.chance:.0%}"),
    )
    return Section(
        name="encoder",
        title="LUS encoder",
        facts=facts,
        callouts=(Callout(state="warn", text=_doubt(record)),) if record.doubt else (),
        text="A network trained to tell the severity of training patients' frames. Its features "
        "are those named lus, and its judgement of synthetic frames is the score fidelity. It is "
        "made once and kept, so that values stay comparable when exams arrive.",
        groups=(Group(figures=(_confusion(record),)),) if record.accuracy is not None else (),
    )


def _doubt(record: EncoderRecord) -> str:
    return f"Its judgement of scores is not relied on: {record.doubt}."


def _confusion(record: EncoderRecord) -> Table:
    return Table(
        name="encoder",
        title="Frames of held-out patients, judged by the encoder",
        caption="A row a severity score, a column the score that the encoder gives.",
        columns=("True score", *(f"Judged {score}" for score in record.scores), "Right"),
        rows=tuple(
            (str(score), *row, f"{row[place] / sum(row):.0%}" if sum(row) else None)
            for place, (score, row) in enumerate(zip(record.scores, record.confusion, strict=True))
        ),
    )
