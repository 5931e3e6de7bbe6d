"""Keeps a few processes running: starts them in order, restarts those that die, stops them all."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lusgan_ops.up.home import UpError
from lusgan_ops.up.processes import MARK, SERVICE, end, marked

POLL_S = 0.25
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 1.0, 30.0
STEADY_S = 60.0
"""Running time after which a process counts as healthy, and its next restart is not delayed."""


LONGEST_LOG = 20_000_000
"""Size that a log may reach, bytes; then its first half is deleted."""


@dataclass(frozen=True)
class Service:
    """A process to keep running."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables in addition to this process's own."""
    without: Sequence[str] = ()
    """Variables of this process that it does not get."""
    folder: Path | None = None
    ready: Callable[[], bool] | None = None
    """Whether it answers; called until it does. None: it is not waited for."""
    ready_within_s: float = 120.0
    grace_s: float = 10.0
    """Seconds between the request to end and the kill."""


@dataclass
class _Child:
    service: Service
    process: subprocess.Popen[bytes]
    started: float
    backoff_s: float = FIRST_BACKOFF_S
    due: float | None = None
    """Time (monotonic) of its next start; None while it runs."""


class Supervisor:
    """Processes under watch. Their output goes to ``logs/NAME.log``."""

    def __init__(self, logs: Path, mark: str, say: Callable[[str], None]) -> None:
        self.logs, self.mark, self.say = logs, mark, say
        self.stop_asked = threading.Event()
        self._children: list[_Child] = []

    def start(self, service: Service) -> None:
        """Start a process and wait until it answers.

        Raises:
            UpError: It ends, or does not answer in time.
            KeyboardInterrupt: A stop was asked for meanwhile.
        """
        child = _Child(service, self._spawn(service), time.monotonic())
        self._children.append(child)
        if service.ready is None:
            return
        until = child.started + service.ready_within_s
        while not service.ready():
            ended = child.process.poll()
            if ended is not None or time.monotonic() > until:
                how = "does not answer" if ended is None else f"ended with code {ended}"
                raise UpError(
                    f"{service.name} {how}; the end of {self._log(service)} says: "
                    f"{last_line(self._log(service))}"
                )
            if self.stop_asked.wait(POLL_S):
                raise KeyboardInterrupt

    def watch(self) -> None:
        """Restart every process that dies, until ``stop_asked`` is set; keep logs short."""
        while not self.stop_asked.wait(POLL_S):
            for child in self._children:
                self._look_at(child)
                shorten(self._log(child.service))

    def _look_at(self, child: _Child) -> None:
        now, name = time.monotonic(), child.service.name
        if child.due is None:
            code = child.process.poll()
            if code is None:
                return
            if now - child.started > STEADY_S:
                child.backoff_s = FIRST_BACKOFF_S
            self.say(f"{name} ended (code {code}); starting it again in {child.backoff_s:g} s")
            child.due = now + child.backoff_s
            child.backoff_s = min(2 * child.backoff_s, LONGEST_BACKOFF_S)
        elif now >= child.due:
            child.process, child.started, child.due = self._spawn(child.service), now, None

    def stop(self) -> None:
        """End all processes and their children, the last one first."""
        while self._children:
            child = self._children.pop()
            name = child.service.name
            self.say(f"stopping {name}")
            end(
                {child.process.pid} | marked(self.mark, name),
                child.service.grace_s,
            )
            child.process.wait()

    def _spawn(self, service: Service) -> subprocess.Popen[bytes]:
        """Start a process out of reach of the terminal's Ctrl-C: processes are stopped in order."""
        marks = {MARK: self.mark, SERVICE: service.name}
        own = {name: value for name, value in os.environ.items() if name not in service.without}
        with self._log(service).open("ab") as log:
            return subprocess.Popen(
                list(service.command),
                cwd=service.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**own, **service.env, **marks},
                start_new_session=True,
            )

    def _log(self, service: Service) -> Path:
        return self.logs / f"{service.name}.log"


def shorten(log: Path) -> None:
    """Cut a log that has become too long to its last lines, in place: its writer appends."""
    if log.stat().st_size <= LONGEST_LOG:
        return
    with log.open("r+b") as stream:
        stream.seek(-LONGEST_LOG // 2, os.SEEK_END)
        stream.readline()  # the rest of a line
        kept = stream.read()
        stream.seek(0)
        stream.truncate()
        stream.write(kept)


def last_line(log: Path) -> str:
    """The last line of a log that is not empty."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "nothing")
