"""The contract of an exporter: files in its own folder, by its frames and options alone.

Shapes: N frames, H height, W width; frames are (H, W) or (H, W, 3) uint8.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import Exporter, Options, Samples
from lusgan_core.calls.call import SUMS
from lusgan_core.errors import PluginError
from lusgan_core.generation.exports import Exports, Folder, OneExport
from lusgan_core.ingestion.synthetic_mark import MARKS
from lusgan_core.testing.memory_store import MemoryStore
from lusgan_core.testing.records import RecordContract

Files = dict[str, bytes]
Frames = NDArray[np.uint8]
COUNTS = (1, 3, 70)
"""Numbers of frames that are tried."""
LATER_S = 1.1
"""Seconds between two exports that must be equal: a time stamp of a second would tell."""


class ExporterContract(RecordContract):
    """The tests of an exporter. Set ``record``."""

    record: Exporter
    record_options: Options | None = None
    """Options to export with; None for the defaults."""

    def functions(self) -> dict[str, Callable[..., Any]]:
        """The exporter's opener."""
        return {"open": self.record.open}

    def says_synthetic(self, name: str, data: bytes) -> bool:
        """Whether a file says that its frames are synthetic; replace it for compressed formats.

        Args:
            name: Name of the file.
            data: Its content.

        Returns:
            True if the word is among its bytes.
        """
        return b"synthetic" in data.lower()

    def export(
        self, frames: Frames, options: Options | None = None, told: Samples | None = None
    ) -> Files:
        """Export frames as a run does, in an empty working directory.

        Args:
            frames: (N, H, W) or (N, H, W, 3).
            options: Options of the exporter; None for ``record_options``, or the defaults.
            told: What the exporter is told of them; None for score 2, model m, seed 7.

        Returns:
            The content of all files by name, without the list of digests.

        Raises:
            AssertionError: The exporter failed, or wrote to another place.
        """
        return self.exports([(frames, told or samples(len(frames)))], options)[0]

    def exports(
        self, sets: Sequence[tuple[Frames, Samples]], options: Options | None = None
    ) -> list[Files]:
        """Export several sets side by side, a frame of each in turn.

        Args:
            sets: Frames, and what the exporter is told of them.
            options: Options of the exporter; None for ``record_options``, or the defaults.

        Returns:
            The files of each set by name.
        """
        chosen = options or self.record_options or self.record.options()
        store = MemoryStore()
        with tempfile.TemporaryDirectory() as folder:
            with contextlib.chdir(folder):
                self._fill(store, sets, chosen)
            astray = [path.name for path in Path(folder).rglob("*")]
            assert not astray, f"{astray} written to the working directory: use folder.put"
        prefixes = [f"{number}/{self.record.name}/" for number in range(len(sets))]
        return [
            {
                key.removeprefix(prefix): data
                for key, data in store.objects.items()
                if key.startswith(prefix) and key != f"{prefix}{SUMS}"
            }
            for prefix in prefixes
        ]

    def _fill(
        self, store: MemoryStore, sets: Sequence[tuple[Frames, Samples]], chosen: Options
    ) -> None:
        try:
            opened = [
                Exports(store, str(number), [(self.record, chosen)], told)
                for number, (_, told) in enumerate(sets)
            ]
            for row in range(max(len(frames) for frames, _ in sets)):
                for (frames, _), exports in zip(sets, opened, strict=True):
                    if row < len(frames):
                        frame = frames[row].copy()
                        frame.flags.writeable = False
                        exports.add(frame)
            for exports in opened:
                exports.finish()
        except PluginError as error:
            raise AssertionError(str(error)) from error

    def test_files_are_its_own_and_told(self) -> None:
        """Grey and coloured frames, one or many, give files below its folder, all of them named."""
        for count in COUNTS:
            for channels in (1, 3):
                files = self.export(some_frames(count, channels))
                assert files, f"{count} frames gave no file"
        files = self.export(some_frames(3))
        assert not self.record.file_per_frame or len(files) >= 3, (
            f"file_per_frame is set, but 3 frames gave {len(files)} files"
        )

    def test_every_file_says_that_frames_are_synthetic(self) -> None:
        """Who finds one file without the others can tell that no patient is in it."""
        for name, data in self.export(some_frames(3)).items():
            assert self.says_synthetic(name, data), f"{name} does not say that it is synthetic"

    def test_real_frames_are_not_called_synthetic(self) -> None:
        """Files of real frames hold no mark of a model: `lusgan export` writes both kinds."""
        told = Samples(2, "", 0, 3, side="train", patients=("A", "A", "B"), clips=(1, 1, 1))
        for name, data in self.export(some_frames(3), told=told).items():
            for mark in MARKS:
                assert mark.lower().encode() not in data.lower(), f"{name} says {mark!r}"

    def test_names_follow_the_frames(self) -> None:
        """Where each frame has a file, name i that ``finish`` returns is the one of frame i."""
        if not self.record.file_per_frame:
            return
        frames = some_frames(4)
        before = self._references(frames)
        for number in range(len(frames)):
            changed = frames.copy()
            changed[number, 5, 7] ^= 255
            assert self._references(changed)[number] != before[number], (
                f"file {number} by `finish` is not that of frame {number}"
            )

    def _references(self, frames: Frames) -> list[str]:
        """Digests of the files, in the order of ``finish``."""
        chosen, folder = self.record_options or self.record.options(), Folder(MemoryStore(), "1")
        export = OneExport(self.record, chosen, folder, samples(len(frames)))
        for frame in frames:
            export.add(frame)
        return [ref.digest for ref in export.finish()]

    def test_the_same_frames_give_the_same_bytes(self) -> None:
        """No time stamp, no chance: an export made later is equal byte for byte."""
        before = self.export(some_frames(3))
        time.sleep(LATER_S)
        _same(before, self.export(some_frames(3)), "exported again, later")

    def test_exports_know_nothing_of_each_other(self) -> None:
        """Two sets exported side by side, or one after the other, give the same files."""
        one, two = some_frames(5), some_frames(4)[::-1].copy()
        told = samples(4, score=3, model="other", seed=8)
        alone, other = self.export(one), self.export(two, told=told)
        together = self.exports([(one, samples(5)), (two, told)])
        _same(alone, together[0], "exported beside another set")
        _same(other, together[1], "exported beside another set")

    def test_every_frame_counts(self) -> None:
        """Another pixel in any one frame gives another file."""
        frames = some_frames(4)
        before = self.export(frames)
        for number in range(len(frames)):
            changed = frames.copy()
            changed[number, 5, 7] ^= 255
            assert self.export(changed) != before, f"frame {number} is in no file"

    def test_every_option_counts(self) -> None:
        """Each switch, choice and number among the options changes some file."""
        frames = some_frames(70)
        self.check_options(lambda options: self.export(frames, options), "file")


def samples(count: int, score: int = 2, model: str = "m", seed: int = 7) -> Samples:
    """Describe a sample set.

    Args:
        count: Number of frames.
        score: Their severity score.
        model: Name of the model.
        seed: Seed of the noise.

    Returns:
        What an exporter is told.
    """
    return Samples(score=score, model=model, seed=seed, count=count)


def some_frames(count: int, channels: int = 1) -> Frames:
    """Draw different frames.

    Args:
        count: Number of frames, N.
        channels: 1 for grey, 3 for RGB.

    Returns:
        (N, 32, 32) or (N, 32, 32, 3) uint8, the same in every call.
    """
    shape = (count, 32, 32) if channels == 1 else (count, 32, 32, 3)
    return np.random.default_rng(channels).integers(0, 256, shape, np.uint8)


def _same(one: Files, two: Files, when: str) -> None:
    names = sorted(one.keys() ^ two.keys()) or [n for n in one if one[n] != two[n]]
    assert not names, f"{when}, {names[0]} is another"
