"""Names plugins on stderr that are slow to load, or hang.

Slow is what computes for long. A plugin that waits, for a processor on a busy machine or for a
network, is named when it takes very long, but not called slow.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

SLOW_S = 5.0
"""Seconds of the processor's time in loading, after which a plugin is named."""
HANGS_S = 60.0
"""Seconds of loading, however they are spent, after which it is named as well."""
POLL_S = 0.1
"""Time between two looks at how long a plugin takes."""


@contextmanager
def slowness_told(plugin: str) -> Iterator[list[str]]:
    """Watch a block in which a plugin is loaded, and name the plugin on stderr if it takes long.

    Args:
        plugin: Its name, for people; empty to watch nothing.

    Yields:
        A list that says, once the block has ended, that it was slow; else it stays empty.
    """
    told: list[str] = []
    if not plugin:
        yield told
        return
    ended, computed = threading.Event(), _computing_time()
    watch = (plugin, ended, computed)
    threading.Thread(target=_watch, args=watch, name="plugin-watch", daemon=True).start()
    try:
        yield told
    finally:
        ended.set()
        if (took := computed()) > SLOW_S:
            told.append(f"takes {took:.0f} s of the processor's time to load")


def _computing_time() -> Callable[[], float]:
    """How long this thread computes from now on, seconds; other threads may ask."""
    now: Callable[[], float] = time.process_time  # where others cannot read a thread's clock
    if hasattr(time, "pthread_getcpuclockid"):
        now = partial(time.clock_gettime, time.pthread_getcpuclockid(threading.get_ident()))
    began = now()
    return lambda: now() - began


def _watch(plugin: str, ended: threading.Event, computed: Callable[[], float]) -> None:
    began = time.monotonic()
    with suppress(OSError, ValueError, AttributeError):  # no stderr, or the thread has ended
        while not ended.wait(POLL_S):
            if computed() > SLOW_S:
                takes = f"takes more than {SLOW_S:g} s of the processor's time"
            elif time.monotonic() - began > HANGS_S:
                takes = f"has not ended after {HANGS_S:g} s"
            else:
                continue
            sys.stderr.write(
                f"lusgan: loading the plugin {plugin} {takes}; "
                "LUSGAN_PLUGINS chooses which plugins are loaded\n"
            )
            sys.stderr.flush()
            return
