"""A lease on a model's folder: one training at a time, and no lock left behind by a crash.

The lease is an object in the store that names its holder and is renewed while training goes on.
It is void when it has not been renewed for a while, or when its holder is a process of this very
machine that no longer runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from dataclasses import dataclass, field

from lusgan_core.errors import AlreadyExistsError, LeaseError, MissingArtifactError
from lusgan_core.store import Store

TTL_S = 180.0
"""Seconds without renewal after which a lease is void."""
RENEW_S = 20.0


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _started(pid: int) -> str:
    """When a process started, in ticks since boot; tells a process from another of its number."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[19]
    return ""


@dataclass
class Lease:
    """Holds ``key`` in the store for the length of a ``with`` block.

    Raises LeaseError, naming the holder, where somebody else has it.
    """

    store: Store
    key: str
    _renewed: float = field(default=0.0, init=False)

    def _mine(self) -> dict[str, str | int | float]:
        pid = os.getpid()
        return {
            "host": socket.gethostname(),
            "pid": pid,
            "started": _started(pid),
            "renewed": time.time(),
        }

    def __enter__(self) -> Lease:
        """Take the lease."""
        for _ in range(5):
            try:
                self.store.put(self.key, json.dumps(self._mine()).encode(), if_absent=True)
            except AlreadyExistsError:
                self._remove_if_void()
                continue
            self._renewed = time.monotonic()
            return self
        raise LeaseError(f"{self.key} changes hands too fast; try again")

    def __exit__(self, *_: object) -> None:
        """Give the lease back."""
        self.store.delete(self.key)

    def renew(self) -> None:
        """Say that the holder is still at it; cheap, call it as often as you like."""
        if time.monotonic() - self._renewed > RENEW_S:
            self.store.put(self.key, json.dumps(self._mine()).encode())
            self._renewed = time.monotonic()

    def _remove_if_void(self) -> None:
        try:
            held = json.loads(self.store.get(self.key))
        except (MissingArtifactError, ValueError):
            held = {}
        age = time.time() - float(held.get("renewed", 0))
        here = held.get("host") == socket.gethostname()
        pid = int(held.get("pid", 0))
        gone = here and not (_alive(pid) and _started(pid) == held.get("started"))
        if not gone and age < TTL_S:
            raise LeaseError(
                f"this model is being trained by process {pid} on {held.get('host')} (seen "
                f"{age:.0f} s ago): wait for it, or stop it and run the same command again"
            )
        self.store.delete(self.key)
