"""Asks a process of its own what an HDF5 file holds; that process may die, this one lives on.

A process is started once and answers for one file after another; threads that ask at the same time
have one each. See ``hdf5_helper`` for what is said.
"""

from __future__ import annotations

import atexit
import json
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

from lusgan_core.api import ClipError

PROGRAM = Path(__file__).with_name("hdf5_helper.py")
MAX_ANSWER_BYTES = 1 << 28

_idle: list[subprocess.Popen[bytes]] = []
_lock = threading.Lock()


def describe(file: BinaryIO, size: int) -> list[dict[str, Any]]:
    """Find the variables of an HDF5 file, and where in it their numbers are.

    Args:
        file: The file, open and seekable.
        size: Its size, bytes.

    Returns:
        A mapping for each variable; see ``hdf5_helper.describe``.

    Raises:
        ClipError: The HDF5 library cannot read the file, or crashed over it.
        OSError: Reading failed.
    """
    process = _take()
    try:
        answer = _ask(process, file, size)
    except BaseException:
        process.kill()  # what it does is not known any more
        process.wait()
        raise
    with _lock:
        _idle.append(process)
    if "refused" in answer:
        raise ClipError(answer["refused"])
    if "failed" in answer:
        raise ClipError("the HDF5 library cannot read this v7.3 file: truncated or damaged")
    found: list[dict[str, Any]] = answer["variables"]
    return found


def _ask(process: subprocess.Popen[bytes], file: BinaryIO, size: int) -> dict[str, Any]:
    _send(process, json.dumps({"size": size}).encode())
    while True:
        message = json.loads(_receive(process))
        if isinstance(message, dict):
            return message
        offset, length = message
        file.seek(min(offset, size))  # damage may point anywhere
        _send(process, file.read(length))


def _send(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(struct.pack("<I", len(data)) + data)
        process.stdin.flush()
    except BrokenPipeError:
        raise _died(process) from None


def _receive(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    head = process.stdout.read(4)
    length = int.from_bytes(head, "little")
    if len(head) < 4 or length > MAX_ANSWER_BYTES:
        raise _died(process)
    data = process.stdout.read(length)
    if len(data) < length:
        raise _died(process)
    return data


def _died(process: subprocess.Popen[bytes]) -> ClipError:
    process.kill()
    code = process.wait()
    return ClipError(
        f"the HDF5 library crashed over this v7.3 file, or took too long (exit code {code}): "
        "damaged, or made to mislead"
    )


def _take() -> subprocess.Popen[bytes]:
    """A process that waits for a question; one that died meanwhile is replaced."""
    with _lock:
        while _idle:
            process = _idle.pop()
            if process.poll() is None:
                return process
    return subprocess.Popen(
        [sys.executable, "-P", str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def _forget() -> None:
    """In a forked process: leave the processes to the one that started them."""
    global _lock
    _idle.clear()
    _lock = threading.Lock()


def _close() -> None:
    with _lock:
        for process in _idle:
            process.kill()
            process.wait()
        _idle.clear()


os.register_at_fork(after_in_child=_forget)
atexit.register(_close)
