"""Undoes the HDF5 filters of a chunk, without the HDF5 library: deflate, shuffle, Fletcher32, LZF.

All others are refused by name. Nothing is allocated beyond the chunk's declared size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lusgan_core.api import ClipError
from lusgan_readers.inflate import inflate_exactly

DEFLATE, SHUFFLE, FLETCHER32, LZF = 1, 2, 3, 32000
NAMES = {
    4: "szip", 5: "n-bit", 6: "scale-offset", 307: "bzip2", 32001: "blosc", 32004: "LZ4",
    32008: "bitshuffle", 32013: "ZFP", 32015: "Zstandard", 32026: "blosc2",
}  # fmt: skip
CHECKSUM_BYTES = 4
MIN_CHECKED_BYTES = 4
"""Smallest chunk with a checksum; the library crashes on smaller ones (hdf5 6488, 6490)."""


def check_filters(filters: Sequence[tuple[int, str]], chunk_bytes: int) -> None:
    """Refuse filters that are not undone here, and chunks too small for theirs.

    Args:
        filters: Number and name of each, in the order in which they were applied.
        chunk_bytes: Size of a chunk without them.

    Raises:
        ClipError: One is not known, is there twice, or the chunks are too small for it.
    """
    numbers = [number for number, _ in filters]
    for number, name in filters:
        if number not in (DEFLATE, SHUFFLE, FLETCHER32, LZF):
            known = NAMES.get(number) or name or "unknown"
            raise ClipError(
                f"compressed with {known} (HDF5 filter {number}), expected deflate (gzip), "
                "shuffle, Fletcher32 or LZF: save the clip again, e.g. from MATLAB"
            )
    if len(set(numbers)) != len(numbers):
        raise ClipError("an HDF5 filter applied twice: damaged, or made to mislead")
    if FLETCHER32 in numbers and chunk_bytes < MIN_CHECKED_BYTES:
        raise ClipError(
            f"chunks of {chunk_bytes} bytes with a Fletcher32 checksum, expected "
            f"{MIN_CHECKED_BYTES} or more: damaged, or made to mislead"
        )


def undo(
    raw: bytes, filters: Sequence[tuple[int, str]], mask: int, size: int, itemsize: int
) -> bytes:
    """Turn a stored chunk into its numbers.

    Args:
        raw: The chunk as stored.
        filters: As ``check_filters`` takes them.
        mask: Bit i is set where filter i was left out for this chunk.
        size: Size of the chunk without filters, bytes.
        itemsize: Size of a number, bytes.

    Returns:
        Exactly ``size`` bytes.

    Raises:
        ClipError: The chunk is damaged.
    """
    applied = [number for i, (number, _) in enumerate(filters) if not mask >> i & 1]
    while applied:
        number = applied.pop()
        inner = size + CHECKSUM_BYTES * (FLETCHER32 in applied)
        if number == FLETCHER32:
            raw = _checked(raw)
        elif number == DEFLATE:
            raw = inflate_exactly(raw, inner)
        elif number == LZF:
            raw = _unpack(raw, inner)
        elif itemsize > 1:
            whole = len(raw) // itemsize * itemsize
            planes = np.frombuffer(raw[:whole], np.uint8).reshape(itemsize, -1)
            raw = planes.T.tobytes() + raw[whole:]
    if len(raw) != size:
        raise ClipError(f"a chunk of {len(raw)} bytes, expected {size}: damaged file")
    return raw


def fletcher32(data: bytes) -> int:
    """HDF5's Fletcher checksum: sums of big-endian 16-bit words, modulo 65535."""
    words = np.frombuffer(data + b"\0" * (len(data) % 2), ">u2").astype(np.uint64)
    weights = np.arange(len(words), 0, -1, dtype=np.uint64)
    one, two = int(words.sum()) % 65535, int((words * (weights % 65535)).sum()) % 65535
    return two << 16 | one


def _checked(raw: bytes) -> bytes:
    data, stored = raw[:-CHECKSUM_BYTES], raw[-CHECKSUM_BYTES:]
    found = fletcher32(data)
    for order in ("little", "big"):  # the library's first releases swapped bytes
        told = int.from_bytes(stored, order)
        if all((told >> s & 0xFFFF) % 65535 == found >> s & 0xFFFF for s in (0, 16)):
            return data
    swapped = (found & 0x00FF00FF) << 8 | found >> 8 & 0x00FF00FF
    if int.from_bytes(stored, "little") == swapped:
        return data
    raise ClipError("a chunk's Fletcher32 checksum does not fit its numbers: damaged file")


def _unpack(raw: bytes, size: int) -> bytes:
    """Undo LZF: runs of literal bytes, and copies of what came up to 8 KB before."""
    out, at = bytearray(), 0
    try:
        while at < len(raw) and len(out) <= size:
            control = raw[at]
            at += 1
            if control < 32:
                out += raw[at : at + control + 1]
                at += control + 1
                continue
            length = control >> 5
            if length == 7:
                length += raw[at]
                at += 1
            start = len(out) - ((control & 31) << 8) - raw[at] - 1
            at += 1
            if start < 0:
                raise ClipError("compressed data is damaged (LZF)")
            copied = bytes(out[start : start + length + 2])
            out += (copied * (-(-(length + 2) // len(copied))))[: length + 2]
    except IndexError:
        raise ClipError("compressed data is damaged (LZF)") from None
    if len(out) != size:
        raise ClipError(f"a block of {len(out)} bytes, expected {size}: damaged file")
    return bytes(out)
