"""Finds videos that a table of labels names; see ``labels``."""

from __future__ import annotations

from collections.abc import Iterator

from lusgan_core.api import Belonging, ClipError, FoundClip, Listing, Refused, SourceStat
from lusgan_readers.kinds import PICTURES, VIDEOS, may_be_dicom, may_be_video
from lusgan_readers.labels import NO_LABELS, Found, LabelOptions, Tables, code, labels_of

EXPECTED = "videos (mp4, avi, mov, mpeg, gif) with a table of labels: a CSV file naming them"


class VideoOptions(LabelOptions):
    """Where labels of videos are, and whose count."""


def find(listing: Listing, options: VideoOptions) -> Iterator[FoundClip | Refused | Belonging]:
    """Find the videos of all exams.

    Args:
        listing: All objects of the source, of which CSV files are read.
        options: Where labels are.

    Yields:
        Clips, videos without labels (but for those beside .mat clips, which are copies of them:
        hospitals export both), and tables.
    """
    mats = [stat.key.lower() for stat in listing.objects if stat.name.lower().endswith(".mat")]
    copied, with_mats = {key[:-4] for key in mats}, {key.rpartition("/")[0] for key in mats}
    videos = [
        (stat, stat.key.lower())
        for stat in listing.objects
        if stat.is_unicode
        and may_be_video(stat)
        and stat.key.lower().rpartition(".")[0] not in copied
    ]
    if not videos:
        return
    tables = Tables(listing, options)
    found: list[tuple[SourceStat, Found]] = []
    for stat, key in videos:
        rows = tables.rows(stat.key)
        if rows or not (key.endswith(PICTURES) or key.rpartition("/")[0] in with_mats):
            found.append((stat, rows))
    for stat, rows in found:
        yield _clip(stat, rows, tables)
    alone = not any(map(may_be_dicom, listing.objects))
    yield from tables.findings((*VIDEOS, *PICTURES), alone)


def _clip(stat: SourceStat, rows: Found, tables: Tables) -> FoundClip | Refused:
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
