"""A bucket's requests: reading, asking for sizes and listing, with errors a person can read.

The store writes through it as well; an exam source only reads.

When a connection breaks amid the headers of an answer, Python's http.client accepts the headers
that arrived. What is needed of an answer is therefore asked for by name, and the request repeated
where it is absent: an empty listing has to say that it is complete.
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
"""Requests made until an answer arrives whole."""


class Bucket:
    """The part of a bucket below an address's prefix. Raises ConfigError for a bad address."""

    def __init__(self, address: S3Address) -> None:
        self.address = address
        self.client = connect(address)
        self.place = f"{address.place} (at {endpoint_of(self.client)})"

    def call(self, operation: str, key: str, **arguments: Any) -> Any:
        """Make a request about one object; errors of botocore are raised as they are.

        Args:
            operation: Name of the client's method, e.g. ``head_object``.
            key: Key of the object below the address's prefix.
            arguments: Further arguments of that method.

        Returns:
            The answer, as botocore parses it.
        """
        return self._call(operation, Key=self.address.name(key), **arguments)

    def _call(self, operation: str, **arguments: Any) -> Any:
        """Make a request; repeat it where the answer is cut off and botocore cannot parse it."""
        method = getattr(self.client, operation)
        for tried in range(TRIES):
            try:
                return method(Bucket=self.address.bucket, **arguments)
            except (HTTPError, ValueError):  # amid an error's text; amid a date
                pause(tried)
        raise ConnectionClosedError(endpoint_url=endpoint_of(self.client))

    def read(self, operation: str, key: str, what: str, **arguments: Any) -> Answer:
        """Make a request that reads one object or its metadata.

        Args:
            operation: ``head_object`` or ``get_object``.
            key: Key of the object below the address's prefix.
            what: What messages call the object; must not name a patient.
            arguments: Further arguments of the request, e.g. ``Range``.

        Returns:
            The answer, with ``ContentLength`` (bytes) and ``ETag`` for certain.

        Raises:
            MissingArtifactError: The object does not exist.
            StoreError: The request failed.
        """
        with request("read", what, self.place):
            return self.whole(
                lambda: self.call(operation, key, **arguments), "ContentLength", "ETag"
            )

    def whole(self, ask: Callable[[], Answer], *needed: str) -> Answer:
        """Make a request, and repeat it while its answer lacks a required field.

        Args:
            ask: Makes the request; what it raises is passed on.
            needed: Names of the required fields.

        Returns:
            The first complete answer.

        Raises:
            ConnectionClosedError: No answer was complete after ``TRIES`` requests.
        """
        for tried in range(TRIES):
            answer = ask()
            # an ETag is in quotes, unless it was cut off
            if all(n in answer for n in needed) and str(answer.get("ETag", '"')).endswith('"'):
                return answer
            pause(tried)
        raise ConnectionClosedError(endpoint_url=endpoint_of(self.client))

    def open(self, key: str, what: str, *, at_once: bool = False) -> BinaryIO:
        """Open an object for reading, as a buffered and seekable stream.

        Args:
            key: Key of the object below the address's prefix.
            what: What messages call the object; must not name a patient.
            at_once: Whether the first request reads the content from the beginning on. Otherwise it
                asks for the size alone, and content is requested by the first read.

        Returns:
            The stream; reading from it raises StoreError too.

        Raises:
            MissingArtifactError: The object does not exist.
            StoreError: The request failed.
        """
        answer = self.read("get_object" if at_once else "head_object", key, what)

        def get(first: int, last: int, etag: str) -> Answer:
            pinned = {"IfMatch": etag} if etag else {}
            return self.read("get_object", key, what, Range=f"bytes={first}-{last}", **pinned)

        return io.BufferedReader(S3Stream(get, answer, what, self.place), BUFFER_BYTES)

    def pages(
        self, prefix: str, what: str, *, delimiter: str = "", size: int = 1000
    ) -> Iterator[Answer]:
        """List the objects whose keys begin with a prefix, page by page.

        Args:
            prefix: Beginning of the keys, below the address's prefix.
            what: What messages call the listed objects; must not name a patient.
            delimiter: ``/`` to get folders in place of what is in them; empty to get all objects.
            size: Most objects on a page, 1 to 1,000.

        Yields:
            The server's answers to ``list_objects_v2``.

        Raises:
            StoreError: The request failed.
        """
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
        """Make sure that the bucket exists and may be listed; raises StoreError."""
        next(self.pages("", what, size=1))

    def has_versions(self) -> bool:
        """Whether versioning is on or was: old versions then remain when an object is deleted.

        False where the question is not answered: it takes a permission, and some servers do not
        know it.
        """
        try:
            return bool(self._call("get_bucket_versioning").get("Status"))
        except FAILURES as error:
            logging.getLogger(__name__).debug("versions cannot be asked for", exc_info=error)
            return False

    def fail(self, error: Exception, doing: Doing, what: str) -> None:
        """Raise the StoreError for an error of ``call``; see ``errors.explain``.

        Args:
            error: What ``call`` raised.
            doing: What was attempted, as a participle.
            what: What messages call the object; must not name a patient.

        Raises:
            StoreError: Always.
        """
        explain(error, doing, what, self.place)
