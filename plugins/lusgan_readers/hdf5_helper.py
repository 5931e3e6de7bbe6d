"""Looks into an HDF5 file for another process; run as a program, with that process at both ends.

The HDF5 library can be made to crash, or to compute for ever, by a damaged file. So it is loaded
here alone, and what it is asked for is little: which variables there are, and where in the file
their numbers lie. The numbers themselves are read, and inflated, by the process that asks.

Messages are a length (4 bytes, little endian) and JSON, or bytes. A request is the size of a file;
then this process asks for parts of that file, ``[offset, length]``, until it has an answer, an
object. It imports nothing of lusgan, so that it starts fast wherever it lies.
"""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import struct
import sys
from math import prod
from typing import Any, BinaryIO

import h5py

CPU_S = 20
"""Processor time for one file, seconds; then the operating system ends this process."""
MAX_MEMORY_BYTES = 2 << 30
MAX_VARIABLES = 1000
MAX_CHUNKS = 1_000_000
MAX_COMPACT_BYTES = 1 << 16
OWN = ("#", "__")
"""Begin names of MATLAB's own: references, function workspaces."""


class Asked(io.RawIOBase):
    """The file, whose content the other process hands over part by part."""

    def __init__(self, size: int, source: BinaryIO, target: BinaryIO) -> None:
        self._size, self._source, self._target, self._at = size, source, target, 0
        self._start, self._held = 0, b""

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Position."""
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position.

        Args:
            offset: Bytes.
            whence: From the beginning (0), the position (1) or the end (2).

        Returns:
            The position.
        """
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def readinto(self, target: Any) -> int:
        """Fill ``target`` from the position on, as far as the file goes."""
        view = memoryview(target).cast("B")
        count = max(0, min(len(view), self._size - self._at))
        skipped = self._at - self._start
        if not 0 <= skipped <= len(self._held) - count:
            send(self._target, json.dumps([self._at, max(count, 1 << 14)]).encode())
            self._start, self._held, skipped = self._at, receive(self._source), 0
        part = self._held[skipped : skipped + count]
        view[: len(part)] = part
        self._at += len(part)
        return len(part)


def send(target: BinaryIO, data: bytes) -> None:
    """Write a message.

    Args:
        target: The pipe.
        data: What it holds.
    """
    target.write(struct.pack("<I", len(data)) + data)
    target.flush()


def receive(source: BinaryIO) -> bytes:
    """Read a message; ends the process where the other one is gone."""
    head = source.read(4)
    if len(head) < 4:
        os._exit(0)
    return source.read(int.from_bytes(head, "little"))


def describe(file: Any) -> dict[str, Any]:
    """Say which variables a file holds, and where their numbers are."""
    variables: list[dict[str, Any]] = []
    with h5py.File(file, "r") as hdf5:
        if len(hdf5) > MAX_VARIABLES:
            return {"refused": f"{len(hdf5)} variables, expected one"}
        for name in hdf5:
            if not name.startswith(OWN):
                _add(hdf5, name, variables)
    return {"variables": variables}


def _add(group: Any, name: str, variables: list[dict[str, Any]], folder: str = "") -> None:
    """Describe one variable, and those inside it where it is a struct."""
    found: dict[str, Any] = {"name": folder + name}
    variables.append(found)
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        found["link"] = True
        return
    item = group[name]
    value = item.attrs.get("MATLAB_class", b"")
    found["class"] = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    found["sparse"] = "MATLAB_sparse" in item.attrs
    found["empty"] = "MATLAB_empty" in item.attrs
    if isinstance(item, h5py.Dataset):
        found["type"], found["kind"] = item.dtype.str, item.dtype.kind
        if item.dtype.kind in "iuf":
            found["shape"] = None if item.shape is None else list(item.shape)
            found["storage"] = _storage(item)
    elif isinstance(item, h5py.Group) and not folder and len(variables) < MAX_VARIABLES:
        for field in list(item)[:MAX_VARIABLES]:
            _add(item, field, variables, f"{name}.")


def _storage(data: Any) -> dict[str, Any]:
    """Where a dataset's numbers are, and through which filters they went."""
    plist = data.id.get_create_plist()
    if data.is_virtual or plist.get_external_count():
        return {"layout": "elsewhere"}
    if data.id.get_type() != h5py.h5t.py_create(data.dtype):
        return {"layout": "odd type"}
    if data.chunks:
        return _chunks(data, plist)
    size = prod(data.shape or ()) * data.dtype.itemsize
    if plist.get_layout() == h5py.h5d.CONTIGUOUS:
        at, stored = data.id.get_offset(), data.id.get_storage_size()
        return {"layout": "contiguous", "at": at, "stored": stored}
    if size > MAX_COMPACT_BYTES:
        return {"layout": "compact", "hex": ""}
    return {"layout": "compact", "hex": data[()].tobytes().hex()}


def _chunks(data: Any, plist: Any) -> dict[str, Any]:
    expected = prod(-(-n // c) for n, c in zip(data.shape, data.chunks, strict=True))
    filters = [plist.get_filter(i) for i in range(plist.get_nfilters())]
    found: dict[str, Any] = {
        "layout": "chunks",
        "chunks": list(data.chunks),
        "expected": expected,
        "filters": [[f[0], f[3].decode("ascii", "replace")] for f in filters],
        "stored": [],
    }
    if expected > MAX_CHUNKS:
        return found

    def note(chunk: Any) -> bool | None:
        at = [int(i) for i in chunk.chunk_offset]
        found["stored"].append([at, chunk.byte_offset, chunk.size, chunk.filter_mask])
        return True if len(found["stored"]) > expected else None  # anything but None ends it

    data.id.chunk_iter(note)
    return found


def _limit() -> None:
    """Allow for one more file: processor time from now on."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def main() -> None:
    """Answer requests until the other process is gone."""
    source, target = sys.stdin.buffer, sys.stdout.buffer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who asks; this ends with it
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        request = json.loads(receive(source))
        _limit()
        try:
            answer = describe(Asked(request["size"], source, target))
        except Exception as error:  # whatever h5py raises on a damaged file
            answer = {"failed": type(error).__name__}
        send(target, json.dumps(answer).encode())


if __name__ == "__main__":
    main()
