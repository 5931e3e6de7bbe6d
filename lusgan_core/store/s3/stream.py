"""Reads an object as a file: one GET request for as long as it is read sequentially.

- Sequential reading is one request, however long the object; when the connection breaks, reading
  goes on in a new one from the byte where it stopped.
- After a jump a small window is requested first, since HDF5 often needs no more; reading on beyond
  it requests the rest at once. Short jumps forward are read through.
- Every request is pinned to the version first seen (its ETag): if the object is replaced meanwhile,
  that is an error, never a mixture.
- Where the object carries its sha256 (all that the store writes do), it is checked when reading has
  gone from the first byte to the last.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lusgan_core.store.s3.errors import BROKE_OFF, BROKEN, CHANGED, failure, pause

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BUFFER_BYTES = 256 << 10
"""Bytes read from the connection at a time, and requested after a jump."""
SKIP_BYTES = 2 << 20
"""A jump forward up to this is read through: cheaper than a new connection."""
TRIES = 6
"""Connections in a row that may break without giving a byte."""

Answer = Mapping[str, Any]
Get = Callable[[int, int, str], Answer]
"""GET of the bytes from the first to the last, both included, of the version with that ETag."""


class S3Stream(io.RawIOBase):
    """The bytes of one version of an object. To be wrapped in a BufferedReader."""

    def __init__(self, get: Get, answer: Answer, what: str, place: str) -> None:
        """Begin at the first byte of one version of an object.

        Args:
            get: Requests a range of bytes of that version.
            answer: The answer to a HEAD of the object, or to a GET, whose body is then read first.
            what: What messages call the object; must not name a patient.
            place: Bucket, prefix and endpoint, as messages give them.
        """
        self._get, self._what, self._place = get, what, place
        self._size = int(answer["ContentLength"])
        self._etag = str(answer["ETag"])
        self._sha256 = ""
        self._hash, self._hashed = hashlib.sha256(), 0
        self._position = 0
        self._body: Any = answer.get("Body")
        self._at, self._end = 0, self._size if self._body else 0  # bytes that the body still gives
        if self._body:
            self._take_checksum(answer)

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Position of the next byte to be read."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position; nothing is requested before the next read.

        Args:
            offset: Bytes from where ``whence`` says.
            whence: ``os.SEEK_SET`` (the beginning), ``os.SEEK_CUR`` (here) or ``os.SEEK_END``.

        Returns:
            The new position, in bytes from the beginning; it may lie beyond the end.

        Raises:
            ValueError: The position would be negative.
        """
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative position {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer as far as one connection gives; returns the number of bytes read.

        Raises:
            StoreError: Reading failed, the object has changed, or its checksum does not fit.
        """
        target = memoryview(buffer).cast("B")
        count = min(len(target), self._size - self._position)
        if count <= 0:
            return 0
        data = self._next(count)
        target[: len(data)] = data
        self._verify(data)
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        """Close the connection."""
        self._drop()
        super().close()

    def _next(self, count: int) -> bytes:
        """Read 1 to ``count`` bytes at the position, over as many connections as it takes."""
        for tried in range(TRIES):
            try:
                if not self._approach():
                    self._request()
                data: bytes = self._body.read(min(count, self._end - self._at))
                if data:
                    self._at += len(data)
                    if self._at == self._end:
                        self._body.read(1)  # sees the end, which gives the connection back
                        self._drop()
                    return data
            except BROKEN as error:
                logging.getLogger(__name__).debug("reading broke off", exc_info=error)
            self._drop()
            pause(tried)
        raise failure(f"{self._what} in {self._place} cannot be read: {BROKE_OFF}")

    def _approach(self) -> bool:
        """Read the open body forward to the position, if that is near enough."""
        gap = self._position - self._at
        if self._body is None or not (0 <= gap <= SKIP_BYTES and self._position < self._end):
            return False
        while self._at < self._position:
            data = self._body.read(min(BUFFER_BYTES, self._position - self._at))
            if not data:
                return False
            self._verify(data, self._at)
            self._at += len(data)
        return True

    def _request(self) -> None:
        """Request what begins at the position: all the rest, or a window after a jump."""
        jumped = self._position != self._at
        end = min(self._size, self._position + BUFFER_BYTES) if jumped else self._size
        self._drop()
        answer = self._get(self._position, end - 1, self._etag)
        self._body, self._at, self._end = answer["Body"], self._position, end
        if answer["ETag"] != self._etag:  # a server that knows no If-Match
            raise failure(f"{self._what} in {self._place} cannot be read: {CHANGED}")
        wanted = f"bytes {self._position}-{end - 1}/{self._size}"
        if answer.get("ContentRange") != wanted:
            raise failure(
                f"{self._what} in {self._place} cannot be read: the answer is not the part that "
                "was asked for; run the same command again, and check any proxy in between"
            )
        self._take_checksum(answer)

    def _take_checksum(self, answer: Answer) -> None:
        """Note the content's sha256; a HEAD's is not trusted, for it may be cut off."""
        self._sha256 = self._sha256 or answer.get("Metadata", {}).get("sha256", "")

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def _verify(self, data: bytes, at: int | None = None) -> None:
        """Hash what continues the bytes hashed so far; raises StoreError for a wrong checksum."""
        at = self._position if at is None else at
        if not at <= self._hashed < at + len(data) or not self._sha256:
            return
        self._hash.update(memoryview(data)[self._hashed - at :])
        self._hashed = at + len(data)
        if self._hashed == self._size and self._hash.hexdigest() != self._sha256:
            raise failure(
                f"{self._what} in {self._place} is damaged: its content does not fit its checksum; "
                "delete it and run the same command again"
            )
