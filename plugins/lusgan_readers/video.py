"""Finds videos that a table of labels names; see ``labels``."""

from __future__ import annotations

from collections.abc import Iterator

from lusgan_core.api import Belonging, ClipError, FoundClip, Listing, Refused, SourceStat
from lusgan_readers.labels import NO_LABELS, Found, LabelOptions, Tables, code, labels_of

SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mpeg", ".mpg", ".wmv", ".mkv", ".webm")
PICTURES = (".gif",)
"""Suffixes of files that are clips if a table names them, and no concern of ours otherwise."""
EXPECTED = "videos (mp4, avi, mov, mpeg, gif) with a table of labels: a CSV file naming them"


class VideoOptions(LabelOptions):
    """Where labels of videos are, and whose count."""


def find(listing: Listing, options: VideoOptions) -> Iterator[FoundClip | Refused | Belonging]:
    """Find the videos of all exams.

    Args:
        listing: All objects of the source, of which CSV files are read.
        options: Where labels are.

    Yields:
        Clips, videos without labels (but for those beside .mat clips, which are copies of them),
        and tables.
    """
    tables = Tables(listing, options)
    copies = {_folder(s) for s in listing.objects if s.name.lower().endswith(".mat")}
    found: list[tuple[SourceStat, Found]] = []
    for stat in listing.objects:
        name = stat.name.lower()
        if stat.is_unicode and name.endswith((*SUFFIXES, *PICTURES)):
            rows = tables.rows(stat.key)
            if rows or not (name.endswith(PICTURES) or _folder(stat) in copies):
                found.append((stat, rows))
    for stat, rows in found:
        yield _sorted(stat, rows, tables)
    yield from tables.findings((*SUFFIXES, *PICTURES))


def _sorted(stat: SourceStat, rows: Found, tables: Tables) -> FoundClip | Refused:
    if not rows:
        return Refused(stat, NO_LABELS)
    if tables.shared(rows):
        return Refused(stat, "its row of the table of labels fits several files: write their paths")
    try:
        labels = labels_of(rows, stat.key)
    except ClipError as error:
        return Refused(stat, str(error))
    return FoundClip(
        labels.patient, labels.exam, stat, labels.number, facts=labels.facts,
        name=f"video_{labels.area or 'area_unknown'}_{code('file', stat.key)[:8]}",
    )  # fmt: skip


def _folder(stat: SourceStat) -> str:
    return stat.key.rpartition("/")[0]
