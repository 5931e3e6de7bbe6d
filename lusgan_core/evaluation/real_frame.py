"""The place of a real frame in the store."""

from __future__ import annotations

from lusgan_core.domain import Record


class RealFrame(Record):
    """The place of a real frame in the store, and whose it is."""

    shard: str
    """Key of its clip's shard."""
    frame: int
    """Its number among the frames of the score in that shard."""
    patient: str
    held_out: bool
