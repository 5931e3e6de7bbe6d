"""Finds what listens in a running stack, and sends an intruder there."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

NOBODY = 65534
"""Number of an account that owns nothing."""
LISTENING = "0A"
"""Its state in the system's table of sockets."""
INTRUDER = Path(__file__).parent / "intruder.py"


@dataclass(frozen=True)
class Plan:
    """What an intruder knows and tries; see ``intruder``."""

    places: list[tuple[str, Any]]
    """("tcp", (host, port)) or ("unix", path)."""
    paths: list[str]
    """Addresses to ask for over HTTP."""
    folder: str
    """Folder of the filer, and an object in it, for gRPC."""
    name: str
    headers: list[dict[str, str]] = field(default_factory=lambda: [{}])
    token: str = "lusgan:guessed"
    authority_pem: str = ""
    """The public certificate of the authority: what a client may know of a server."""
    authority: str = ""
    certificate: str = ""
    key: str = ""
    """With these it is no intruder, and must get in: the check of the check."""
    commands: list[tuple[list[str], str]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    account: int = 0
    """Number of the account that tries; 0 for this one."""


def attack(plan: Plan) -> list[dict[str, Any]]:
    """Carry a plan out; returns every answer."""
    done = subprocess.run(
        [sys.executable, str(INTRUDER)], input=json.dumps(vars(plan)), capture_output=True,
        text=True, timeout=600,
        env={k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PREFECT_"))},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return list(json.loads(done.stdout))


def listening(processes: set[int]) -> list[tuple[str, Any]]:
    """Read from the system's own table where processes listen, TCP and unix sockets alike."""
    owned = {inode for process in processes for inode in _sockets(process)}
    found: list[tuple[str, Any]] = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == LISTENING and words[9] in owned:
                place, _, port = words[1].rpartition(":")
                found.append(("tcp", (_address(place), int(port, 16))))
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        words = line.split()
        listens = int(words[3], 16) & 0x10000
        if len(words) > 7 and listens and words[6] in owned and not words[7].startswith("@"):
            found.append(("unix", words[7]))
    return sorted(set(found), key=str)


def _sockets(process: int) -> set[str]:
    found = set()
    for entry in Path(f"/proc/{process}/fd").glob("*"):
        try:
            target = os.readlink(entry)
        except OSError:
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


def _address(text: str) -> str:
    """An address of the table: words of four bytes, each in the machine's order."""
    raw = bytes.fromhex(text)
    turned = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    return str(ipaddress.ip_address(turned))


def is_of_this_machine_alone(place: tuple[str, Any]) -> bool:
    """Whether a place cannot be reached over a network."""
    kind, address = place
    return kind == "unix" or ipaddress.ip_address(address[0]).is_loopback


def of_stack(home: Path) -> set[int]:
    """Processes that a stack of the tests has started, itself included."""
    found = set()
    for process in psutil.process_iter(["environ"]):
        if (process.info["environ"] or {}).get("LUSGAN_HOME_OF_TEST") == str(home):
            found.add(process.pid)
    return found
