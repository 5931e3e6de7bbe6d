"""Finds and ends processes by a mark in their environment, which all their children inherit.

A worker starts each flow run in a session of its own, where no signal to the worker's group would
reach it, and a process that was killed leaves its children behind. The mark finds both.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress

import psutil

from lusgan_core.processes import has_ended

MARK, SERVICE = "LUSGAN_UP", "LUSGAN_SERVICE"
"""Environment variables: the ``Home.mark`` of a process's folder, and the service it is of."""


def marked(mark: str, service: str | None = None) -> set[int]:
    """Find the processes that carry a mark; this process is not counted.

    Args:
        mark: The mark of a folder, as ``Home.mark``.
        service: Name of a service; empty for processes of none, None for all.

    Returns:
        Process ids. Processes of other users are never found.
    """
    found = set()
    for process in psutil.process_iter(["environ"]):  # None for other users' processes
        environment = process.info["environ"] or {}
        if environment.get(MARK) == mark and service in (None, environment.get(SERVICE, "")):
            found.add(process.pid)
    return found - {os.getpid()}


def end(processes: Iterable[int], grace_s: float) -> None:
    """Ask processes to end, and kill those that are still there after a grace period.

    Args:
        processes: Process ids; those that do not exist are ignored.
        grace_s: Seconds between the request (SIGTERM) and the kill.
    """
    left = []
    for number in processes:
        with suppress(psutil.NoSuchProcess):
            left.append(psutil.Process(number))
    for signal, wait_s in (("terminate", grace_s), ("kill", 5.0)):
        for process in left:
            with suppress(psutil.Error):
                getattr(process, signal)()
        until = time.monotonic() + wait_s
        while left and time.monotonic() < until:  # psutil.wait_procs would wait for zombies
            left = [process for process in left if alive(process.pid)]
            time.sleep(0.05)


def alive(process: int) -> bool:
    """Whether a process exists and has not ended; another user's counts as alive."""
    try:
        return not has_ended(psutil.Process(process))
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
