"""A store in memory, for suites that write many small files."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lusgan_core.errors import AlreadyExistsError
from lusgan_core.store.base import Store, StoredObject, check_key, missing


class MemoryStore(Store):
    """Objects in a dictionary."""

    def __init__(self) -> None:
        self.uri = "memory"
        self.objects: dict[str, bytes] = {}

    def put(self, key: str, data: bytes | Path, *, if_absent: bool = False) -> None:
        """See Store.put."""
        if if_absent and key in self.objects:
            raise AlreadyExistsError(f"{key} exists")
        self.objects[check_key(key)] = data if isinstance(data, bytes) else data.read_bytes()

    def get(self, key: str) -> bytes:
        """See Store.get."""
        if key not in self.objects:
            raise missing(key, self.uri)
        return self.objects[key]

    def open(self, key: str) -> BinaryIO:
        """See Store.open."""
        return io.BytesIO(self.get(key))

    def size(self, key: str) -> int | None:
        """See Store.size."""
        return len(self.objects[key]) if key in self.objects else None

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """See Store.list."""
        for key in sorted(self.objects):
            if key.startswith(prefix):
                yield StoredObject(key=key, size=len(self.objects[key]))

    def delete(self, key: str) -> None:
        """See Store.delete."""
        self.objects.pop(key, None)

    @contextmanager
    def local_copy(self, key: str) -> Iterator[Path]:
        """See Store.local_copy."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "copy"
            path.write_bytes(self.get(key))
            yield path
