"""A store in a folder.

An object is written beside its place under a temporary name, flushed to disk, and moved there in
one step; with ``if_absent`` it is linked there instead, which fails if the name is taken.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO

from lusgan_core.errors import AlreadyExistsError, StoreError
from lusgan_core.store.base import Store, StoredObject, check_key, missing

PARTIAL = ".partial-"
"""Start of the name of a file that is still being written."""


class LocalStore(Store):
    """A folder; made if it is not there. Raises StoreError where it cannot be written."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.uri = str(self.root)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root, prefix=PARTIAL):
                pass
        except OSError as error:
            raise StoreError(
                f"the store {self.root} cannot be written: {error.strerror}; "
                "name another folder with --store"
            ) from error

    def put(self, key: str, data: bytes | Path, *, if_absent: bool = False) -> None:
        """See Store.put."""
        target = self._path(key)
        partial: Path | None = None
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=PARTIAL)
            partial = Path(name)
            with os.fdopen(descriptor, "wb") as stream:
                if isinstance(data, Path):
                    with data.open("rb") as source:
                        shutil.copyfileobj(source, stream, 1 << 20)
                else:
                    stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
                os.fchmod(stream.fileno(), 0o666 & ~_umask())
            if if_absent:
                os.link(partial, target)
            else:
                partial.replace(target)
                partial = None
        except FileExistsError as error:
            raise AlreadyExistsError(f"{key} is already in the store {self.uri}") from error
        except OSError as error:
            raise _write_error(key, self.uri, error) from error
        finally:
            if partial is not None:
                with contextlib.suppress(OSError):
                    partial.unlink(missing_ok=True)

    def get(self, key: str) -> bytes:
        """See Store.get."""
        with self.open(key) as stream:
            return stream.read()

    def open(self, key: str) -> BinaryIO:
        """See Store.open."""
        try:
            return self._path(key).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise missing(key, self.uri) from error
        except OSError as error:
            raise StoreError(f"{key} in {self.uri} cannot be read: {error.strerror}") from error

    def exists(self, key: str) -> bool:
        """See Store.exists."""
        return self._path(key).is_file()

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """See Store.list."""
        folder, _, start = prefix.rpartition("/")
        top = self._path(folder) if folder else self.root
        yield from self._walk(top, f"{folder}/" if folder else "", start)

    def _walk(self, folder: Path, above: str, start: str) -> Iterator[StoredObject]:
        try:
            entries = sorted(
                os.scandir(folder), key=lambda e: e.name + "/" * e.is_dir(follow_symlinks=False)
            )
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            if not entry.name.startswith(start) or entry.name.startswith(PARTIAL):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(Path(entry.path), f"{above}{entry.name}/", "")
            elif entry.is_file():
                yield StoredObject(key=above + entry.name, size=entry.stat().st_size)

    def delete(self, key: str) -> None:
        """See Store.delete; folders left empty go too."""
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
            for parent in path.parents:
                if parent == self.root:
                    break
                parent.rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.ENOTDIR):
                raise _write_error(key, self.uri, error) from error

    @contextmanager
    def local_copy(self, key: str) -> Iterator[Path]:
        """See Store.local_copy; here it is the object itself, not a copy."""
        path = self._path(key)
        if not path.is_file():
            raise missing(key, self.uri)
        yield path

    def path(self, key: str) -> Path:
        """Where an object lies or would lie, for showing to people."""
        return self._path(key)

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)


@cache
def _umask() -> int:
    """The process's umask; asking for it means setting it, so it is asked for once."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write_error(key: str, uri: str, error: OSError) -> StoreError:
    what = f"{key} cannot be written to {uri}: {error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what += "; free some space and run the same command again: what is finished is kept"
    return StoreError(what)
