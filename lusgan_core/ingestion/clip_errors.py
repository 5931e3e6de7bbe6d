"""Decides whether a file that cannot be read rejects its clip or ends the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lusgan_core.errors import ClipError
from lusgan_core.store.source import is_outage, outage, reason


@contextmanager
def clip_errors() -> Iterator[None]:
    """Turn a failure to read one file into a ClipError that names no file.

    Raises:
        ClipError: The file cannot be read, or does not fit into memory.
        ExamError: Disk, network or store failed, rather than the file.
    """
    try:
        yield
    except OSError as error:
        if is_outage(error):
            raise outage(error) from None
        # from None: the original error spells out the path, and with it the patient
        raise ClipError(f"cannot be read: {reason(error)}") from None
    except MemoryError as error:
        raise ClipError("too large for the memory of this machine") from error
