"""A store in S3; see ``lusgan_core.store.base`` for what it promises.

S3 itself shows an object whole or not at all, and lets one of several conditional writes win. What
remains is to make sure of it over a network that fails: every write and read is checked
(``upload``, ``stream``), and one that cannot be finished is a StoreError.

A process that is killed in a multipart upload leaves parts that are invisible but take up space:
let the bucket's lifecycle rule abort incomplete uploads after a day or so.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from lusgan_core.errors import MissingArtifactError, StoreError
from lusgan_core.store.base import Store, StoredObject, check_key, shown
from lusgan_core.store.s3.address import S3Address
from lusgan_core.store.s3.bucket import Bucket
from lusgan_core.store.s3.errors import request
from lusgan_core.store.s3.listing import ordered
from lusgan_core.store.s3.upload import upload


class S3Store(Store):
    """The store at ``s3://bucket/prefix?options`` (see ``address``); the bucket must exist.

    Raises ConfigError for a bad address, StoreError where the bucket cannot be listed.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.bucket = Bucket(S3Address.parse(uri))
        self.bucket.check("the store")

    def put(self, key: str, data: bytes | Path, *, if_absent: bool = False) -> None:
        """See Store.put."""
        check_key(key)
        try:
            upload(self.bucket, key, data, if_absent)
        except StoreError:
            raise
        except OSError as error:
            raise StoreError(
                f"{shown(key)} cannot be written to {self.bucket.place}: the local file cannot be "
                f"read: {error.strerror}"
            ) from None

    def get(self, key: str) -> bytes:
        """See Store.get."""
        with self.bucket.open(check_key(key), shown(key), at_once=True) as stream:
            return stream.read()

    def open(self, key: str) -> BinaryIO:
        """See Store.open; the checksum is verified if it is read from beginning to end."""
        return self.bucket.open(check_key(key), shown(key))

    def size(self, key: str) -> int | None:
        """See Store.size."""
        try:
            found = self.bucket.read("head_object", check_key(key), shown(key))
        except MissingArtifactError:
            return None
        return int(found["ContentLength"])

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """See Store.list."""
        for entry in ordered(self.bucket, prefix, "the store"):
            yield StoredObject(key=entry.key, size=entry.size)

    def delete(self, key: str) -> None:
        """See Store.delete; a bucket with versions keeps the old ones, hidden."""
        with request("deleted", shown(check_key(key)), self.bucket.place):
            self.bucket.call("delete_object", key)

    def keeps_deleted(self) -> bool:
        """See Store.keeps_deleted."""
        return self.bucket.has_versions()

    @contextmanager
    def local_copy(self, key: str) -> Iterator[Path]:
        """See Store.local_copy; a copy, verified, and deleted at the end of the block."""
        with tempfile.TemporaryDirectory(prefix="lusgan-") as folder:
            # not named after the key, which may hold a patient's code
            path = Path(folder, "object").with_suffix(PurePosixPath(key).suffix)
            with self.bucket.open(check_key(key), shown(key), at_once=True) as source:
                try:
                    with path.open("wb") as target:
                        shutil.copyfileobj(source, target, 1 << 20)
                except StoreError:
                    raise
                except OSError as error:
                    raise StoreError(
                        f"{shown(key)} cannot be copied from {self.bucket.place} to {folder}: "
                        f"{error.strerror}; free some space, or set TMPDIR"
                    ) from None
            yield path
