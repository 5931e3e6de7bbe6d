"""A store in a folder.

An object is written beside its place under a temporary name, flushed to disk, and moved there in
one step; with ``if_absent`` it is linked there instead, which fails if the name is taken.

Keys name patients, so whatever the umask, folders and files are made for this user alone. The mode
of a folder that exists is left as it is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lusgan_core.errors import AlreadyExistsError, StoreError
from lusgan_core.store.base import Store, StoredObject, check_key, missing, shown

PARTIAL = ".partial-"
"""Start of the name of a file that is still being written."""
NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
"""Error numbers of a file that does not exist, or cannot exist under that name."""


class LocalStore(Store):
    """A folder, created if it does not exist. Raises StoreError where it cannot be written."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.uri = str(self.root)
        try:
            _make_folder(self.root)
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
            descriptor, partial = _open_partial(target.parent)
            with os.fdopen(descriptor, "wb") as stream:
                if isinstance(data, Path):
                    with data.open("rb") as source:
                        shutil.copyfileobj(source, stream, 1 << 20)
                else:
                    stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            if if_absent:
                _link(partial, target, key, self.uri)
            else:
                partial.replace(target)
                partial = None
        except StoreError:
            raise
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
        path = self._path(key)
        try:
            return path.open("rb")
        except OSError as error:
            if error.errno in (*NOT_THERE, errno.EISDIR):
                raise missing(key, self.uri) from error
            raise StoreError(
                f"{shown(key)} in {self.uri} cannot be read: {error.strerror}"
            ) from error

    def size(self, key: str) -> int | None:
        """See Store.size."""
        path = self._path(key)
        try:
            found = path.stat()
            return found.st_size if stat.S_ISREG(found.st_mode) else None
        except OSError as error:
            if error.errno in NOT_THERE:
                return None
            raise StoreError(
                f"{shown(key)} in {self.uri} cannot be read: {error.strerror}"
            ) from error

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """See Store.list."""
        folder, slash, start = prefix.rpartition("/")
        try:
            top = self._path(folder) if slash else self.root
        except StoreError:
            return  # no key starts like this
        yield from self._walk(top, folder + slash, start)

    def _walk(self, folder: Path, above: str, start: str) -> Iterator[StoredObject]:
        try:
            entries = sorted(
                os.scandir(folder), key=lambda e: e.name + "/" * e.is_dir(follow_symlinks=False)
            )
        except OSError as error:
            if error.errno in NOT_THERE:
                return
            what = f"{shown(above)} in {self.uri} cannot be listed: {error.strerror}"
            raise StoreError(what) from error
        for entry in entries:
            if not entry.name.startswith(start) or entry.name.startswith(PARTIAL):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(Path(entry.path), f"{above}{entry.name}/", "")
            elif entry.is_file():
                try:
                    size = entry.stat().st_size
                except FileNotFoundError:  # deleted meanwhile
                    continue
                yield StoredObject(key=above + entry.name, size=size)

    def delete(self, key: str) -> None:
        """See Store.delete; folders that become empty are removed too."""
        path = self._path(key)
        try:
            path.unlink()
        except OSError as error:
            if error.errno in (*NOT_THERE, errno.EISDIR, errno.EPERM) and not self.exists(key):
                return
            what = f"{shown(key)} cannot be deleted from {self.uri}: {error.strerror}"
            raise StoreError(what) from error
        with contextlib.suppress(OSError):  # the first that is not empty ends it
            for parent in path.parents[: len(path.relative_to(self.root).parts) - 1]:
                parent.rmdir()

    @contextmanager
    def local_copy(self, key: str) -> Iterator[Path]:
        """See Store.local_copy; the file is the object itself, not a copy."""
        if not self.exists(key):
            raise missing(key, self.uri)
        yield self._path(key)

    def path(self, key: str) -> Path:
        """Path where an object is or would be, for showing to people."""
        return self._path(key)

    def _path(self, key: str) -> Path:
        if f"/{PARTIAL}" in f"/{key}":
            raise StoreError(
                f"{shown(key)!r} is not a key: {PARTIAL} begins the names of unfinished files"
            )
        return self.root / check_key(key)


def _open_partial(folder: Path) -> tuple[int, Path]:
    """Open a new unfinished file in a folder for writing; the folder is created where necessary."""
    for _ in range(20):
        try:
            descriptor, name = tempfile.mkstemp(dir=folder, prefix=PARTIAL)  # its mode is 0600
            return descriptor, Path(name)
        except (FileNotFoundError, FileExistsError) as error:
            last = error  # a delete may just have removed the empty folder
            with contextlib.suppress(FileExistsError, FileNotFoundError):
                _make_folder(folder)
    raise last


def _link(partial: Path, target: Path, key: str, uri: str) -> None:
    """Move a finished file to its place, unless the place is taken."""
    try:
        os.link(partial, target)
    except FileExistsError as error:
        raise AlreadyExistsError(f"{shown(key)} is already in the store {uri}") from error
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
            raise StoreError(
                f"{shown(key)} cannot be written to {uri}: its file system has no hard links; "
                "name a folder on another one with --store"
            ) from error
        raise


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, as far as they are missing, for this user alone."""
    for missing_one in reversed([f for f in (folder, *folder.parents) if not f.is_dir()]):
        missing_one.mkdir(mode=0o700, exist_ok=True)  # parents=True would not pass the mode on


def _write_error(key: str, uri: str, error: OSError) -> StoreError:
    what = f"{shown(key)} cannot be written to {uri}: {error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        what += "; free some space and run the same command again: what is finished is kept"
    return StoreError(what)
