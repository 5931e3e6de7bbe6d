"""Refuses clips whose file says that a model made its frames.

What lusgan exports says so at its beginning, whatever the format: a .mat file in its first 116
bytes, a PNG file in a text chunk and as XMP, also where it is a value of a parquet file, an HDF5
file in an attribute, a DICOM object in its derivation description. Other programs write IPTC's
``trainedAlgorithmicMedia`` as the source of a picture (XMP, C2PA, DICOM). Phantoms are no model's
and carry no such mark.
"""

from __future__ import annotations

from collections.abc import Sequence

from lusgan_core.clips import SourceStat
from lusgan_core.domain import ClipFiles
from lusgan_core.errors import ClipError, ExamError
from lusgan_core.ingestion.clip_errors import clip_errors
from lusgan_core.store.source import ExamSource

MARKS = ("Synthetic frames by lusgan", "trainedAlgorithmicMedia")
"""Texts of which one is enough; upper and lower case are alike."""
HEAD_BYTES = 1 << 16
"""Length of a file's beginning, and of its end, that is searched."""
LOOKED_AT = 16
"""Files that are looked at, about, where nothing in a source is a clip."""


def refuse_synthetic(source: ExamSource, files: ClipFiles, origin: Sequence[str] = ()) -> None:
    """Refuse a clip that says that its frames are synthetic.

    Args:
        source: Where the clip is.
        files: Its files, of which the clip itself is looked at, its beginning and its end.
        origin: What its reader found in it on how its frames were made.

    Raises:
        ClipError: It says so, or cannot be read.
        ExamError: Disk, network or store failed.
    """
    mark = mark_in(source, files.clip.key, files.clip.size, origin)
    if mark:
        raise ClipError(
            f"the file says that a model made its frames ({mark!r}): synthetic frames are no "
            "exam, take them out"
        )


def mark_in(source: ExamSource, key: str, size: int, origin: Sequence[str] = ()) -> str:
    """Look for a mark at the beginning and at the end of a file.

    Args:
        source: Where the file is.
        key: The file.
        size: Its size in bytes.
        origin: What its reader found the file to say of its origin.

    Returns:
        The mark; empty if there is none.

    Raises:
        ClipError: The file cannot be read.
        ExamError: Disk, network or store failed.
    """
    with clip_errors(), source.open(key) as file:
        parts = [text.encode() for text in origin] + [file.read(HEAD_BYTES)]
        if size > HEAD_BYTES:  # where videos may hold their texts
            file.seek(max(HEAD_BYTES, size - HEAD_BYTES))
            parts.append(file.read(HEAD_BYTES))
    told = b"\n".join(parts).lower()
    return next((mark for mark in MARKS if mark.lower().encode() in told), "")


def any_mark(source: ExamSource, objects: Sequence[SourceStat]) -> str:
    """Look for a mark in some files of a source in which no reader recognises a clip.

    Args:
        source: The source.
        objects: Its files, of which some are looked at, from the first to the last.

    Returns:
        The mark; empty if none of them has one, or can be read.
    """
    readable = [stat for stat in objects if not stat.error and stat.is_unicode]
    for stat in readable[:: max(1, len(readable) // LOOKED_AT)]:
        try:
            mark = mark_in(source, stat.key, stat.size)
        except (ClipError, ExamError):
            continue
        if mark:
            return mark
    return ""
