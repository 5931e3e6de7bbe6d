"""Exams: found in a source, inspected, and read as streams of frames.

Start with ``discover`` (which exams are there), then ``inspect`` (what is in one), then ``clip``
(its frames); ``mat_v5`` and ``mat_v73`` know the formats.
"""

from lusgan_core.exams.clip import ClipReader, open_clip, verify_clip
from lusgan_core.exams.discover import Discovery, discover
from lusgan_core.exams.inspect import inspect_exam
from lusgan_core.exams.masks import read_mask
from lusgan_core.exams.scores import read_scores
from lusgan_core.exams.source import ExamSource, FolderSource, SourceStat, open_source

__all__ = [
    "ClipReader",
    "Discovery",
    "ExamSource",
    "FolderSource",
    "SourceStat",
    "discover",
    "inspect_exam",
    "open_clip",
    "open_source",
    "read_mask",
    "read_scores",
    "verify_clip",
]
