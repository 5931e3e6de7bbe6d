"""Exams in a bucket: listed page by page and streamed, so that nothing is copied to this machine.

A clip that is read from beginning to end is one request; see ``lusgan_core.store.s3.stream``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from lusgan_core.errors import ExamError, StoreError
from lusgan_core.store.s3 import Bucket, S3Address
from lusgan_core.store.s3.listing import flat
from lusgan_core.store.source import SourceStat


class S3ExamSource:
    """The exams below ``s3://bucket/prefix?options``; see ``ExamSource``.

    Raises ConfigError for a bad address; nothing is requested before the bucket is listed.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._bucket = Bucket(S3Address.parse(uri))

    def objects(self) -> Iterator[SourceStat]:
        """List every object below the prefix; raises ExamError."""
        try:
            for entry in flat(self._bucket, "", "the exams"):
                yield SourceStat(
                    entry.key, entry.size, entry.etag.strip('"'), changed=entry.changed
                )
        except StoreError as error:
            raise ExamError(str(error)) from None

    def open(self, key: str) -> BinaryIO:
        """Open an object for reading.

        Raises StoreError, here and while reading, whose text calls the object "the file": its key
        would name a patient.
        """
        return self._bucket.open(key, "the file")
