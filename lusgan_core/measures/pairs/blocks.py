"""Cuts all pairs of two sets into blocks, so that memory depends on the block alone.

A column block of second frames stays prepared while row blocks of first frames stream past it. A
set against itself needs the pairs i < j only: rows stop where the column block ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MEMORY_BYTES = 1000 << 20
"""Memory for prepared frames, all together."""
COLUMNS = 1024
"""Second frames in a block, at most: they share the cost of preparing the first frames."""


@dataclass(frozen=True)
class Block:
    """Rows ``i0 .. i1`` against columns ``j0 .. j1`` of the column block ``left .. right``."""

    i0: int
    i1: int
    j0: int
    j1: int
    left: int
    right: int


@dataclass(frozen=True)
class Plan:
    """All blocks of a comparison of ``first`` with ``second`` frames, in order."""

    first: int
    second: int
    rows: int
    columns: int
    same: bool
    """One set with itself."""

    @property
    def pairs(self) -> int:
        """Pairs in all; of one set with itself, each once and no frame with itself."""
        return self.first * (self.first - 1) // 2 if self.same else self.first * self.second

    def pairs_in(self, block: Block) -> int:
        """Pairs of one block."""
        if not self.same:
            return (block.i1 - block.i0) * (block.j1 - block.j0)
        return sum(
            block.j1 - max(block.j0, i + 1) for i in range(block.i0, block.i1) if i < block.j1
        )

    def __iter__(self) -> Iterator[Block]:
        for left in range(0, self.second, self.columns):
            right = min(left + self.columns, self.second)
            for i0 in range(0, right if self.same else self.first, self.rows):
                i1 = min(i0 + self.rows, self.first)
                j0 = max(left, i0) if self.same else left
                yield Block(i0, i1, j0, right, left, right)


def make_plan(
    first: int,
    second: int | None,
    frame_bytes: int,
    rows: int,
    memory: int = MEMORY_BYTES,
) -> Plan:
    """Plan blocks that fit into memory; frames that take little are put into larger blocks.

    Args:
        first: Number of first frames.
        second: Number of second frames; None for a set with itself.
        frame_bytes: Memory of one prepared frame, bytes.
        rows: Fewest first frames that keep all threads busy.
        memory: Memory for all prepared frames, bytes.

    Returns:
        The plan; a block has at least one row and one column.
    """
    room = max(2, memory // max(1, frame_bytes))
    rows = min(rows * max(1, min(64, room // 16) // rows), max(1, room // 4))
    columns = max(1, min(COLUMNS, room - 2 * rows))
    return Plan(first, first if second is None else second, rows, columns, second is None)
