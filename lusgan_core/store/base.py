"""The store's contract: six methods over keys that a person can read, and a question.

A key is a path with forward slashes. An object appears whole or not at all; a conditional put
(``if_absent``) is won by exactly one writer. Data goes first and its manifest last, so whoever
finds a manifest finds all it names.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from lusgan_core.domain import Record
from lusgan_core.errors import MissingArtifactError, StoreError

CODED = ("exams", "shards")
"""First parts of keys that go on with codes of patient and exam."""

PROBE = "lusgan-was-here"
"""Key that is written and deleted to see whether a store can be written."""


class StoredObject(Record):
    """What listing says of an object."""

    key: str
    size: int


class Store(ABC):
    """Artifacts in a folder or in S3-compatible storage."""

    uri: str

    @abstractmethod
    def put(self, key: str, data: bytes | Path, *, if_absent: bool = False) -> None:
        """Write an object whole, from bytes or from a local file (which stays where it is).

        Raises AlreadyExistsError with ``if_absent`` where the key is taken, StoreError where it
        cannot be written; nothing half-written is left in either case.
        """

    @abstractmethod
    def get(self, key: str) -> bytes:
        """The whole object; raises MissingArtifactError."""

    @abstractmethod
    def open(self, key: str) -> BinaryIO:
        """A seekable stream over the object; raises MissingArtifactError."""

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Bytes of the object; None where it is not there."""

    def exists(self, key: str) -> bool:
        """Whether the object is there."""
        return self.size(key) is not None

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Objects whose key starts with the prefix, sorted by key, in bounded memory."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""

    @abstractmethod
    def local_copy(self, key: str) -> AbstractContextManager[Path]:
        """A local file with the object's content, to read, for the length of a block."""

    def keeps_deleted(self) -> bool:
        """Whether old versions of what is deleted stay; false where that cannot be found out."""
        return False


KEEPS_DELETED = (
    "the store's bucket keeps old versions, so what was deleted can still be read: unless it has "
    "one, give it a lifecycle rule that deletes noncurrent versions"
)
"""What to say where something has to be gone and ``keeps_deleted``."""


def check_writable(store: Store) -> None:
    """Write and delete a small object. Raises StoreError, which says what to do."""
    store.put(PROBE, b"")
    store.delete(PROBE)


def check_key(key: str) -> str:
    """Return the key if it is one: relative, no empty, ``.`` or ``..`` part, no control character.

    Raises StoreError otherwise.
    """
    parts = key.split("/")
    if any(p in ("", ".", "..") for p in parts) or not key.isprintable() or "\\" in key:
        raise StoreError(f"{shown(key)!r} is not a key: expected parts joined by single slashes")
    return key


def key_part(name: str) -> str:
    """A name from outside as one part of a key: what no key may hold is written ``%XX``."""

    def spelt(sign: str) -> str:
        if sign.isprintable() and sign not in "\\/%":
            return sign
        return "".join(f"%{byte:02X}" for byte in sign.encode())

    part = "".join(map(spelt, name))
    return f"%2E{part[1:]}" if part.startswith(".") else part


def shown(key: str) -> str:
    """A key as messages give it: without the codes of patients that some keys hold."""
    top = key.partition("/")[0]
    return f"an object of {top}/" if top in CODED else key


def missing(key: str, uri: str) -> MissingArtifactError:
    """The error for a key that is not there."""
    return MissingArtifactError(f"{shown(key)} is not in the store {uri}: was it deleted by hand?")
