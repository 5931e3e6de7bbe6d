"""The card of a data set, ``README.md``: what is in it, what was measured, what not to claim."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

import yaml

from lusgan_core.calls.provenance import ArtifactRef
from lusgan_core.calls.section import plural
from lusgan_core.domain import Record
from lusgan_core.exporting.record import ExportRecord, PartRecord
from lusgan_core.measured import HELD_OUT, REAL, SYNTHETIC, TRAINING, Measured

CARD = "README.md"
SHOWN = ("mean", "value")
"""Statistics that the card shows."""
SIDES = frozenset({REAL, SYNTHETIC, TRAINING, HELD_OUT})
"""Sides between which it shows values; the report has those of single frames, too."""
HUGGING_FACE = {".png": "**", ".parquet": "**/*.parquet"}
"""Suffix of files that ``datasets`` opens -> pattern of what it is to read of a side."""


class ModelTold(Record):
    """What the card tells of one model."""

    score: int
    model: str
    state: str
    frames: int
    """Real frames that it was trained on."""
    patients: int
    iterations: int
    held_back: str = ""
    """Why the gates held it back; empty if they did not."""
    values: tuple[Measured, ...] = ()
    """What its evaluation measured; empty if there was none."""
    audit: tuple[str, ...] = ()
    """Sentences on the search for copies."""


class Told(Record):
    """What the card tells besides the frames."""

    models: tuple[ModelTold, ...]
    date: str
    """Day on which the last of the models was trained, as 2026-11-27; empty if it is unknown."""
    licence: str = ""
    """Name or address of the licence that the data set is handed out under."""


def card(record: ExportRecord, files: Sequence[ArtifactRef], told: Told) -> str:
    """Write the card.

    Args:
        record: What is in the data set.
        files: Its files of frames.
        told: What is said of the models.

    Returns:
        Markdown, with the header that Hugging Face's hub reads.
    """
    kind = "real and synthetic" if record.real else "synthetic"
    if all(not part.synthetic for part in record.parts):
        kind = "real"
    sections = [
        _header(record, files, told),
        f"# Lung ultrasound, {kind} frames ({record.name})",
        _summary(record),
        "## Frames",
        _parts(record.parts),
        "Frames of the test side are of patients that no model was trained on. `splits.csv` names "
        "the side of each patient by letter; who the letters are is known to the store alone that "
        "this was made from. Frames of one clip are nearly equal: split by patient, never by "
        "frame.",
        *(["## Models", _models(told.models)] if told.models else []),
        *[text for model in told.models for text in _measured(model)],
        "## Use",
        "For training classifiers of severity, and for research on synthetic data. Not for "
        "diagnosis, and not as the only test data of anything: test on real frames of patients "
        "that were held out.\n\n"
        "A score is the class that a frame's model was trained on; no expert has looked at a "
        "synthetic frame. Whether the frames help a classifier is not measured here. That no copy "
        "of a training frame was found is not a proof of privacy.",
        "## Files",
        "Every synthetic frame says that it is one, in its own file; each has the sha256 of its "
        f"pixels (`digest`), and `SHA256SUMS` has those of the files. Exported by lusgan "
        f"{record.lusgan} as {record.format} ({plural(record.files, 'file')} of frames).",
    ]
    return "\n\n".join(sections) + "\n"


def _header(record: ExportRecord, files: Sequence[ArtifactRef], told: Told) -> str:
    head: dict[str, object] = {
        "pretty_name": f"Lung ultrasound {record.name}",
        "task_categories": ["image-classification"],
        "tags": ["lung-ultrasound", "medical", *(["synthetic"] if _any_synthetic(record) else [])],
    }
    if told.licence:
        head["license"] = "other"
        head["license_name"] = told.licence
    suffixes = {PurePosixPath(ref.key).suffix for ref in files}
    suffix = suffixes.pop() if len(suffixes) == 1 else ""
    if suffix in HUGGING_FACE:
        sides = dict.fromkeys(part.side for part in record.parts)
        paths = [{"split": side, "path": f"{side}/{HUGGING_FACE[suffix]}"} for side in sides]
        head["configs"] = [{"config_name": "default", "data_files": paths}]
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}---"


def _any_synthetic(record: ExportRecord) -> bool:
    return any(part.synthetic for part in record.parts)


def _summary(record: ExportRecord) -> str:
    synthetic = sum(part.count for part in record.parts if part.synthetic)
    real = record.frames - synthetic
    said = []
    if synthetic:
        said.append(
            f"{plural(synthetic, 'frame')} made by generative adversarial networks, one for each "
            "severity score (0: A-lines on healthy lung, to 3: white lung). Synthetic frames by "
            "lusgan, not for diagnosis: they show no patient."
        )
    if real:
        said.append(
            f"{plural(real, 'real frame')}, of which the fan alone is left, with letters in place "
            "of patients' codes. They are patients' data: handle them as such."
        )
    return " ".join(said)


def _parts(parts: Sequence[PartRecord]) -> str:
    rows = []
    for part in parts:
        source = f"`{part.model}` ({part.state}), seed {part.seed}"
        if not part.synthetic:
            source = plural(len(part.patients), "patient")
        kind = "synthetic" if part.synthetic else "real"
        rows.append([part.side, str(part.score), kind, f"{part.count:,}", source, part.why])
    header = ["side", "score", "frames", "number", "from", "why so many"]
    if not any(part.why for part in parts):
        header, rows = header[:-1], [row[:-1] for row in rows]
    return table(header, rows)


def _models(models: Sequence[ModelTold]) -> str:
    return table(
        ["score", "model", "trained on", "iterations", "gates"],
        [
            [
                str(model.score),
                f"`{model.model}` ({model.state})",
                f"{plural(model.frames, 'frame')} of {plural(model.patients, 'patient')}",
                f"{model.iterations:,}",
                f"held back: {model.held_back}" if model.held_back else "not held back",
            ]
            for model in models
        ],
    )


def _measured(model: ModelTold) -> list[str]:
    """The section on one model's evaluation."""
    title = f"### Measured for score {model.score}"
    shown = [v for v in model.values if v.statistic in SHOWN and set(v.between) <= SIDES]
    if not shown:
        return [title, "This model was not evaluated."]
    rows = [
        [
            value.title,
            " to ".join(value.between),
            _number(value.value) + (f" {value.unit}" if value.unit else ""),
            "" if value.interval is None else " to ".join(map(_number, value.interval)),
            _number(value.floor) if value.floor is not None else "",
            f"{value.better} is more alike" if value.better else "",
        ]
        for value in shown
    ]
    header = ["metric", "between", "value", "5-95 % over patients", "real frames have", "direction"]
    return [title, table(header, rows), *([" ".join(model.audit)] if model.audit else [])]


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in Markdown.

    Args:
        header: Names of the columns.
        rows: Cells; a bar within one is escaped.

    Returns:
        The table.
    """
    lines = [header, ["---"] * len(header), *rows]
    cells = (" | ".join(cell.replace("|", "\\|") for cell in line) for line in lines)
    return "\n".join(f"| {line} |" for line in cells)
