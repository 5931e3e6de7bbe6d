"""Stage 1: the content of an exam, as a record without pixels."""

from __future__ import annotations

from collections.abc import Sequence

from lusgan_core.calls.call import Product, StageCall, StageContext, exam_folder, new_call
from lusgan_core.calls.section import ExamFile, Group, Section, Table
from lusgan_core.domain import ExamFiles, Rejection
from lusgan_core.errors import ConfigError

VERSION = 1
"""Goes up when the same call would give another result."""


def call(exam: ExamFiles, number: int) -> StageCall:
    """Make the call for one exam.

    Args:
        exam: Its files, as ``discover`` found them.
        number: Number of the exam in the run, for its label, which must not name a patient.

    Returns:
        The call; its result is an ``ExamRecord``.
    """
    return new_call(
        "ingest",
        VERSION,
        label=f"ingest exam {number}",
        inputs={"exam": exam.digest},
        options=None,
        arguments={"exam": exam.model_dump(mode="json")},
        manifest=lambda key: f"exams/{exam_folder(exam)}/{key[:8]}.json",
    )


def run(call: StageCall, context: StageContext) -> Product:
    """Read headers, score matrices and masks; a clip that cannot be used is rejected with a reason.

    Args:
        call: A call that ``call`` made.
        context: Names the exam source.

    Returns:
        An ``ExamRecord``, with the numbers of usable and rejected clips.

    Raises:
        ConfigError: There is no exam source.
        ExamError: Disk, network or store failed.
    """
    from lusgan_core.ingestion.inspect import inspect_exam

    if context.source is None:
        raise ConfigError("ingestion needs an exam source: name one with --exams")
    record = inspect_exam(context.source, ExamFiles.model_validate(call.arguments["exam"]))
    counts = {"clips": len(record.clips), "rejected": len(record.rejected)}
    return Product(record, counts=counts)


def section(rejected: Sequence[Rejection]) -> Section:
    """Make the section of clips that cannot be used, whichever stage rejected them."""
    table = Table(
        title="Rejected clips",
        caption="Clips that could not be used, and why; `lusgan check` gives their true file names",
        columns=("File", "Reason"),
        rows=tuple(
            (ExamFile(file=one.file, patient=one.patient, exam=one.exam), one.reason)
            for one in rejected
        ),
    )
    text = "" if rejected else "No clip was rejected."
    group = Group(text=text, figures=(table,) if rejected else ())
    return Section(name="rejected", title="Rejected clips", groups=(group,))
