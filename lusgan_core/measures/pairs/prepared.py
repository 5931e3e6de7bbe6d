"""Frames that a plugin's metric prepares a few at a time, each of them once where memory allows.

What ``prepare`` returns may be anything, so it cannot be sliced: frames are cut into chunks of
``CHUNK`` frames, which are prepared when they are first needed and compared whole. A block keeps
its own chunks, for as long as it is compared; the cache keeps those of earlier blocks too, by the
content of the frames, so that a frame that comes again is not prepared again. Only where the
prepared frames of a comparison take more than ``CACHE_BYTES`` is a frame prepared once more for
each of the column blocks (of 1,024 frames or fewer) that it is compared with.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHUNK = 16
"""Frames that are prepared together; the sizes of most blocks are multiples of it."""
CACHE_BYTES = 256 << 20
"""Memory for chunks of earlier blocks, of one metric."""

Pixels = NDArray[np.uint8]


class ChunkCache:
    """Prepared chunks by their content; those that were not used for longest are dropped.

    Args:
        prepare: The metric's own function.
        most_bytes: Memory for all chunks together.
    """

    def __init__(self, prepare: Callable[[Pixels], Any], most_bytes: int = CACHE_BYTES) -> None:
        self.prepare, self.most_bytes, self.bytes = prepare, most_bytes, 0
        self._chunks: OrderedDict[bytes, tuple[Any, int]] = OrderedDict()

    def get(self, frames: Pixels) -> Any:
        """What the metric makes of a chunk of frames, made now unless it is kept."""
        digest = hashlib.blake2b(np.ascontiguousarray(frames).data, digest_size=16)
        key = digest.digest() + str(frames.shape).encode()
        found = self._chunks.pop(key, None)
        if found is None:
            prepared = self.prepare(frames)
            found = prepared, size_of(prepared, 16 * frames.nbytes)
            self.bytes += found[1]
        self._chunks[key] = found
        while self.bytes > self.most_bytes:
            _, (_, size) = self._chunks.popitem(last=False)
            self.bytes -= size
        return found[0]

    def clear(self) -> None:
        """Drop everything, e.g. because memory ran out."""
        self._chunks.clear()
        self.bytes = 0


@dataclass
class Chunks:
    """Some frames of a block, and the chunks of the whole block that were prepared so far."""

    frames: Pixels
    """All frames of the block, read-only."""
    start: int
    stop: int
    made: dict[int, Any] = field(default_factory=dict)
    """Prepared chunks by their first frame; shared between parts of a block."""

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, part: slice) -> Chunks:
        start, stop, _ = part.indices(len(self))
        return Chunks(self.frames, self.start + start, self.start + stop, self.made)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the frames, (N, H, W) or (N, H, W, 3)."""
        return (len(self), *self.frames.shape[1:])

    @property
    def pixels(self) -> Pixels:
        """The frames themselves, read-only."""
        return self.frames[self.start : self.stop]

    def parts(self, cache: ChunkCache) -> Iterator[Part]:
        """The chunks that hold these frames; ``cache`` prepares them, or has them already."""
        for first in range(self.start // CHUNK * CHUNK, self.stop, CHUNK):
            frames = self.frames[first : first + CHUNK]
            if first not in self.made:
                self.made[first] = cache.get(frames)
            low, high = max(first, self.start), min(first + CHUNK, self.stop)
            yield Part(
                self.made[first],
                len(frames),
                slice(low - first, high - first),
                slice(low - self.start, high - self.start),
            )


@dataclass(frozen=True)
class Part:
    """A prepared chunk, some frames of which are meant."""

    prepared: Any
    frames: int
    """Frames in the chunk."""
    inside: slice
    """Those that are meant."""
    place: slice
    """Their place among all that are meant."""


def read_only(frames: Pixels) -> Pixels:
    """Frames that a metric cannot write into: they are the next metric's, too."""
    view = frames.view()
    view.flags.writeable = False
    return view


def size_of(prepared: object, otherwise: int) -> int:
    """Estimate the memory of prepared frames.

    Args:
        prepared: What a metric made of frames.
        otherwise: Bytes to assume where it cannot be told.

    Returns:
        Bytes: those of arrays, also within tuples, lists and dictionaries.
    """
    if isinstance(prepared, dict):
        prepared = list(prepared.values())
    if isinstance(prepared, tuple | list):
        share = math.ceil(otherwise / max(1, len(prepared)))
        return sum(size_of(part, share) for part in prepared)
    size = getattr(prepared, "nbytes", None)
    return size if isinstance(size, int) else otherwise
