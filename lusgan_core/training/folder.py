"""A model's folder in the store: the names of what a training leaves there.

lease.json                              who is training at the moment
checkpoints/00001550.safetensors        the newest one only, named by its iteration
previews/00000100.png                   what fixed noise gave after that iteration
tensorboard/events.out.tfevents.<n>     events from iteration n on
generator.safetensors, history.csv, progress.gif
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lusgan_core.store import Store

EVENTS = "events.out.tfevents"
"""How TensorBoard knows its files; it reads them in the order of their names."""


@dataclass(frozen=True)
class ModelFolder:
    """The folder below ``prefix``. Numbers in names have eight digits, so that they sort."""

    store: Store
    prefix: str

    def key(self, name: str) -> str:
        """The key in the store of what has that name in the folder."""
        return f"{self.prefix}/{name}"

    def put(self, name: str, data: bytes) -> str:
        """Write an object and return its key."""
        self.store.put(self.key(name), data)
        return self.key(name)

    def checkpoint(self) -> str | None:
        """Key of the newest checkpoint, if there is one."""
        keys = self._checkpoints()
        return keys[-1] if keys else None

    def put_checkpoint(self, iteration: int, data: bytes) -> None:
        """Write a checkpoint, and only then drop the older ones."""
        older = self._checkpoints()
        key = self.put(f"checkpoints/{iteration:08d}.safetensors", data)
        for other in older:
            if other != key:
                self.store.delete(other)

    def put_preview(self, iteration: int, png: bytes) -> None:
        """Write the preview of an iteration."""
        self.put(f"previews/{iteration:08d}.png", png)

    def previews(self) -> Iterator[tuple[int, bytes]]:
        """All previews as (iteration, PNG file), in order."""
        for item in self.store.list(self.key("previews/")):
            match = re.search(r"(\d+)\.png$", item.key)
            if match:
                yield int(match[1]), self.store.get(item.key)

    def put_events(self, first: int, path: Path) -> None:
        """Write TensorBoard's file of events since iteration ``first``.

        A training that was killed and went on from ``first`` again replaces it.
        """
        self.store.put(self.key(f"tensorboard/{EVENTS}.{first:08d}"), path)

    def _checkpoints(self) -> list[str]:
        return [item.key for item in self.store.list(self.key("checkpoints/"))]
