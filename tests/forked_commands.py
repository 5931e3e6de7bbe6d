"""Runs one command of lusgan many times, each in a process of its own with other distributions.

The processes are forked from one that has imported the command line and Rich, but looked for no
plugin, so that each costs a fraction of what starting Python does::

    python forked_commands.py SITES ARGUMENT ...

Every folder in SITES is put on the path of one process, which runs ``lusgan ARGUMENT ...``; what it
prints goes to the files ``stdout`` and ``stderr`` in that folder, its exit code to ``code``.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import rich.table  # noqa: F401

import lusgan_cli
import lusgan_cli.plugins
import lusgan_core.registry  # noqa: F401

LIMIT_S = 120
"""Seconds after which a process is killed."""


def run_here(site: Path, arguments: list[str]) -> None:
    """Run the command in this process, which ends with it."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(site / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, number)
        os.close(file)
    sys.path.insert(0, str(site))
    sys.argv = ["lusgan", *arguments]
    lusgan_cli.main()


def wait(child: int, site: Path) -> None:
    """Wait for a process, and leave its exit code; one that does not end is killed."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            (site / "code").write_text(str(os.waitstatus_to_exitcode(status)))
            return
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    (site / "code").write_text("it did not end")


def main(sites: Path, arguments: list[str]) -> None:
    """Fork a process for each folder, one after the other."""
    for site in sorted(sites.iterdir()):
        child = os.fork()
        if not child:
            run_here(site, arguments)
            return
        wait(child, site)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
