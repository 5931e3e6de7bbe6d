"""How fast a training goes, and how long it will take."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

TIMED = 3
"""Iterations after which the first estimate is told; the first of them, a warm-up, is not timed."""


@dataclass
class Pace:
    """Times the iterations of this process."""

    first: int
    """Iterations done before."""
    iterations: int
    """Of the whole training."""
    _started: float = field(default_factory=time.monotonic)
    _warm: float = 0.0
    """When the first iteration was done."""

    def worth_telling(self, done: int) -> bool:
        """Note that an iteration is done; whether the first estimate can be told now."""
        if done == self.first + 1:
            self._warm = time.monotonic()
        return done == self.first + TIMED

    def note(self, done: int) -> str:
        """Rate and time left, for people; empty before anything was timed."""
        timed = done - self.first - 1
        if timed < 1:
            return ""
        rate = timed / max(time.monotonic() - self._warm, 1e-9)
        unit = f"{rate:.1f} it/s" if rate >= 1 else f"{1 / rate:.1f} s/it"
        return f"{unit}, {duration((self.iterations - done) / rate)} left"

    @property
    def seconds(self) -> float:
        """Seconds since this process began to train."""
        return time.monotonic() - self._started


def duration(seconds: float) -> str:
    """Write a time as people say it: ``40 s``, ``7 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
