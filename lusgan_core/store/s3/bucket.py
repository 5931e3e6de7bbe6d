"""A bucket's requests: reading, looking and listing, with errors a person can read.

The store writes through it as well; an exam source only reads.

A line that breaks amid the headers of an answer leaves Python's http.client content with those that
came. What is needed of an answer is therefore asked for by name, and the request made again where
it is absent: an empty listing has to be one that says so.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from botocore.exceptions import ConnectionClosedError
from urllib3.exceptions import HTTPError

from lusgan_core.store.s3.address import S3Address
from lusgan_core.store.s3.client import connect, endpoint_of
from lusgan_core.store.s3.errors import FAILURES, Doing, explain, pause, request
from lusgan_core.store.s3.stream import BUFFER_BYTES, S3Stream

Answer = Mapping[str, Any]

TRIES = 6
"""For an answer that came whole."""


class Bucket:
    """The part of a bucket below an address's prefix. Raises ConfigError for a bad address."""

    def __init__(self, address: S3Address) -> None:
        self.address = address
        self.client = connect(address)
        self.place = f"{address.place} (at {endpoint_of(self.client)})"

    def call(self, operation: str, key: str, **arguments: Any) -> Any:
        """Make a request about one object, and raise what botocore raises."""
        return self._call(operation, Key=self.address.name(key), **arguments)

    def _call(self, operation: str, **arguments: Any) -> Any:
        """Make a request, again where an answer is cut off and botocore trips over it."""
        method = getattr(self.client, operation)
        for tried in range(TRIES):
            try:
                return method(Bucket=self.address.bucket, **arguments)
            except (HTTPError, ValueError):  # amid an error's text; amid a date
                pause(tried)
        raise ConnectionClosedError(endpoint_url=endpoint_of(self.client))

    def read(self, operation: str, key: str, what: str, **arguments: Any) -> Answer:
        """Make a reading request (``head_object`` or ``get_object``) about one object.

        Raises StoreError, MissingArtifactError where the object is not there; the text calls the
        object ``what``.
        """
        with request("read", what, self.place):
            return self.whole(
                lambda: self.call(operation, key, **arguments), "ContentLength", "ETag"
            )

    def whole(self, ask: Callable[[], Answer], *needed: str) -> Answer:
        """The answer to a request, made again while it lacks any of what is needed.

        Raises what botocore raises.
        """
        for tried in range(TRIES):
            answer = ask()
            # an ETag is in quotes, unless it was cut off
            if all(n in answer for n in needed) and str(answer.get("ETag", '"')).endswith('"'):
                return answer
            pause(tried)
        raise ConnectionClosedError(endpoint_url=endpoint_of(self.client))

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
        arguments = {"Prefix": self.address.name(prefix), "MaxKeys": size}
        if delimiter:
            arguments["Delimiter"] = delimiter
        more = True
        while more:
            with request("listed", what, self.place):
                page = self.whole(lambda: self._call("list_objects_v2", **arguments), "IsTruncated")
                more = bool(page["IsTruncated"])
                if more:
                    arguments["ContinuationToken"] = page["NextContinuationToken"]
            yield page

    def check(self, what: str) -> None:
        """Make sure that the bucket is there and may be listed; raises StoreError."""
        next(self.pages("", what, size=1))

    def has_versions(self) -> bool:
        """Whether it has, or had, versions: those made then stay when an object is deleted.

        False where the question is not answered: not everybody may ask it, nor any server knows it.
        """
        try:
            return bool(self._call("get_bucket_versioning").get("Status"))
        except FAILURES as error:
            logging.getLogger(__name__).debug("versions cannot be asked for", exc_info=error)
            return False

    def fail(self, error: Exception, doing: Doing, what: str) -> None:
        """Raise the StoreError for an error of ``call``."""
        explain(error, doing, what, self.place)
