"""Tells whether a process of this machine has ended."""

from __future__ import annotations

import psutil


def has_ended(process: psutil.Process) -> bool:
    """Whether a process has ended, though it may be in the process table yet.

    A zombie has ended, but for one of which only the first thread has: its others hold files and
    ports yet.

    Raises:
        psutil.NoSuchProcess: It is gone.
        psutil.AccessDenied: It is another user's, and the system does not tell.
    """
    return process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1
