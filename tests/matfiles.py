"""Builds .mat files byte by byte, so that tests can also write what no library would."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import h5py
import numpy as np

from lusgan_core.domain import ClipFiles, SourceObject
from lusgan_core.ingestion.clip import ClipReader, open_clip, verify_clip
from lusgan_core.ingestion.readers import choose_readers
from lusgan_core.store.source import ExamSource, SourceStat

CLASSES = {
    "float64": 6, "float32": 7, "int8": 8, "uint8": 9, "int16": 10, "uint16": 11,
    "int32": 12, "uint32": 13, "int64": 14, "uint64": 15,
}  # fmt: skip
STORAGE = {
    "int8": 1, "uint8": 2, "int16": 3, "uint16": 4, "int32": 5, "uint32": 6,
    "float32": 7, "float64": 9, "int64": 12, "uint64": 13,
}  # fmt: skip
DTYPES = [*CLASSES, "bool"]
LOGICAL, COMPLEX = 0x0200, 0x0800


class MemorySource:
    """An exam source that is a dictionary."""

    uri = "memory"

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def objects(self) -> Iterator[SourceStat]:
        for key, data in self.files.items():
            yield SourceStat(key, len(data), str(zlib.crc32(data)))

    def open(self, key: str) -> BinaryIO:
        if key not in self.files:
            raise FileNotFoundError(2, "No such file", f"/exams/{key}")
        return io.BytesIO(self.files[key])


def cine(dtype: str = "uint8", shape: tuple[int, int, int, int] = (24, 18, 3, 5)) -> np.ndarray:
    """A clip (H, W, C, N) of noise with equal channels, whole numbers that the type can hold."""
    height, width, channels, count = shape
    top = {"int8": 128, "bool": 2}.get(dtype, 256)
    rng = np.random.default_rng(5)
    return rng.integers(0, top, (height, width, 1, count)).astype(dtype).repeat(channels, axis=2)


def element(kind: int, data: bytes, order: str = "<") -> bytes:
    """A data element of a v5 file, small or padded."""
    if 0 < len(data) <= 4:
        return struct.pack(order + "I", len(data) << 16 | kind) + data.ljust(4, b"\0")
    return struct.pack(order + "II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def matrix(
    array: np.ndarray,
    name: str = "frames",
    *,
    order: str = "<",
    store: str | None = None,
    number: int | None = None,
    flags: int = 0,
    dims: tuple[int, ...] | None = None,
    tail: bytes = b"",
) -> bytes:
    """A variable of a v5 file; ``store`` narrows its numbers, ``number`` overrides its class."""
    if array.dtype == bool:
        array, flags = array.astype(np.uint8), flags | LOGICAL
    store = store or array.dtype.name
    numbers = array.astype(np.dtype(store).newbyteorder(order)).tobytes(order="F")
    shape = array.shape if dims is None else dims
    body = (
        element(
            6, struct.pack(order + "II", flags | (number or CLASSES[array.dtype.name]), 0), order
        )
        + element(5, struct.pack(f"{order}{len(shape)}i", *shape), order)
        + element(1, name.encode(), order)
        + element(STORAGE[store], numbers, order)
        + tail
    )
    return struct.pack(order + "II", 14, len(body)) + body


def v5(*elements: bytes, order: str = "<", compressed: bool = True) -> bytes:
    """A v5 file of these elements."""
    header = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(order + "H", 0x0100)
    header += b"IM" if order == "<" else b"MI"
    if compressed:
        elements = tuple(pack(zlib.compress(e), order) for e in elements)
    return header + b"".join(elements)


def pack(stream: bytes, order: str = "<") -> bytes:
    """An element *compressed* around a zlib stream."""
    return struct.pack(order + "II", 15, len(stream)) + stream


def v73(
    *variables: tuple[str, np.ndarray],
    kind: str | None = None,
    attributes: dict[str, object] | None = None,
    **storage: object,
) -> bytes:
    """A v7.3 file of these variables; ``storage`` is how h5py stores them."""
    file = io.BytesIO()
    with h5py.File(file, "w", userblock_size=512) as hdf5:
        for name, array in variables:
            own = {"bool": "logical", "float64": "double", "float32": "single"}
            stored = array.astype(np.uint8) if array.dtype == bool else array
            data = hdf5.create_dataset(name, data=stored.T, **storage)
            data.attrs["MATLAB_class"] = np.bytes_(
                kind or own.get(array.dtype.name) or array.dtype.name
            )
            data.attrs.update(attributes or {})
    return as_matlab(file.getvalue())


def as_matlab(hdf5: bytes) -> bytes:
    """Write MATLAB's header into the user block of an HDF5 file."""
    header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    return header + hdf5[128:]


def as_clip(key: str) -> ClipFiles:
    """A .mat clip without scores, as discovery would find it."""
    found = SourceObject(key=key, size=0, digest="")
    return ClipFiles(patient="P", exam="E", area=1, reader="mat", name="clip", clip=found)


def open_mat(source: ExamSource, key: str) -> ClipReader:
    """Open a .mat clip through the reader ``mat``."""
    return open_clip(source, as_clip(key), choose_readers({"mat": {}}))


def verify_mat(source: ExamSource, key: str) -> None:
    """Read a whole .mat clip through the reader ``mat``."""
    verify_clip(source, as_clip(key), choose_readers({"mat": {}}))
