"""Refuses clips whose file says that a model made its frames.

What lusgan exports says so at its beginning, whatever the format: a .mat file in its first 116
bytes, a PNG file in a text chunk, an HDF5 file in an attribute. Other programs write IPTC's
``trainedAlgorithmicMedia`` as the source of a picture (XMP, C2PA, DICOM). Phantoms are no model's
and carry no such mark.
"""

from __future__ import annotations

from collections.abc import Sequence

from lusgan_core.domain import ClipFiles
from lusgan_core.errors import ClipError
from lusgan_core.ingestion.clip_errors import clip_errors
from lusgan_core.store.source import ExamSource

MARKS = ("Synthetic frames by lusgan", "trainedAlgorithmicMedia")
"""Texts of which one is enough; upper and lower case are alike."""
HEAD_BYTES = 1 << 16
"""Length of a file's beginning, and of its end, that is searched."""


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
    with clip_errors(), source.open(files.clip.key) as file:
        parts = [text.encode() for text in origin] + [file.read(HEAD_BYTES)]
        if files.clip.size > HEAD_BYTES:  # where videos may hold their texts
            file.seek(max(HEAD_BYTES, files.clip.size - HEAD_BYTES))
            parts.append(file.read(HEAD_BYTES))
    told = b"\n".join(parts).lower()
    for mark in MARKS:
        if mark.lower().encode() in told:
            raise ClipError(
                f"the file says that a model made its frames ({mark!r}): synthetic frames are no "
                "exam, take them out"
            )
