"""Byte streams of bounded memory: a section of a file as it is, or inflated while it is read.

Inflation is igzip's (package ``isal``), about twice as fast as zlib. Output of 128 KiB at a time
stays in the processor's cache, and calls are few.
"""

from __future__ import annotations

from typing import BinaryIO, Protocol

from isal import isal_zlib
from isal.igzip_lib import DECOMP_ZLIB, IgzipDecompressor, IsalError

from lusgan_core.api import ClipError

INPUT_BYTES = 64 << 10
OUTPUT_BYTES = 128 << 10

Damaged: type[Exception] = IsalError  # type: ignore[assignment] # its stub calls it an instance


class ByteStream(Protocol):
    """A stream of bytes that is read forwards."""

    def readinto(self, target: memoryview) -> None:
        """Fill the whole of ``target`` (bytes); raises ClipError where the stream ends before."""
        ...

    def finish(self) -> None:
        """Check that the stream ends here, and its checksum; raises ClipError."""
        ...


def read_exactly(stream: ByteStream, count: int) -> bytes:
    """Read a number of bytes from a stream.

    Args:
        stream: Where to read.
        count: Number of bytes.

    Returns:
        Exactly ``count`` bytes.

    Raises:
        ClipError: The stream ends before.
    """
    data = bytearray(count)
    stream.readinto(memoryview(data))
    return bytes(data)


def skip(stream: ByteStream, count: int) -> None:
    """Read a number of bytes and drop them, in bounded memory.

    Args:
        stream: Where to read.
        count: Number of bytes.

    Raises:
        ClipError: The stream ends before.
    """
    scratch = memoryview(bytearray(min(count, OUTPUT_BYTES)))
    while count > 0:
        part = scratch[: min(count, len(scratch))]
        stream.readinto(part)
        count -= len(part)


class Section:
    """``size`` bytes of a file from ``start`` on, as they are."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._position, self._left = file, start, size

    def readinto(self, target: memoryview) -> None:
        """See ``ByteStream``."""
        if len(target) > self._left:
            raise ClipError("a data element is shorter than what it declares to hold: damaged file")
        self._file.seek(self._position)  # several streams may share the file
        self._position += len(target)
        self._left -= len(target)
        while len(target):
            data = self._file.read(min(len(target), OUTPUT_BYTES))
            if not data:
                raise ClipError("the file ends in the middle of its data: truncated")
            target[: len(data)] = data
            target = target[len(data) :]

    def finish(self) -> None:
        """See ``ByteStream``; there is no checksum, and the end was checked before."""


class Inflated:
    """The zlib stream in ``size`` bytes of a file from ``start`` on, inflated as it is read."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._position, self._left = file, start, size
        self._inflater = IgzipDecompressor(flag=DECOMP_ZLIB)

    def readinto(self, target: memoryview) -> None:
        """See ``ByteStream``."""
        filled = 0
        while filled < len(target):
            data = self._next(min(OUTPUT_BYTES, len(target) - filled))
            if not data:
                raise ClipError("compressed data ends before the declared size: damaged file")
            target[filled : filled + len(data)] = data
            filled += len(data)

    def finish(self) -> None:
        """See ``ByteStream``; zlib's checksum, at the end of the stream, is checked here."""
        if self._next(1):
            raise ClipError("compressed data goes on beyond the declared size: damaged file")
        if not self._inflater.eof:
            raise ClipError("compressed data ends without its checksum: truncated file")

    def _next(self, limit: int) -> bytes:
        """1 to ``limit`` bytes; none at the end of the stream."""
        while not self._inflater.eof:
            data, hungry = b"", self._inflater.needs_input
            if hungry:
                self._file.seek(self._position)  # several streams may share the file
                data = self._file.read(min(INPUT_BYTES, self._left))
                self._position += len(data)
                self._left -= len(data)
            try:
                output: bytes = self._inflater.decompress(data, limit)
            except Damaged as error:
                raise ClipError(f"compressed data is damaged ({error})") from error
            if output:
                return output
            if hungry and not data:
                break
        return b""


def inflate_exactly(data: bytes, size: int) -> bytes:
    """Inflate a whole zlib stream in memory.

    Args:
        data: The stream, complete.
        size: Number of bytes that it must give.

    Returns:
        Exactly ``size`` bytes.

    Raises:
        ClipError: The stream is damaged or gives another number of bytes.
    """
    inflater = isal_zlib.decompressobj()
    try:
        output: bytes = inflater.decompress(data, size + 1)
    except Damaged as error:
        raise ClipError(f"compressed data is damaged ({error})") from error
    if len(output) != size or not inflater.eof:
        raise ClipError(f"a block of {len(output)} bytes or more, expected {size}: damaged file")
    return output
