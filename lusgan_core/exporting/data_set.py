"""Writes a data set to a folder: frames by side and score, tables, a card, a Croissant file.

    train/score-2/synthetic-frame-000000.png   frames, as their exporter lays them out
    train/metadata.csv                         a row a frame, where each has a file of its own
    splits.csv                                 patients by letter, and the side of each
    README.md, croissant.json                  the card of the data set; the same for machines
    manifest.json                              what is in it, from which models
    SHA256SUMS                                 digests of all other files

The folder appears whole: it is put together beside its place, and moved there at the end.
"""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from lusgan_core.api import Exporter
from lusgan_core.calls.call import SUMS, reference
from lusgan_core.calls.provenance import ArtifactRef, digest_json
from lusgan_core.errors import ConfigError, PluginError, StoreError
from lusgan_core.exporting.card import CARD, Told, card
from lusgan_core.exporting.croissant import CROISSANT, croissant
from lusgan_core.exporting.parts import Part
from lusgan_core.exporting.record import ExportRecord
from lusgan_core.exporting.splits import SPLITS, Split, splits_csv
from lusgan_core.generation.copy_out import check_empty
from lusgan_core.generation.exports import Folder, OneExport
from lusgan_core.progress import Task, track
from lusgan_core.store import Store

TABLE = "metadata.csv"
"""Name of the table of a side, as Hugging Face's ``imagefolder`` expects it."""
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Order:
    """What is to be written, besides the frames."""

    exporter: Exporter
    options: Any
    """Of the exporter."""
    provider: str
    """Distribution and version that the exporter is from."""
    splits: tuple[Split, ...]
    told: Told
    """What the card says of models and evaluations."""


@dataclass
class _Written:
    """What has been written so far."""

    files: list[ArtifactRef] = field(default_factory=list)
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Side -> the rows of its table."""


class _LocalFolder:
    """A folder that files are put into: it is not there yet for anybody else, so nothing is
    flushed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, data: bytes) -> None:
        """Write a file whole; raises StoreError."""
        path = self.root / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except OSError as error:
            raise StoreError(
                f"{key} of the data set cannot be written: {error.strerror}"
            ) from error

    def delete(self, key: str) -> None:
        """Remove a file, if it is there."""
        (self.root / key).unlink(missing_ok=True)


def write_data_set(store: Store, folder: Path, parts: Sequence[Part], order: Order) -> ExportRecord:
    """Write a data set.

    Args:
        store: Where the frames are.
        folder: Where to; it must be new or empty.
        parts: What is in it; at least one frame.
        order: Format, splits, and what the card says.

    Returns:
        What was written. The same frames give the same files, byte for byte.

    Raises:
        ConfigError: The folder is not empty or cannot be written, or there is no frame.
        PluginError: The exporter failed.
        StoreError: A frame cannot be read, or is not what it was; or a file cannot be written.
    """
    check_empty(folder)
    parts = [part for part in parts if part.samples.count]
    if not parts:
        raise ConfigError("there is no frame to export: give --number, or --include-real")
    target = folder.absolute()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}") from error
    try:
        record = _fill(_LocalFolder(scratch), store, parts, order)
        scratch.chmod(0o755)
        if target.exists():
            target.rmdir()
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return record


def _fill(folder: _LocalFolder, store: Store, parts: Sequence[Part], order: Order) -> ExportRecord:
    done = _Written()
    total = sum(part.samples.count for part in parts)
    with track(f"export {order.exporter.name}", total, "frames") as task:
        for part in parts:
            _export(folder, store, part, order, done, task)
    frames = tuple(done.files)
    tables = {
        side: _put(folder, done, f"{side}/{TABLE}", _table(rows))
        for side, rows in done.rows.items()
    }
    record = ExportRecord(
        name=f"{order.exporter.name}-{digest_json(sorted([r.key, r.digest] for r in frames))[:8]}",
        format=order.exporter.name,
        parts=tuple(part.record for part in parts),
        files=len(frames),
        exporter=order.provider,
        options=order.options.model_dump(mode="json"),
        lusgan=metadata.version("lusgan"),
    )
    _put(folder, done, SPLITS, splits_csv(order.splits, record))
    _put(folder, done, MANIFEST, record.model_dump_json(indent=1).encode())
    described = croissant(record, frames, tables, order.told)
    _put(folder, done, CROISSANT, described.encode())
    _put(folder, done, CARD, card(record, frames, order.told).encode())
    sums = "".join(f"{ref.digest}  {ref.key}\n" for ref in done.files)
    folder.put(SUMS, sums.encode())
    return record


def _export(
    folder: _LocalFolder, store: Store, part: Part, order: Order, done: _Written, task: Task
) -> None:
    samples, exporter = part.samples, order.exporter
    below = f"{samples.side}/score-{samples.score}" if exporter.score_folders else samples.side
    stem = ("synthetic-" if samples.synthetic else "real-") if exporter.score_folders else ""
    export = OneExport(exporter, order.options, Folder(folder, below, stem), samples)
    facts = []
    for number, frame in enumerate(part.frames(store)):
        frame.flags.writeable = False
        export.add(frame)
        facts.append(samples.facts(number, frame))
        task.advance()
    if len(facts) != samples.count:
        raise StoreError(
            f"{len(facts)} frames of score {samples.score} are in the store, expected "
            f"{samples.count}: run the pipeline again"
        )
    files = export.finish()
    again = {ref.key for ref in files} & {ref.key for ref in done.files}
    if again:
        raise PluginError(
            f"the exporter {exporter.name} wrote {min(again)!r} for two sets of frames: names must "
            "tell scores apart, unless score_folders is set"
        )
    done.files += files
    if exporter.file_per_frame:
        rows = done.rows.setdefault(samples.side, [])
        for ref, told in zip(files, facts, strict=False):
            rows.append({"file_name": ref.key.partition("/")[2], **told})


def _put(folder: _LocalFolder, done: _Written, key: str, data: bytes) -> ArtifactRef:
    folder.put(key, data)
    done.files.append(reference(key, data))
    return done.files[-1]


def _table(rows: Sequence[dict[str, Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()
