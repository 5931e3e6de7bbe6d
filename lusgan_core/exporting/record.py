"""What is written down of an exported data set: in the data set, and in the store."""

from __future__ import annotations

from typing import Any

from lusgan_core.calls.provenance import Sealed, short_digest
from lusgan_core.calls.records import kept_keys, put_kept, read_kept
from lusgan_core.domain import Record
from lusgan_core.errors import DamagedError, MissingArtifactError
from lusgan_core.store import Store

TRAIN, TEST = "train", "test"
"""Sides of a data set: patients that models were trained on, and patients that were held out."""
EXPORTS = "exports/"
RECORD = "record.json"


class PartRecord(Record):
    """Frames of one score on one side, all real or all of one model."""

    side: str
    score: int
    count: int
    synthetic: bool
    model: str = ""
    weights: str = ""
    """sha256 of the generator's weights."""
    state: str = ""
    """Of the model, when the data set was made: ``current``, ``held back`` ..."""
    seed: int | None = None
    patients: tuple[str, ...] = ()
    """Letters of the patients of real frames."""
    why: str = ""
    """Why there are so many, where a balance was asked for."""


class ExportRecord(Record):
    """One data set, as its ``manifest.json`` tells it: without codes of patients."""

    name: str
    """Of its format and eight digits of what is in it."""
    format: str
    parts: tuple[PartRecord, ...]
    files: int
    """Files of frames."""
    exporter: str
    """Where the exporter is from: distribution and version."""
    options: dict[str, Any]
    """Options of the exporter."""
    lusgan: str
    """Version of lusgan."""

    @property
    def frames(self) -> int:
        """Number of frames."""
        return sum(part.count for part in self.parts)

    @property
    def real(self) -> bool:
        """Whether there are real frames in it."""
        return any(not part.synthetic for part in self.parts)


class StoredExport(Sealed):
    """The same as the store keeps it, so that a withdrawal finds the exports with an exam's frames.

    ``exports/NAME/record.json``.
    """

    export: ExportRecord
    models: tuple[str, ...]
    """Folders of the models whose frames are in it."""
    shards: tuple[str, ...]
    """Eight digits of the key of each shard whose real frames are in it."""


def keep(store: Store, record: ExportRecord, models: set[str], shards: set[str]) -> None:
    """Write down in the store what a data set holds.

    Args:
        store: The store that it was made from.
        record: The data set.
        models: Folders of the models whose frames are in it.
        shards: Keys of the shards whose real frames are in it.
    """
    told = StoredExport(
        export=record,
        models=tuple(sorted(models)),
        shards=tuple(sorted(map(short_digest, shards))),
    )
    put_kept(store, f"{EXPORTS}{record.name}/{RECORD}", told)


def exports(store: Store) -> dict[str, StoredExport | None]:
    """All data sets that were exported from a store, as far as it knows.

    Args:
        store: The store.

    Returns:
        Name of each -> what is in it; None where both copies of its record are damaged.
    """
    found: dict[str, StoredExport | None] = {}
    for key in kept_keys(store, EXPORTS):
        name, _, file = key.removeprefix(EXPORTS).rpartition("/")
        if file != RECORD:
            continue
        try:
            found[name] = read_kept(store, key, StoredExport, "take its frames for affected")
        except DamagedError:
            found[name] = None
        except MissingArtifactError:  # deleted meanwhile
            continue
    return found
