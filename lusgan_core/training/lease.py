"""A lease on a model's folder: one training at a time, and no lock left behind by a crash.

The lease is an object in the store that names its holder, who counts up a number in it while
training goes on. It is void when an observer has seen that number stand still for a while *by the
observer's own clock*, or when its holder is a process of this very machine that no longer runs: the
clocks of two machines are never compared. A holder whose void lease was taken over by another
process (after a laptop slept, say) notices at its next renewal, and leaves the lease alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import psutil

from lusgan_core.errors import AlreadyExistsError, LeaseError, MissingArtifactError
from lusgan_core.processes import has_ended
from lusgan_core.store import Store

TTL_S = 180.0
"""Seconds after which a lease is void whose number has not changed."""
RENEW_S = 20.0
START_TOLERANCE = 200
"""Hundredths of a second; a system tells the time of its boot in seconds, give or take one."""
SETTLE_S = 0.2
"""Seconds to wait after taking a void lease over, before checking that nobody else did so too."""


_STANDING: dict[tuple[str, str], tuple[str, float]] = {}
"""(Store, key) of each lease that this process has found held -> what it said, and since when it
says so, by ``time.monotonic``."""


def _space() -> str:
    """The PID namespace of this process, empty if unknown; each container of a host has its own.

    Linux alone has them, and psutil does not tell them.
    """
    with contextlib.suppress(OSError):
        return os.readlink("/proc/self/ns/pid")
    return ""


def _started(pid: int) -> int | None:
    """When a process started, in hundredths of a second since boot; None if it runs no more.

    Counted from the boot, so that it stays the same when the clock is set.
    """
    try:
        found = psutil.Process(pid)
        if has_ended(found):
            return None
        return round(100 * (found.create_time() - psutil.boot_time()))
    except (psutil.NoSuchProcess, ValueError, OverflowError):  # no such number can be
        return None


def _runs(held: dict[str, Any]) -> bool:
    """Whether the holder, a process of this machine, still runs.

    A process that has its number, but started at another time, is not the holder.
    """
    started = _started(int(held.get("pid", 0)))
    return started is not None and abs(started - int(held.get("started") or 0)) <= START_TOLERANCE


def _read(store: Store, key: str) -> dict[str, Any] | None:
    """The holder of a lease; None if there is none, empty if the object is none of a training's."""
    try:
        held = json.loads(store.get(key))
    except MissingArtifactError:
        return None
    except ValueError:
        return {}
    kinds: dict[str, Any] = {
        "host": str,
        "space": str,
        "pid": int,
        "started": (str, int),
        "token": str,
    }
    if not isinstance(held, dict) or any(
        name in held and not isinstance(held[name], kind) for name, kind in kinds.items()
    ):
        return {}
    return held if held.get("token") and str(held.get("started", "0")).isdigit() else {}


def _ended(held: dict[str, Any]) -> bool:
    """Whether the holder is known to have ended: a process of this machine, or nobody at all."""
    here = (held.get("host"), held.get("space")) == (socket.gethostname(), _space())
    return not held or (here and not _runs(held))


def stood_still(store: Store, key: str, held: dict[str, Any]) -> float:
    """Note what a lease says, and tell for how long it has said so to this process, seconds.

    Leases of earlier versions hold the time of their renewal in place of a number: it changes, too.

    Args:
        store: Store with the lease.
        key: Its key.
        held: What it says.

    Returns:
        Seconds by this process's own clock; 0 where it says something new.
    """
    said = json.dumps([held.get("token"), held.get("beat"), held.get("renewed")])
    before, since = _STANDING.get((store.uri, key), ("", 0.0))
    if said != before:
        since = time.monotonic()
        _STANDING[store.uri, key] = said, since
    return time.monotonic() - since


def is_held(store: Store, key: str) -> bool:
    """Whether a lease counts, as far as this process can know.

    A lease of another machine counts until this process has seen it stand still for ``TTL_S``
    seconds, so it has to be asked about more than once.

    Args:
        store: Store with the lease.
        key: Its key.

    Returns:
        False if there is none, if its holder has ended, or if it was not renewed.
    """
    held = _read(store, key)
    if held is None or _ended(held):
        return False
    return stood_still(store, key, held) < TTL_S


@dataclass
class Lease:
    """Holds ``key`` in the store for the length of a ``with`` block.

    Raises LeaseError, naming the holder, if another process holds it.
    """

    store: Store
    key: str
    _renewed: float = field(default=0.0, init=False)
    _beat: int = field(default=0, init=False)
    _token: str = field(default_factory=lambda: uuid.uuid4().hex, init=False)

    def _mine(self) -> bytes:
        pid = os.getpid()
        holder = {
            "host": socket.gethostname(),
            "space": _space(),
            "pid": pid,
            "started": str(_started(pid)),
            "beat": self._beat,
            "token": self._token,
        }
        return json.dumps(holder).encode()

    def __enter__(self) -> Lease:
        """Take the lease."""
        for _ in range(5):
            try:
                self.store.put(self.key, self._mine(), if_absent=True)
            except AlreadyExistsError:
                held = _read(self.store, self.key)
                if held is None:
                    continue  # released in the meantime
                self._refuse_if_held(held)
                self.store.put(self.key, self._mine())
                time.sleep(SETTLE_S)  # others may take it, too: the last to write has it
                self._refuse_if_lost()
            self._renewed = time.monotonic()
            return self
        raise LeaseError(f"{self.key} changes hands too fast; try again")

    def __exit__(self, *_: object) -> None:
        """Give the lease back, unless it was lost."""
        held = _read(self.store, self.key)
        if held and held.get("token") == self._token:
            self.store.delete(self.key)

    def renew(self) -> None:
        """Renew the lease if it is due; cheap enough to be called in every iteration.

        Raises LeaseError if another process has taken the lease over.
        """
        if time.monotonic() - self._renewed > RENEW_S:
            self._refuse_if_lost()
            self._beat += 1
            self.store.put(self.key, self._mine())
            self._renewed = time.monotonic()

    def _refuse_if_held(self, held: dict[str, Any]) -> None:
        if _ended(held):
            return
        still = stood_still(self.store, self.key, held)
        if still < TTL_S:
            raise LeaseError(
                f"this model is being trained by process {held.get('pid')} on {held.get('host')} "
                f"(seen still for {still:.0f} s; after {TTL_S:.0f} s it is taken for gone): wait "
                "for it, or stop it and run the same command again"
            )

    def _refuse_if_lost(self) -> None:
        held = _read(self.store, self.key)
        if held and held.get("token") != self._token:
            raise LeaseError(
                f"process {held.get('pid')} on {held.get('host')} has taken this training over: "
                "let it go on, it has all that was saved"
            )
