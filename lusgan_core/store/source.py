"""Where exams come from: anything that lists objects and opens them for reading.

The rest of ``lusgan_core.ingestion`` sees a source through ``ExamSource`` alone and never builds a
path, so that a bucket can take the place of a folder. Keys are relative to the source and use
forward slashes; what a key means (patient, exam, clip) is decided by readers.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote

from lusgan_core.clips import SourceStat
from lusgan_core.errors import ConfigError, ExamError, StoreError, UnreadableError

__all__ = [
    "ExamSource",
    "FolderSource",
    "SourceStat",
    "is_outage",
    "named",
    "open_source",
    "outage",
    "reason",
]

MAX_DEPTH = 8
"""Folders nested deeper than this are not listed; an exam's files are two folders deep.

The limit also ends trees of symbolic links that fan out without being loops.
"""


OUTAGES = frozenset(
    {
        errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.ECONNRESET,
        errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH,
        errno.EMFILE, errno.ENFILE, errno.ENODEV, errno.ENXIO,
    }
)  # fmt: skip
"""Errors of a disk, a network or this machine, rather than of one file."""
GONE = frozenset({errno.ENOENT, errno.ENOTDIR})
"""Errors that an unplugged disk gives for a file that was listed a moment ago."""


class ExamSource(Protocol):
    """A tree of exam files, in a folder or a bucket."""

    uri: str
    """Names the source; ``open_source(uri)`` opens it again."""

    def objects(self) -> Iterator[SourceStat]:
        """List every object, in no particular order and in bounded memory.

        Raises ExamError where the source itself is missing or unreadable.
        """
        ...

    def open(self, key: str) -> BinaryIO:
        """Open an object for reading: buffered, seekable, to be closed by the caller.

        Raises OSError where it is gone or unreadable.
        """
        ...


class FolderSource:
    """A folder. Symbolic links are followed, except back into a folder that holds them."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser().absolute()
        self.uri = str(self.path)

    def objects(self) -> Iterator[SourceStat]:
        """List every file below the folder.

        Raises ExamError where it is missing or unreadable, or the disk or network fails meanwhile.
        """
        try:
            status = self.path.stat()
            if not stat.S_ISDIR(status.st_mode):
                raise ExamError(f"{self.uri} is not a folder: name the folder that holds the exams")
            os.scandir(self.path).close()
        except OSError as error:
            raise ExamError(
                f"the exam folder {self.uri} cannot be read: {reason(error)}; check the path"
            ) from error
        yield from _walk(str(self.path), "", ((status.st_dev, status.st_ino),))

    def open(self, key: str) -> BinaryIO:
        """Open a file below the folder for reading; raises OSError."""
        if key.startswith("/") or ".." in key.split("/"):
            raise OSError("the key leaves the exam folder")
        return open(self.path / key, "rb")


def _walk(folder: str, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[SourceStat]:
    """List a folder. ``above`` holds (device, inode) of it and of its parents, to detect loops."""
    try:
        with os.scandir(folder) as listed:
            entries = list(listed)  # at once: reading on may fail as well
    except OSError as error:
        if error.errno in OUTAGES:
            raise outage(error) from None
        yield SourceStat(prefix, 0, "", f"the folder cannot be read: {reason(error)}")
        return
    for entry in entries:
        key = prefix + entry.name
        try:
            status = entry.stat()
        except OSError as error:
            if error.errno in OUTAGES:  # not GONE: a broken link may be meant to stay
                raise outage(error) from None
            yield SourceStat(key, 0, "", f"cannot be read: {reason(error)}")
            continue
        if stat.S_ISDIR(status.st_mode):
            identity = (status.st_dev, status.st_ino)
            if identity not in above and len(above) <= MAX_DEPTH:
                yield from _walk(entry.path, f"{key}/", (*above, identity))
        elif stat.S_ISREG(status.st_mode):
            # a copy may keep the time of its original, but not when the file itself changed
            changed = max(status.st_mtime, status.st_ctime)
            yield SourceStat(key, status.st_size, str(status.st_mtime_ns), changed=changed)
        else:  # opening a pipe would wait for ever
            yield SourceStat(key, 0, "", "cannot be read: not a regular file")


def open_source(uri: str | Path) -> ExamSource:
    """The source at an address: a folder (path or ``file://``), or ``s3://bucket/prefix``.

    Nothing is read yet: a missing folder is noticed when it is listed. Raises ConfigError for an
    address of another kind.
    """
    text = str(uri)
    if isinstance(uri, Path) or "://" not in text:
        return FolderSource(uri)
    scheme, rest = text.split("://", 1)
    if scheme == "file":
        return FolderSource(unquote(rest.removeprefix("localhost")))
    if scheme == "s3":
        from lusgan_core.store.s3.source import S3ExamSource  # boto3 takes its time to import

        return S3ExamSource(text)
    raise ConfigError(
        f"exam sources of the kind {scheme}:// are unknown: give a folder's path or s3://..."
    )


def reason(error: OSError) -> str:
    """Describe an error without the path that Python adds, which would name a patient."""
    if isinstance(error, StoreError):  # a bucket's, which names none and says more
        return str(error)
    return os.strerror(error.errno) if error.errno else "input/output error"


def is_outage(error: OSError) -> bool:
    """Whether reading a *listed* file failed through a fault of disk, network or store.

    Treated as a bad file, it would be rejected, and the rejection recorded. A file that has
    disappeared counts as an outage too: the next listing shows whether it was deleted.
    """
    return isinstance(error, StoreError) or error.errno in OUTAGES | GONE


def outage(error: OSError) -> ExamError:
    """Make the error that ends a run because disk, network or store failed.

    An UnreadableError where it may be one file's fault.
    """
    if isinstance(error, StoreError):
        return ExamError(str(error))
    text = (
        f"an exam cannot be read: {reason(error)}; what is finished is kept: run the same command "
        "again"
    )
    return UnreadableError(text, reason(error)) if error.errno == errno.EIO else ExamError(text)


@contextmanager
def named(*keys: str) -> Iterator[None]:
    """Say of an UnreadableError in the block that it is of these files."""
    try:
        yield
    except UnreadableError as error:
        raise (error if error.keys else error.of(keys)) from None
