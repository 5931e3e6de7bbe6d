"""A model's folder in the store: the names of what a training leaves there.

lease.json                              the process that is training at the moment
checkpoints/00001550.safetensors        the last two, named by their iterations
previews/00000100.png                   frames generated from fixed noise after that iteration
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
"""Start of the names by which TensorBoard finds its files; it reads them in name order."""


@dataclass(frozen=True)
class ModelFolder:
    """The folder below ``prefix``. Numbers in names have eight digits, so that they sort."""

    store: Store
    prefix: str

    def key(self, name: str) -> str:
        """The key in the store of the object with that name in the folder."""
        return f"{self.prefix}/{name}"

    def put(self, name: str, data: bytes) -> str:
        """Write an object into the folder, in place of one of that name.

        Args:
            name: Path below the folder, with forward slashes.
            data: Content of the object.

        Returns:
            The object's key in the store.
        """
        self.store.put(self.key(name), data)
        return self.key(name)

    def checkpoint(self) -> str | None:
        """Key of the newest checkpoint, if there is one."""
        return next(iter(self.checkpoints()), None)

    def checkpoints(self) -> list[str]:
        """Keys of the checkpoints, the newest first."""
        return [item.key for item in self.store.list(self.key("checkpoints/"))][::-1]

    def put_checkpoint(self, iteration: int, data: bytes) -> None:
        """Write a checkpoint, then delete all older ones but the last, to which a damage of the
        new one falls back.

        A process that is killed in between leaves more, of which the newest counts.

        Args:
            iteration: Iterations done, which the checkpoint is named by.
            data: File that ``checkpoint.save_state`` made.
        """
        key = self.put(f"checkpoints/{iteration:08d}.safetensors", data)
        for older in [other for other in self.checkpoints() if other < key][1:]:
            self.store.delete(older)

    def put_preview(self, iteration: int, png: bytes) -> None:
        """Write the preview of an iteration.

        Args:
            iteration: Iterations done, which the preview is named by.
            png: A PNG file.
        """
        self.put(f"previews/{iteration:08d}.png", png)

    def previews(self) -> Iterator[tuple[int, bytes]]:
        """All previews as (iteration, PNG file), in order."""
        for item in self.store.list(self.key("previews/")):
            match = re.search(r"(\d+)\.png$", item.key)
            if match:
                yield int(match[1]), self.store.get(item.key)

    def put_events(self, first: int, path: Path) -> None:
        """Write TensorBoard's file of events, in place of an earlier one with the same start.

        A training that was killed and resumed from ``first`` again thereby replaces its events.

        Args:
            first: Iteration that this process started from; 0 for a new training.
            path: The local file.
        """
        self.store.put(self.key(f"tensorboard/{EVENTS}.{first:08d}"), path)
