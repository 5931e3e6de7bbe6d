"""Reads whose each frame of a folder is from a table: file, patient and, if known, clip."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lusgan_core.errors import ConfigError

NEEDED = ("file", "patient")
CLIP = "clip"


@dataclass(frozen=True)
class FrameGroups:
    """Patient and clip of each frame of a set; both empty where nobody knows."""

    patients: tuple[str, ...] = ()
    clips: tuple[str, ...] = ()
    """Unique over all patients."""


def read_groups(
    table: Path, a: Path, names_a: Sequence[str], b: Path, names_b: Sequence[str]
) -> tuple[FrameGroups, FrameGroups]:
    """Read the patients and clips of the frames of two folders.

    A file is named as it lies in A, or in B where A has none of that name, or by a path to it. All
    frames of a file are of one clip; where the table does not name it, each file is a clip.

    Args:
        table: A CSV file with the columns ``file``, ``patient`` and, if known, ``clip``.
        a: The first folder or file.
        names_a: Names of its frames: files below it, with ``#page`` where a file has several.
        b: The second folder or file.
        names_b: Names of its frames.

    Returns:
        Patients and clips of both; none of a folder of which the table names no file.

    Raises:
        ConfigError: The table cannot be read, lacks a column or a value, names a file twice or one
            that is in neither folder, or leaves out some files of a folder.
    """
    sides = [(a, {_file(name) for name in names_a}), (b, {_file(name) for name in names_b})]
    found: list[dict[str, tuple[str, str]]] = [{}, {}]
    for line, row in _rows(table):
        where = f"{table}, line {line}"
        number, name = _place(row["file"], sides, where)
        if name in found[number]:
            raise ConfigError(f"{where}: {row['file']} is there twice: leave one row a file")
        clip = f"{row['patient']}\n{row.get(CLIP) or name}"
        found[number][name] = (row["patient"], clip)
    return (
        _groups(found[0], a, names_a, table),
        _groups(found[1], b, names_b, table),
    )


def _file(name: str) -> str:
    """The file that a frame is in: its name without the number of a page."""
    head, sign, tail = name.rpartition("#")
    return head if sign and tail.isdigit() else name


def _rows(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a table with the number of the line; raises ConfigError for what is missing."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            columns = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            if missing := [name for name in NEEDED if name not in columns]:
                raise ConfigError(
                    f"{table} lacks the column {' and '.join(missing)}: expected a first line "
                    f"`file,patient` or `file,patient,clip`, found {','.join(columns) or 'none'}"
                )
            for row in reader:
                values = {
                    name: value.strip() for name, value in row.items() if isinstance(value, str)
                }
                for name in NEEDED:
                    if not values.get(name):
                        raise ConfigError(f"{table}, line {reader.line_num}: no {name} is named")
                yield reader.line_num, values
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{table} cannot be read as a CSV file: {error}") from error


def _place(name: str, sides: Sequence[tuple[Path, set[str]]], where: str) -> tuple[int, str]:
    """The folder that a file is in, 0 or 1, and its name there."""
    for number, (_, files) in enumerate(sides):
        if name in files:
            return number, name
    path = Path(name).resolve()
    for number, (folder, files) in enumerate(sides):
        root = folder.resolve() if folder.is_dir() else folder.resolve().parent
        if path.is_relative_to(root) and (inside := path.relative_to(root).as_posix()) in files:
            return number, inside
    folders = " nor in ".join(str(folder) for folder, _ in sides)
    raise ConfigError(
        f"{where}: {name} is neither in {folders}: name files as they lie in there, or by a path"
    )


def _groups(
    found: dict[str, tuple[str, str]], folder: Path, names: Sequence[str], table: Path
) -> FrameGroups:
    if not found:
        return FrameGroups()
    files = [_file(name) for name in names]
    if missing := sorted({name for name in files if name not in found}):
        raise ConfigError(
            f"{table} does not say whose {missing[0]} of {folder} is"
            + (f", nor {len(missing) - 1:,} more files" if len(missing) > 1 else "")
            + ": give each file of the folder a row, or none"
        )
    return FrameGroups(
        tuple(found[name][0] for name in files), tuple(found[name][1] for name in files)
    )
