"""Finds and ends processes by a mark in their environment, which all their children inherit.

A worker starts each flow run in a session of its own, where no signal to the worker's group would
reach it; and whoever was killed leaves its children behind. A mark finds both. It is read from
``/proc``; where there is none (macOS), only processes that were started here are known.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

MARK, SERVICE = "LUSGAN_UP", "LUSGAN_SERVICE"
"""Variables: which folder's ``lusgan up`` started a process, and as which service."""


def marked(mark: str, service: str | None = None) -> set[int]:
    """Processes that carry the mark (of one service, or of any); this one is not counted."""
    wanted = {f"{MARK}={mark}".encode()}
    if service is not None:
        wanted.add(f"{SERVICE}={service}".encode())
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone meanwhile, or somebody else's
            if wanted <= set((folder / "environ").read_bytes().split(b"\0")):
                found.add(int(folder.name))
    return found - {os.getpid()}


def end(processes: Iterable[int], grace_s: float) -> None:
    """Ask processes to end, and kill those that are still there after the grace period."""
    left = set(processes)
    for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
        for process in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, number)
        until = time.monotonic() + wait_s
        while left and time.monotonic() < until:
            left = {process for process in left if alive(process)}
            time.sleep(0.05)


def alive(process: int) -> bool:
    """Whether a process is there and has not ended (a zombie has)."""
    try:
        os.kill(process, 0)
        stat = Path(f"/proc/{process}/stat")
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
    except PermissionError:
        return True
