"""Small readers for tests, and registries that hold them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from lusgan_core.api import (
    Belonging,
    Clip,
    ClipError,
    ClipObjects,
    FoundClip,
    Listing,
    Reader,
    Refused,
)
from lusgan_core.registry import Provider, Registry
from lusgan_readers import MAT

SIDE = 20


def registry(*readers: Reader) -> Registry:
    """Return a registry of these readers, each from a distribution of its own, and ``mat``."""
    made = Registry()
    for reader in (MAT, *readers):
        made.records["reader"][reader.name] = reader
        place = "lusgan" if reader is MAT else f"lusgan-{reader.name}"
        made.providers["reader", reader.name] = Provider("small_readers", place, "1.0")
    return made


def raw(frames: int, level: int = 1) -> bytes:
    """Return a clip of the format ``raw``: frames of one level each, going up by one."""
    levels = np.arange(level, level + frames, dtype=np.uint8)
    return levels.repeat(SIDE * SIDE).tobytes()


def find_raw(listing: Listing) -> Iterator[FoundClip | Refused]:
    """Find clips at PATIENT/EXAM/SCORE_NAME.raw."""
    for stat in listing.objects:
        if stat.name.endswith(".raw") and stat.key.count("/") == 2:
            patient, exam, name = stat.key.split("/")
            if name[0] in "0123":
                yield FoundClip(patient, exam, stat, facts={"score": int(name[0])})
            else:
                yield Refused(stat, "no score in its name", patient, exam)


@contextmanager
def open_raw(objects: ClipObjects) -> Iterator[Clip]:
    """Open a clip of bytes."""
    with objects.open() as file:
        size, pixels = file.seek(0, 2), SIDE * SIDE
        if not size or size % pixels:
            raise ClipError(f"{size} bytes are no whole frames of {SIDE}x{SIDE} pixels")

        def frames() -> Iterator[Any]:
            for number in range(size // pixels):
                file.seek(number * pixels)
                yield np.frombuffer(file.read(pixels), np.uint8).reshape(1, SIDE, SIDE)

        yield Clip(SIDE, SIDE, size // pixels, frames, lambda: objects.facts["score"])


RAW = Reader(
    "raw",
    "Frames as bytes",
    "clips at PATIENT/EXAM/SCORE_NAME.raw",
    find_raw,
    open_raw,
    version="1",
)


def find_by_head(listing: Listing) -> Iterator[FoundClip | Refused | Belonging]:
    """Find clips whose first line is ``PATIENT EXAM``, scored by one table for all of them."""
    table: dict[str, int] = {}
    for stat in listing.objects:
        if stat.name == "labels.csv":
            table |= listing.head(stat, read_table)
            yield Belonging(stat)
    for stat in listing.objects:
        if not stat.name.startswith("IM"):
            continue
        try:
            patient, exam = listing.head(stat, read_codes)
        except ClipError as error:
            yield Refused(stat, str(error))
            continue
        if stat.key in table:
            yield FoundClip(patient, exam, stat, facts={"score": table[stat.key]})
        else:
            yield Refused(stat, "it is not in labels.csv", patient, exam)


def read_codes(file: Any) -> list[str]:
    """Read the codes in a clip's first line."""
    words: list[str] = file.readline().decode("ascii", "replace").split()
    if len(words) != 2:
        raise ClipError("its first line names no patient and exam")
    return words


def read_table(file: Any) -> dict[str, int]:
    """Read a table of key and score."""
    rows = [line.split(",") for line in file.read().decode().splitlines()]
    return {key: int(score) for key, score in rows}


BY_HEAD = Reader(
    "by_head", "Clips by their heads", "clips IM... and labels.csv", find_by_head, open_raw
)
