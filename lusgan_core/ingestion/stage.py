"""Stage 1: the content of an exam, as a record without pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from lusgan_core.api import Options
from lusgan_core.calls.call import Product, StageCall, StageContext, exam_folder, new_call
from lusgan_core.calls.options_by_plugin import OptionsByPlugin
from lusgan_core.calls.section import ExamFile, Group, Section, Table
from lusgan_core.domain import ExamFiles, Rejection
from lusgan_core.errors import ConfigError
from lusgan_core.registry import Registry, installed

VERSION = 3
"""Goes up when the same call would give another result."""


class IngestionOptions(Options):
    """How exams are found and read."""

    readers: OptionsByPlugin = Field(
        default_factory=dict,
        description="Readers of exams by name, with their options; none: all that are installed",
    )
    axes: str | None = Field(
        None,
        description=(
            "Order of the axes of all clips that are arrays, e.g. NHW (frames, height, width) or "
            "NHWC; none: found out, or refused where it is unclear"
        ),
    )
    variable: str | None = Field(
        None, description="Name of the variable, or STRUCT.FIELD, that holds each clip's frames"
    )
    grey_range: tuple[float, float] | None = Field(
        None,
        description="Stored values that are black and white, e.g. [0, 4095], or [-60, 0] for dB",
    )

    @property
    def declared(self) -> dict[str, Any]:
        """What is declared of all clips: name of an option -> value, for readers that have it."""
        chosen = {"axes": self.axes, "variable": self.variable, "grey_range": self.grey_range}
        return {name: value for name, value in chosen.items() if value is not None}


def call(
    exam: ExamFiles,
    number: int,
    options: IngestionOptions | None = None,
    registry: Registry | None = None,
) -> StageCall:
    """Make the call for one exam.

    Args:
        exam: Its files, as ``discover`` found them.
        number: Number of the exam in the run, for its label, which must not name a patient.
        options: Options of readers; the key holds those of the exam's own readers alone.
        registry: Installed plugins; None for those of this process.

    Returns:
        The call; its result is an ``ExamRecord``.
    """
    from lusgan_core.ingestion.readers import with_declared

    known, chosen = installed() if registry is None else registry, options or IngestionOptions()
    readers = {}
    for name in exam.readers:
        reader = known.reader(name)
        own = with_declared(reader, chosen.readers.get(name, {}), chosen.declared)
        readers[name] = reader.options.model_validate(own).model_dump(mode="json")
    return new_call(
        "ingest",
        VERSION,
        label=f"ingest exam {number}",
        inputs={"exam": exam.digest},
        options=IngestionOptions(readers=readers),
        arguments={"exam": exam.model_dump(mode="json")},
        manifest=lambda key: f"exams/{exam_folder(exam)}/{key[:8]}.json",
        plugins=tuple(("reader", name) for name in exam.readers),
        registry=known,
    )


def run(call: StageCall, context: StageContext) -> Product:
    """Read headers, scores and masks; a clip that cannot be used is rejected with a reason.

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
    from lusgan_core.ingestion.readers import choose_readers

    if context.source is None:
        raise ConfigError("ingestion needs an exam source: name one with --exams")
    readers = choose_readers(call.options["readers"], context.registry)
    exam = ExamFiles.model_validate(call.arguments["exam"])
    record = inspect_exam(context.source, exam, readers)
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
