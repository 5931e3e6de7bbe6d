"""What a reader of exams is given, and what it gives: objects of a source, clips found, open clips.

A *reader* (a plugin kind, see ``lusgan_core.api.Reader``) is asked twice. First it gets the whole
``Listing`` of a source and says which objects are clips, of which patient, exam and area. Later it
is handed the objects of one clip, ``ClipObjects``, and opens them as a ``Clip``.

Shapes: n frames of a batch, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LABELS = "labels"
"""Among the facts of a clip: what raters said of it, as ``FoundClip.facts`` describes."""

Json = Any
"""Anything that survives JSON: texts, numbers, booleans, None, lists and mappings of these."""


@dataclass(frozen=True, slots=True)
class SourceStat:
    """One object of a source, as a listing gives it."""

    key: str
    """Path below the source, with forward slashes; names that are not UTF-8 hold surrogates.

    It ends in a slash where a whole folder cannot be listed, and ``error`` says why.
    """
    size: int
    """Size in bytes."""
    stamp: str
    """Changes whenever the content does: the time of modification in ns, or an ETag."""
    error: str = ""
    """Why the object cannot be read, where the listing has found that out; else empty."""
    changed: float = 0.0
    """When it was written or moved here, seconds since 1970; 0 where that is unknown."""

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rsplit("/", 1)[-1]

    @property
    def is_unicode(self) -> bool:
        """Whether the key is valid UTF-8; records can hold no other."""
        try:
            self.key.encode()
        except UnicodeEncodeError:
            return False
        return True


class Listing(Protocol):
    """All objects of an exam source, for a reader to find its clips among them."""

    @property
    def uri(self) -> str:
        """Address of the source, for messages."""
        ...

    @property
    def objects(self) -> Sequence[SourceStat]:
        """All objects, sorted by key. Hidden files and folders are left out."""
        ...

    def head(self, stat: SourceStat, read: Callable[[BinaryIO], Json]) -> Json:
        """Return what ``read`` makes of an object's content, which is opened once.

        The answer is remembered by the object's key, size and stamp, so that the next look at the
        source opens only what is new. Read no more than is needed: a header, or a small table.

        Args:
            stat: The object.
            read: Gets the object, open, and returns JSON; what it raises is passed on.

        Returns:
            What ``read`` returned, now or at an earlier look.

        Raises:
            ClipError: The object cannot be read; its text is fit to be the reason of a ``Refused``.
        """
        ...


@dataclass(frozen=True)
class FoundClip:
    """A clip that a reader recognised, with all objects that belong to it."""

    patient: str
    exam: str
    clip: SourceStat
    """The object with the frames."""
    area: int = 0
    """Area of the chest, 1..14 in the standardised protocol; 0 where it is unknown."""
    scores: SourceStat | None = None
    mask: SourceStat | None = None
    """A PNG picture of the size of the frames: white is kept, black is dropped."""
    others: Mapping[str, SourceStat] = field(default_factory=dict)
    """Further objects by the part that they play; ``ClipObjects.open`` takes that name."""
    facts: Mapping[str, Json] = field(default_factory=dict)
    """JSON that ``Reader.open`` gets again. It counts in the exam's digest, so that a row of a
    table that holds many clips belongs here, and not the table into ``others``.

    Under ``LABELS`` may be what raters said, a list ``[first, last, [[rater, score], ...]]`` for
    each stretch of frames: counted from 1, with 0 for the clip's own first or last frame, raters in
    the order in which they count. ``lusgan check`` shows their agreement."""
    name: str = ""
    """Name of the clip; empty for the object's name without its suffix."""


@dataclass(frozen=True)
class Refused:
    """An object that a reader recognised and cannot use."""

    stat: SourceStat
    reason: str
    """What is wrong and what was expected; it names no patient."""
    patient: str = ""
    exam: str = ""
    """Empty where the object is in no exam."""
    is_clip: bool = True
    """Whether it would have been a clip, rather than scores or a mask."""


@dataclass(frozen=True)
class Belonging:
    """An object that a reader has read and that is no clip, such as a table of labels."""

    stat: SourceStat


class ClipObjects(Protocol):
    """The objects of one clip, for a reader to open."""

    @property
    def parts(self) -> frozenset[str]:
        """What there is: ``clip``, and ``scores``, ``mask`` and the names of others where given."""
        ...

    @property
    def suffix(self) -> str:
        """Suffix of the clip's object in lower case, such as ``.mat``."""
        ...

    @property
    def facts(self) -> Mapping[str, Json]:
        """What the reader noted when it found the clip."""
        ...

    def open(self, part: str = "clip") -> BinaryIO:
        """Open an object for reading: buffered, seekable, to be closed by the caller.

        Args:
            part: One of ``parts``.

        Returns:
            The open object.
        """
        ...

    def local_path(self, part: str = "clip") -> AbstractContextManager[Path]:
        """Give an object as a file on this machine, for libraries that take nothing else.

        The path may name the patient: keep it out of messages.

        Args:
            part: One of ``parts``.

        Returns:
            A context in which the file is there; it must not be written to.
        """
        ...


@dataclass(frozen=True)
class Clip:
    """An open clip: its header at once, frames and scores when they are asked for."""

    height: int
    """Height of the frames, pixels."""
    width: int
    """Width of the frames, pixels."""
    count: int
    """Number of frames."""
    frames: Callable[[], Iterator[NDArray[np.uint8]]]
    """Starts a new pass over the frames, in batches (n, H, W), or (n, H, W, 3) in colour, uint8.

    A few frames are held at a time, however long the clip is. A batch is the caller's own: its
    memory is not written to again. Every pass gives the same frames, and passes may overlap."""
    scores: Callable[[], Sequence[int] | int]
    """Reads the severity scores: one a frame, 0..3, or -1 where nobody scored the frame; or a
    single score for the whole clip."""
    channels: int = 1
    """Channels as stored, 1 or 3; the batches may be grey nevertheless."""
    dtype: str = "uint8"
    """Type of the stored numbers, as numpy spells it."""
    details: Mapping[str, str | int | float] = field(default_factory=dict)
    """What else the record of the clip should hold, such as ``frame_rate_hz``."""
    region: NDArray[np.bool_] | None = None
    """(H, W), true where a pixel is kept, where the file itself says so; a mask goes before it."""
    origin: Sequence[str] = ()
    """Texts of the file that say how its frames were made. A clip whose texts tell of a model is
    refused; what stands in the file's first bytes is looked at in any case."""
