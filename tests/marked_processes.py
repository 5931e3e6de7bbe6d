"""Finds the processes that a test has started, and those that these have started."""

from __future__ import annotations

import os
from pathlib import Path


def processes_of(mark: str) -> list[int]:
    """Processes that were started with a word in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                words = (folder / "environ").read_bytes()
            except OSError:
                continue
            if mark.encode() in words:
                found.append(int(folder.name))
    return found
