"""Finds ultrasound images and cines among DICOM objects, wherever they lie.

Patient and exam are codes made of the tags Patient ID and Study Instance UID; a table of labels may
name others, see ``labels``. Objects are recognised by the letters ``DICM`` behind their preamble,
in files called ``.dcm``, ``.dicom`` or ``.ima``, or without a suffix. Their tags are read by
pydicom, which comes with ``lusgan[dicom]``.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from lusgan_core.api import Belonging, ClipError, FoundClip, Listing, Refused, SourceStat
from lusgan_readers.kinds import DICOM, may_be_dicom, may_be_video
from lusgan_readers.labels import NO_LABELS, Found, LabelOptions, Tables, code, labels_of

EXPECTED = "DICOM ultrasound objects (with lusgan[dicom]) with a table of labels"
INSTALL = "pip install 'lusgan[dicom]'"
NO_PREAMBLE = "no DICOM object, for all its name: expected the letters DICM behind 128 bytes"
DIRECTORY = "1.2.840.10008.1.3.10"
VOLUME = "1.2.840.10008.5.1.4.1.1.6.2"
"""SOP classes: a directory of other objects; an enhanced ultrasound volume."""
TAGS = (
    "SOPClassUID", "SOPInstanceUID", "Modality", "PatientID", "StudyInstanceUID", "Rows", "Columns",
    "SeriesDescription",
)  # fmt: skip
_AREA = re.compile(r"[LR]?\d{1,2}", re.IGNORECASE)


class DicomOptions(LabelOptions):
    """Where labels of DICOM objects are, and whose count."""


def find(listing: Listing, options: DicomOptions) -> Iterator[FoundClip | Refused | Belonging]:
    """Find the ultrasound objects of all exams.

    Args:
        listing: All objects of the source; the tags of DICOM objects are read once.
        options: Where labels are.

    Yields:
        Clips; DICOM objects that cannot be used; and tables.
    """
    objects: list[tuple[SourceStat, dict[str, Any]]] = []
    for stat in listing.objects:
        if not stat.is_unicode or not may_be_dicom(stat):
            continue
        named = stat.name.lower().endswith(DICOM)
        try:
            if not listing.head(stat, is_dicom):
                if named:
                    yield Refused(stat, NO_PREAMBLE)
            elif not pydicom_is_there():
                yield Refused(stat, f"a DICOM object, which lusgan reads by pydicom: {INSTALL}")
            else:
                objects.append((stat, listing.head(stat, read_tags)))
        except ClipError as error:
            if named:
                yield Refused(stat, str(error))
    if objects:
        alone = not any(map(may_be_video, listing.objects))
        yield from _sort(objects, Tables(listing, options), alone)


def _sort(
    objects: list[tuple[SourceStat, dict[str, Any]]], tables: Tables, alone: bool
) -> Iterator[FoundClip | Refused | Belonging]:
    """Tell clips from objects that are none, and give them their labels."""
    found: list[tuple[SourceStat, dict[str, Any], Found]] = []
    for stat, tags in objects:
        rows = tables.rows(stat.key, tags["object"], tags["patient"], tags["area"])
        if tags["class"] == DIRECTORY:
            yield Belonging(stat)
        elif tags["problem"]:
            yield Refused(stat, tags["problem"], tags["patient"], tags["exam"], tags["image"])
        else:
            found.append((stat, tags, rows))
    first: dict[str, str] = {}
    for stat, tags, rows in found:
        if first.setdefault(tags["object"], stat.key) != stat.key:
            why = "another file is the same object (SOP Instance UID): one of them is read"
            yield Refused(stat, why, tags["patient"], tags["exam"], is_clip=False)
        else:
            yield _clip(stat, tags, rows, tables)
    yield from tables.findings(DICOM, alone)


def is_dicom(file: BinaryIO) -> bool:
    """Whether an open file begins as a DICOM object does."""
    return file.read(132)[128:] == b"DICM"


def pydicom_is_there() -> bool:
    """Whether pydicom is installed; it is not loaded yet."""
    try:
        return importlib.util.find_spec("pydicom") is not None
    except (ImportError, ValueError):
        return False


def read_tags(file: BinaryIO) -> dict[str, Any]:
    """Read what tells the clip, its patient and its exam.

    Args:
        file: The object, open.

    Returns:
        JSON: the SOP ``class``; codes of ``object``, ``patient`` and ``exam`` (empty if unknown),
        made of what the tags hold; ``area``, where the series is called by it; ``image``, whether
        there are pixels; and ``problem``, why it is no clip.

    Raises:
        ClipError: The tags cannot be read.
    """
    from lusgan_readers.dicom_tags import read_header, text

    tags = read_header(file, TAGS)
    series, modality = text(tags, "SeriesDescription"), text(tags, "Modality")
    image = bool(tags.get("Rows")) and bool(tags.get("Columns"))
    problem = ""
    if not image:
        problem = "a DICOM object without an image"
    elif modality != "US":
        told = modality if re.fullmatch(r"[A-Z]{2,8}", modality) else "unknown"
        problem = f"a DICOM image of modality {told}: expected US"
    elif text(tags, "SOPClassUID") == VOLUME:
        problem = "an enhanced ultrasound volume: expected frames of a plane"
    codes = {
        name: code(name, text(tags, tag)) if text(tags, tag) else ""
        for name, tag in (
            ("object", "SOPInstanceUID"), ("patient", "PatientID"), ("exam", "StudyInstanceUID"),
        )
    }  # fmt: skip
    return codes | {
        "class": text(tags, "SOPClassUID"),
        "area": series.upper() if _AREA.fullmatch(series) else "",
        "image": image,
        "problem": problem,
    }


def _clip(
    stat: SourceStat, tags: dict[str, Any], rows: Found, tables: Tables
) -> FoundClip | Refused:
    why = ""
    if not rows:
        why = NO_LABELS
    elif tables.shared(rows):
        why = "its row of the table of labels fits several objects: name them by SOPInstanceUID"
    else:
        try:
            labels = labels_of(rows, stat.key, tags["patient"], tags["exam"])
        except ClipError as error:
            why = str(error)
    if why:
        return Refused(stat, why, tags["patient"], tags["exam"])
    facts = dict(labels.facts)
    if tags["area"]:
        facts.setdefault("area", tags["area"])
    return FoundClip(
        labels.patient, labels.exam, stat, labels.number, facts=facts,
        name=f"us_{tags['object'][:8] or code('file', stat.key)[:8]}",
    )  # fmt: skip
