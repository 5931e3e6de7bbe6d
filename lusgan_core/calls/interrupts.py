"""Asks a training to stop between two steps: on Ctrl-C, on SIGTERM, or by ``StopFlag.request``."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopFlag:
    """A request to stop, set once and read between steps; safe to set from another thread."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def request(self) -> None:
        """Ask for a stop."""
        self._event.set()

    @property
    def requested(self) -> bool:
        """Whether a stop was asked for."""
        return self._event.is_set()


@contextmanager
def stop_on_signals(flag: StopFlag | None = None) -> Iterator[StopFlag]:
    """Turn the first SIGINT or SIGTERM into a request for the length of a block.

    A second signal goes to the handler that was installed before. Outside the main thread signals
    cannot be caught, and the flag is only set by ``request``.

    Args:
        flag: The flag to set; None makes a new one.

    Yields:
        The flag.
    """
    flag = flag or StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(number, before[signal.Signals(number)])
        flag.request()

    for number in before:
        signal.signal(number, handle)
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
