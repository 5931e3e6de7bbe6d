"""The contract of a store: methods over keys that a person can read.

A key is a path with forward slashes. An object appears whole or not at all; a conditional put
(``if_absent``) is won by exactly one writer. Data is written first and its manifest last, so a
reader that finds a manifest finds all that it names.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import BinaryIO

from lusgan_core.domain import Record
from lusgan_core.errors import AlreadyExistsError, MissingArtifactError, StoreError

CODED = ("exams", "shards", "features")
"""First parts of keys whose next parts are codes of patient and exam."""

ASIDE = "damaged/"
"""Below it, under its own key, lies what was found damaged."""
COPY = ".copy"
"""End of the key of the second copy of a record that nothing else could replace."""

PROBE = "lusgan-was-here"
"""Start of the key that is written and deleted to see what a store promises."""


class StoredObject(Record):
    """An object as a listing gives it: its key and its size in bytes."""

    key: str
    size: int


class Store(ABC):
    """Artifacts in a folder or in S3-compatible storage."""

    uri: str

    @abstractmethod
    def put(self, key: str, data: bytes | Path, *, if_absent: bool = False) -> None:
        """Write an object whole; nothing half-written is left where that fails.

        Args:
            key: Key of the object; one that exists is replaced, unless ``if_absent``.
            data: The content, or a local file with the content, which stays where it is.
            if_absent: Whether to write only if the key is free. Of several writers exactly one
                wins.

        Raises:
            AlreadyExistsError: The key is taken, and ``if_absent``.
            StoreError: The object cannot be written.
        """

    @abstractmethod
    def get(self, key: str) -> bytes:
        """The whole object; raises MissingArtifactError."""

    @abstractmethod
    def open(self, key: str) -> BinaryIO:
        """A seekable stream over the object; raises MissingArtifactError."""

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Size of the object in bytes; None where it does not exist."""

    def exists(self, key: str) -> bool:
        """Whether the object exists."""
        return self.size(key) is not None

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Objects whose key starts with the prefix, sorted by key, in bounded memory."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove an object; it is no error where it does not exist."""

    @abstractmethod
    def local_copy(self, key: str) -> AbstractContextManager[Path]:
        """A local file with the object's content, for reading, for the length of a block."""

    def keeps_deleted(self) -> bool:
        """Whether deleted objects stay readable as old versions; false where that is unknown."""
        return False


KEEPS_DELETED = (
    "the store's bucket keeps old versions, so what was deleted can still be read: unless it has "
    "one, give it a lifecycle rule that deletes noncurrent versions"
)
"""The warning where something must be gone for good and the store ``keeps_deleted``."""


def check_writable(store: Store) -> None:
    """Write, read, list and delete a small object, to see that a store keeps its promises.

    Of two conditional writes of one key the second has to fail, or two runs would hold one lease;
    a listing has to show what was written, or a run would not find what it has made.

    Args:
        store: The store.

    Raises:
        StoreError: The store cannot be written, or breaks a promise; the text says what to do.
    """
    key, content = f"{PROBE}-{uuid.uuid4().hex[:8]}", b"lusgan"
    try:
        store.put(key, content, if_absent=True)
        try:
            store.put(key, content[::-1], if_absent=True)
        except AlreadyExistsError:
            pass
        else:
            raise StoreError(
                f"the store {store.uri} lets two writers win: it ignores If-None-Match, by which "
                "a model has one training at a time; update the server, or use another one"
            )
        broken = "gives something else back than was written"
        if store.get(key) == content:
            broken = "does not list what was just written"
            if key in (item.key for item in store.list(key)):
                return
        raise StoreError(f"the store {store.uri} {broken}: use one that is strongly consistent")
    finally:
        with suppress(StoreError):
            store.delete(key)


def check_key(key: str) -> str:
    """Return the key if it is valid: relative, without empty, ``.`` or ``..`` parts, printable.

    Raises StoreError otherwise.
    """
    parts = key.split("/")
    if any(p in ("", ".", "..") for p in parts) or not key.isprintable() or "\\" in key:
        raise StoreError(f"{shown(key)!r} is not a key: expected parts joined by single slashes")
    return key


def key_part(name: str) -> str:
    """Make one part of a key from any name: characters that no key may hold become ``%XX``."""

    def spelt(sign: str) -> str:
        if sign.isprintable() and sign not in "\\/%":
            return sign
        return "".join(f"%{byte:02X}" for byte in sign.encode())

    part = "".join(map(spelt, name))
    return f"%2E{part[1:]}" if part.startswith(".") else part


def shown(key: str) -> str:
    """A key as it is shown in messages: without the codes of patients that some keys hold."""
    top, _, rest = key.removeprefix(ASIDE).partition("/")
    return f"an object of {top}/" if top in CODED and "/" in rest else key


def missing(key: str, uri: str) -> MissingArtifactError:
    """Make the error for an object that does not exist.

    Args:
        key: Key of the object; codes of patients in it are not shown.
        uri: Address of the store.

    Returns:
        The error, to raise.
    """
    return MissingArtifactError(f"{shown(key)} is not in the store {uri}: was it deleted by hand?")
