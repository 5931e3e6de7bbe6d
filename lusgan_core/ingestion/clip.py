"""Opens a clip by the reader that recognised it, and holds the reader to its contract.

    with open_clip(source, files, readers) as clip:
        for frame in clip.frames():      # (H, W) uint8
            ...

Anything wrong with a file is a ClipError, on opening or while reading, and so is anything that goes
wrong inside a reader.
"""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lusgan_core.clips import Clip
from lusgan_core.domain import SCORES, UNLABELLED, ClipFiles
from lusgan_core.errors import ClipError, ExamError, StoreError
from lusgan_core.ingestion.clip_errors import clip_errors
from lusgan_core.ingestion.readers import ChosenReader, Readers, failure
from lusgan_core.plugin_guard import is_stop
from lusgan_core.store.source import GONE, ExamSource, FolderSource

COLOUR_TOLERANCE = 8
"""Largest difference of the colour channels of a grey frame, grey levels: video codecs round.

In 104 real videos it was 6 at most, and 0 in most; a colour overlay differs by 50 or more."""
MARK_SHARE = 0.001
"""Largest share of a frame's pixels that may differ by more: where a codec rounds at a sharp edge
(0.002% in two of 207 real videos), or a marker of the probe's side; an ECG trace or a colour box
takes more."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class FilesOfClip:
    """The objects of a clip as its reader sees them; see ``lusgan_core.clips.ClipObjects``."""

    source: ExamSource
    files: ClipFiles

    @property
    def parts(self) -> frozenset[str]:
        """See ClipObjects."""
        return frozenset(self.files.objects)

    @property
    def suffix(self) -> str:
        """See ClipObjects."""
        return Path(self.files.clip.key).suffix.lower()

    @property
    def facts(self) -> Mapping[str, Any]:
        """See ClipObjects."""
        return self.files.facts

    def open(self, part: str = "clip") -> BinaryIO:
        """See ClipObjects."""
        return self.source.open(self.files.objects[part].key)

    @contextmanager
    def local_path(self, part: str = "clip") -> Iterator[Path]:
        """See ClipObjects."""
        key = self.files.objects[part].key
        if isinstance(self.source, FolderSource):
            self.source.open(key).close()
            yield self.source.path / key
            return
        with tempfile.TemporaryDirectory(prefix="lusgan-") as folder:
            path = Path(folder) / f"{part}{Path(key).suffix}"
            with self.open(part) as file:
                _copy(file, path)
            yield path

    def are_there(self) -> bool:
        """Whether every object can be opened."""
        try:
            for part in self.parts:
                self.open(part).close()
        except OSError:
            return False
        return True


def _copy(file: BinaryIO, path: Path) -> None:
    try:
        with path.open("wb") as copy:
            shutil.copyfileobj(file, copy)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StoreError(
                f"no room for temporary files ({error.strerror}): free some space or set TMPDIR"
            ) from error
        raise


class ClipReader:
    """An open clip. Use it in a ``with`` block, or close it."""

    def __init__(self, clip: Clip, reader: ChosenReader, objects: FilesOfClip) -> None:
        """Take over an open clip; raises ClipError for a header that no clip can have."""
        self._clip, self._reader, self._objects = clip, reader, objects
        self._stack = ExitStack()
        self.height, self.width, self.count = clip.height, clip.width, clip.count
        self.channels, self.dtype = clip.channels, clip.dtype
        self.details = dict(clip.details)
        self.region, self.origin = clip.region, tuple(clip.origin)
        self.colour_gap = 0
        """Largest difference of colour channels that was read so far, grey levels."""
        if min(self.height, self.width, self.count) < 1:
            raise ClipError(
                f"{self.count} frames of {self.height}x{self.width} pixels: it holds no frame"
            )
        if self.region is not None and self.region.shape != (self.height, self.width):
            raise self._broken(f"a region of {self.region.shape}", (self.height, self.width))

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """The frames in order, each (H, W) uint8, 0..255; may be called again, also meanwhile.

        Draining the iterator verifies all that the reader can check. Raises ClipError.
        """
        with reader_errors(self._reader, self._objects):
            batches = iter(self._clip.frames())
        count = 0
        while True:
            with reader_errors(self._reader, self._objects):
                batch = next(batches, None)
            if batch is None:
                break
            for frame in self._checked(batch):
                count += 1
                if count > self.count:
                    raise ClipError(f"more than the {self.count} frames declared: damaged file")
                yield frame if frame.ndim == 2 else self._to_grey(frame, count)
        if count != self.count:
            raise ClipError(f"{count} frames read, {self.count} declared: damaged file")

    def scores(self) -> tuple[int, ...]:
        """A score 0..3 for each frame, or ``UNLABELLED``. Raises ClipError."""
        with reader_errors(self._reader, self._objects):
            found = self._clip.scores()
            several = np.ndim(found) > 0
            scores = tuple(int(s) for s in found) if several else (int(found),) * self.count  # type: ignore[union-attr, arg-type]
        if len(scores) != self.count:
            raise self._broken(f"{len(scores)} scores", f"one for each of {self.count} frames")
        strange = sorted(set(scores) - {UNLABELLED, *SCORES})
        if strange:
            raise self._broken(
                f"the score {strange[0]}", f"scores {SCORES[0]} to {SCORES[-1]}, or {UNLABELLED}"
            )
        return scores

    def close(self) -> None:
        """Close the file."""
        with reader_errors(self._reader, self._objects):
            self._stack.close()

    def own(self, stack: ExitStack) -> None:
        """Close what is on the stack together with the clip."""
        self._stack = stack

    def _checked(self, batch: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The batch, if it is one of this clip; raises ClipError."""
        size = (self.height, self.width)
        if (
            not isinstance(batch, np.ndarray)
            or batch.dtype != np.uint8
            or batch.ndim not in (3, 4)
            or batch.shape[1:3] != size
            or batch.shape[3:] not in ((), (3,))
        ):
            what = getattr(batch, "shape", type(batch).__name__), getattr(batch, "dtype", "")
            raise self._broken(
                f"frames of {what[0]} {what[1]}", f"batches (n, {size[0]}, {size[1]}[, 3]) uint8"
            )
        return batch

    def _to_grey(self, frame: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
        gap, share = colour_gap(frame, self.region)
        self.colour_gap = max(self.colour_gap, gap)
        if share > MARK_SHARE:
            three = self.channels == 3 and self.count == 1
            what = "a tinted display" if share > 0.5 else "a colour overlay (Doppler, an ECG trace)"
            raise ClipError(
                f"the colour channels of frame {number} differ by up to {gap} grey levels, "
                f"{share:.1%} of its pixels by more than the {COLOUR_TOLERANCE} that rounding "
                f"leaves: {what}"
                + (" or, if these are three grey frames, ingestion.axes=HWN" if three else "")
            )
        return to_grey(frame)

    def _broken(self, what: str, expected: object) -> ClipError:
        return ClipError(f"{self._reader} gave {what}, expected {expected}: report it")

    def __enter__(self) -> ClipReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def colour_gap(
    frame: NDArray[np.uint8], region: NDArray[np.bool_] | None = None
) -> tuple[int, float]:
    """Measure how far the colour channels of a frame are apart.

    Args:
        frame: (H, W, 3) uint8.
        region: (H, W), true where it counts, such as a scanner's picture without its buttons; None
            for everywhere.

    Returns:
        The largest difference of a pixel's channels, grey levels; and the share of the pixels that
        differ by more than ``COLOUR_TOLERANCE``, 0..1.
    """
    gaps = frame.max(axis=2) - frame.min(axis=2)
    if region is not None:
        gaps = gaps[region]
    largest = int(gaps.max(initial=0))
    return largest, float((gaps > COLOUR_TOLERANCE).mean()) if largest > COLOUR_TOLERANCE else 0.0


def to_grey(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Make a grey frame of one whose colour channels are alike.

    Args:
        frame: (H, W, 3) uint8.

    Returns:
        (H, W) uint8: the mean of the channels, rounded.
    """
    mean: NDArray[np.uint8] = ((frame.sum(axis=2, dtype=np.uint16) + 1) // 3).astype(np.uint8)
    return mean


@contextmanager
def reader_errors(reader: ChosenReader, objects: FilesOfClip) -> Iterator[None]:
    """Turn whatever goes wrong in a reader into a ClipError that names no file.

    Args:
        reader: The reader, which the text names unless it gave a reason itself.
        objects: The clip that it reads.

    Raises:
        ClipError: The file cannot be used, or the reader is at fault.
        ExamError: Disk, network or store failed.
    """
    with clip_errors():
        try:
            yield
        except (ClipError, ExamError, MemoryError):
            raise
        except BaseException as error:  # whatever a stranger's code raises, SystemExit too
            if is_stop(error):
                raise
            # what it misses while its own files are there is no file of the source
            own = not isinstance(error, OSError) or (error.errno in GONE and objects.are_there())
            if not own:
                raise
            raise ClipError(f"{reader} failed: {failure(error)}") from error


def open_clip(source: ExamSource, files: ClipFiles, readers: Readers) -> ClipReader:
    """Open a clip and read its header; no pixels yet.

    Args:
        source: Where the clip is.
        files: Its files, as ``discover`` found them.
        readers: Readers by name; the one that recognised the clip is among them.

    Returns:
        The open clip, to be closed by the caller.

    Raises:
        ClipError: The file is no clip that its reader can read, or is damaged.
        ExamError: Disk, network or store failed.
    """
    reader, objects = readers[files.reader], FilesOfClip(source, files)
    with ExitStack() as stack:
        with reader_errors(reader, objects):
            clip = stack.enter_context(reader.open(objects))
        opened = ClipReader(clip, reader, objects)
        opened.own(stack.pop_all())  # all went well: it closes them
        return opened


def verify_clip(source: ExamSource, files: ClipFiles, readers: Readers) -> None:
    """Read a whole clip and check all that can be checked.

    Args:
        source: Where the clip is.
        files: Its files, as ``discover`` found them.
        readers: Readers by name.

    Raises:
        ClipError: The clip is damaged, its channels differ, or frames are missing.
        ExamError: Disk, network or store failed.
    """
    with open_clip(source, files, readers) as clip:
        for _ in clip.frames():
            pass
