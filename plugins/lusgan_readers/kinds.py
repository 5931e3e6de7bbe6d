"""Which files may be videos or DICOM objects, by their names."""

from __future__ import annotations

import re

from lusgan_core.api import SourceStat

VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mpeg", ".mpg", ".wmv", ".mkv", ".webm")
PICTURES = (".gif",)
"""Suffixes of files that are clips if a table names them, and no concern of ours otherwise."""
DICOM = (".dcm", ".dicom", ".ima")
_SUFFIX = re.compile(r"\.[a-z][a-z0-9]{0,5}", re.IGNORECASE)


def may_be_video(stat: SourceStat) -> bool:
    """Whether it has the suffix of a video."""
    return stat.name.lower().endswith((*VIDEOS, *PICTURES))


def may_be_dicom(stat: SourceStat) -> bool:
    """Whether it has the suffix of a DICOM object or none; UIDs hold dots themselves."""
    name = stat.name.lower()
    found = _SUFFIX.search(name, name.rfind(".")) if "." in name else None
    return name.endswith(DICOM) or found is None
