"""The LUS encoders that a store has pinned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from lusgan_core.calls.call import data_of
from lusgan_core.domain import Record
from lusgan_core.encoder.stage import EncoderRecord
from lusgan_core.pipeline import index
from lusgan_core.store import Store


class PinnedEncoder(Record):
    """An encoder that a store measures with."""

    name: str
    """Eight digits of its key."""
    network: str
    scores: tuple[int, ...]
    patients: int
    """Training patients."""
    held_out_patients: int
    accuracy: float | None
    accuracy_range: tuple[float, float] | None
    doubt: str
    created: datetime | None


def list_encoders(store: Store) -> tuple[PinnedEncoder, ...]:
    """List the encoders of a store: one for each way of making frames and splitting patients.

    Args:
        store: The store.

    Returns:
        The encoders.
    """
    found = []
    for manifest in index.manifests(store, "encoders/"):
        record = data_of(manifest, EncoderRecord)
        found.append(
            PinnedEncoder(
                name=manifest.cache_key[:8],
                network=record.network,
                scores=record.scores,
                patients=len(record.patients),
                held_out_patients=record.held_out_patients,
                accuracy=record.accuracy,
                accuracy_range=record.accuracy_range,
                doubt=record.doubt,
                created=manifest.created,
            )
        )
    return tuple(found)


def unpin(store: Store, encoders: Iterable[PinnedEncoder]) -> tuple[str, ...]:
    """Delete encoders, so that the next run makes others.

    Args:
        store: The store.
        encoders: Those to delete.

    Returns:
        Their names.
    """
    names = tuple(encoder.name for encoder in encoders)
    erase(store, names)
    return names


def that_saw(store: Store, shards: str) -> tuple[str, ...]:
    """Name the encoders that were trained on shards, or judged by them.

    Args:
        store: The store.
        shards: Start of the shards' keys.

    Returns:
        Names of the encoders.
    """
    return tuple(
        manifest.cache_key[:8]
        for manifest in index.manifests(store, "encoders/")
        if any(key.startswith(shards) for key in data_of(manifest, EncoderRecord).seen)
    )


def erase(store: Store, names: Sequence[str]) -> None:
    """Delete encoders; their manifests, which are the pins, go first.

    Args:
        store: The store.
        names: Names of the encoders; those that are missing do not matter.
    """
    index.erase(store, index.below(store, *(f"encoders/{name}/" for name in names)))
