"""Computes blocks of pairs: keeps the column block prepared, and copes with little memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.measures.pairs.blocks import Block
from lusgan_core.measures.pairs.frameset import FrameSet
from lusgan_core.measures.pairs.memory import free_cache, out_of_memory
from lusgan_core.measures.pairs.runners import KernelRunner, PlainRunner, Values


class Workbench:
    """Computes the values of blocks of pairs with all runners.

    When memory runs out, blocks are cut into pieces of half the size, each prepared anew: this is
    slower, and reported in ``notes``.

    Args:
        a: The first frames.
        b: The second frames; ``a`` again for a set with itself.
        runners: Runners of all metrics.
        same: Whether ``b`` is ``a``, so that values in both directions are wanted.
        notes: List that notes for the user are appended to.
    """

    def __init__(
        self,
        a: FrameSet,
        b: FrameSet,
        runners: Sequence[KernelRunner | PlainRunner],
        same: bool,
        notes: list[str],
    ) -> None:
        self.a, self.b, self.runners, self.same, self.notes = a, b, runners, same, notes
        self.piece: int | None = None
        """Rows and columns at a time; None is all of them, the columns then staying prepared."""
        self._kept: tuple[int, int] | None = None
        self._columns: list[Any] = []

    def values(self, block: Block) -> tuple[Values, Values]:
        """Compute value(a_i, b_j) of a block by metric, and for a set with itself value(a_j, a_i).

        Both are (rows, columns). Raises torch.OutOfMemoryError or MemoryError when not even one
        pair fits.
        """
        while True:
            try:
                return self._values(block)
            except out_of_memory():
                size = self.piece or max(block.j1 - block.j0, block.i1 - block.i0)
                if size == 1:
                    raise
                self.piece, self._kept, self._columns = size // 2, None, []
                free_cache()
                self.notes.append(f"memory ran short: blocks cut to {self.piece} x {self.piece}")

    def _values(self, block: Block) -> tuple[Values, Values]:
        if self.piece is None:
            self._keep(block)
            inside = self.same and block.i0 >= block.left and block.i1 <= block.right
            columns = [c[block.j0 - block.left : block.j1 - block.left] for c in self._columns]
            if inside:
                rows = [c[block.i0 - block.left : block.i1 - block.left] for c in self._columns]
            else:
                rows = self._prepare(self.a, block.i0, block.i1)
            values = self._compare(rows, columns)
            if not inside:
                self._release(rows)
            return values
        bands = []
        for i in range(block.i0, block.i1, self.piece):
            rows = self._prepare(self.a, i, min(i + self.piece, block.i1))
            parts = []
            for j in range(block.j0, block.j1, self.piece):
                columns = self._prepare(self.b, j, min(j + self.piece, block.j1))
                parts.append(self._compare(rows, columns))
                del columns  # before the next ones are prepared
            bands.append((_joined([p[0] for p in parts], 1), _joined([p[1] for p in parts], 1)))
            del rows
        return _joined([band[0] for band in bands], 0), _joined([band[1] for band in bands], 0)

    def _keep(self, block: Block) -> None:
        if self._kept != (block.left, block.right):
            self._kept, self._columns = None, []  # before preparing: never two at a time
            self._columns = self._prepare(self.b, block.left, block.right)
            self._kept = (block.left, block.right)

    def _prepare(self, frames: FrameSet, start: int, stop: int) -> list[Any]:
        pixels: NDArray[np.uint8] = frames.block(start, stop)
        return [runner.prepare(pixels) for runner in self.runners]

    def _release(self, prepared: list[Any]) -> None:
        for runner, part in zip(self.runners, prepared, strict=True):
            runner.release(part)

    def _compare(self, rows: list[Any], columns: list[Any]) -> tuple[Values, Values]:
        values: Values = {}
        back: Values = {}
        for runner, first, second in zip(self.runners, rows, columns, strict=True):
            found = runner.values(first, second)
            values |= found
            if self.same:
                back |= runner.swapped(first, second, found)
        return values, back


def _joined(parts: list[Values], axis: int) -> Values:
    return {name: np.concatenate([part[name] for part in parts], axis) for name in parts[0]}
