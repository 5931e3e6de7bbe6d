"""A set of frames written to files of so many frames each: ``frames-000.h5`` and so on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

if TYPE_CHECKING:
    from lusgan_core.api import ExportFolder, Frame, NoOptions, Samples

Row = TypeVar("Row")


class NumberedFiles(ABC, Generic[Row]):
    """A set of frames on its way into files, each of which is put together in memory."""

    suffix: ClassVar[str]
    """Ending of the files' names, with the dot."""
    file_frames: ClassVar[int]
    """Most frames in one file."""

    def __init__(self, folder: ExportFolder, samples: Samples, options: NoOptions) -> None:
        """Start without a frame.

        Args:
            folder: Where the files go.
            samples: Whose frames they are.
            options: There are none.
        """
        self._folder, self._samples = folder, samples
        self._rows: list[Row] = []
        self._names: list[str] = []
        self._added = 0

    @abstractmethod
    def row(self, frame: Frame, position: int) -> Row:
        """What a file takes of a frame.

        Args:
            frame: (H, W) or (H, W, 3) uint8.
            position: Its place in the set, from 0.

        Returns:
            What ``file_bytes`` is given of it.
        """

    @abstractmethod
    def file_bytes(self, rows: list[Row]) -> bytes:
        """Return the content of one file, of what ``row`` gave."""

    def add(self, frame: Frame) -> None:
        """Take the next frame, (H, W) or (H, W, 3) uint8; a full file is written."""
        self._rows.append(self.row(frame, self._added))
        self._added += 1
        if len(self._rows) == self.file_frames:
            self._write()

    def finish(self) -> list[str]:
        """Write the frames that are left; returns the names of all files."""
        if self._rows:
            self._write()
        return self._names

    def _write(self) -> None:
        self._names.append(f"frames-{len(self._names):03d}{self.suffix}")
        self._folder.put(self._names[-1], self.file_bytes(self._rows))
        self._rows = []
