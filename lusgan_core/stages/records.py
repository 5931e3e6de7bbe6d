"""What stages leave for later ones, where that is read without the stage's own code.

A stage that imports a record from here is not made again because the code of the stage that left
it changed; only if what it left changed.
"""

from __future__ import annotations

from lusgan_core.domain import Record, Rejection, ShardRecord


class ExamShards(Record):
    """An exam's shards, and the clips that turned out to be unusable when they were decoded."""

    patient: str
    exam: str
    shards: tuple[ShardRecord, ...]
    rejected: tuple[Rejection, ...] = ()


SEEN = "clips.json"
"""Name, in a model's folder, of what its training sees; it is written before training begins."""


class SeenClips(Record):
    """The clips that a model is trained on."""

    shards: tuple[str, ...]
    """Keys of their shards."""


class SampleSet(Record):
    """Synthetic frames of one score in the store."""

    score: int
    model: str
    folder: str
    frames_key: str
    """The HDF5 file: laid out as a shard, frame i of the seed in row i."""
    count: int
    seed: int
