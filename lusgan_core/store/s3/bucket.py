"""A bucket's requests: reading, looking and listing, with errors a person can read.

The store writes through it as well; an exam source only reads.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from lusgan_core.store.s3.address import S3Address
from lusgan_core.store.s3.client import connect, endpoint_of
from lusgan_core.store.s3.errors import Doing, explain, request
from lusgan_core.store.s3.stream import BUFFER_BYTES, S3Stream

Answer = Mapping[str, Any]


class Bucket:
    """The part of a bucket below an address's prefix. Raises ConfigError for a bad address."""

    def __init__(self, address: S3Address) -> None:
        self.address = address
        self.client = connect(address)
        self.place = f"{address.place} (at {endpoint_of(self.client)})"

    def call(self, operation: str, key: str, **arguments: Any) -> Any:
        """Make a request about one object, and raise what botocore raises."""
        method = getattr(self.client, operation)
        return method(Bucket=self.address.bucket, Key=self.address.name(key), **arguments)

    def read(self, operation: str, key: str, what: str, **arguments: Any) -> Answer:
        """Make a reading request (``head_object`` or ``get_object``) about one object.

        Raises StoreError, MissingArtifactError where the object is not there; the text calls the
        object ``what``.
        """
        with request("read", what, self.place):
            answer: Answer = self.call(operation, key, **arguments)
            return answer

    def open(self, key: str, what: str, *, at_once: bool = False) -> BinaryIO:
        """A buffered, seekable stream over an object; ``at_once`` begins reading it right away.

        Raises StoreError and MissingArtifactError, here and while reading.
        """
        answer = self.read("get_object" if at_once else "head_object", key, what)

        def get(first: int, last: int, etag: str) -> Answer:
            pinned = {"IfMatch": etag} if etag else {}
            return self.read("get_object", key, what, Range=f"bytes={first}-{last}", **pinned)

        return io.BufferedReader(S3Stream(get, answer, what, self.place), BUFFER_BYTES)

    def pages(
        self, prefix: str, what: str, *, delimiter: str = "", size: int = 1000
    ) -> Iterator[Answer]:
        """Answers of the server that together list what begins with a prefix; raises StoreError."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.address.bucket,
            Prefix=self.address.name(prefix),
            PaginationConfig={"PageSize": size},
            **({"Delimiter": delimiter} if delimiter else {}),
        )
        with request("listed", what, self.place):
            yield from pages

    def check(self, what: str) -> None:
        """Make sure that the bucket is there and may be listed; raises StoreError."""
        with request("listed", what, self.place):
            self.client.list_objects_v2(
                Bucket=self.address.bucket, Prefix=self.address.name(""), MaxKeys=1
            )

    def fail(self, error: Exception, doing: Doing, what: str) -> None:
        """Raise the StoreError for an error of ``call``."""
        explain(error, doing, what, self.place)
