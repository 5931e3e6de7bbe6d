"""Reads a file of the user's that puts patients on sides or into folds.

A CSV file with the columns ``patient`` and ``side`` (``training`` or ``held_out``) or ``fold`` (a
whole number; the option ``fold`` says which one is held out). Patients are called as in
``lusgan check``.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from lusgan_core.errors import ConfigError

T = TypeVar("T")
SIDES = {
    "training": False, "train": False,
    "held_out": True, "held-out": True, "held out": True, "test": True,
}  # fmt: skip
"""What a cell of the column ``side`` may say -> whether the patient is held out."""


def read_sides(path: Path, fold: int | None = None) -> dict[str, bool]:
    """Read which patients are held out.

    Args:
        path: The CSV file.
        fold: The fold that is held out, for a file with folds; None for a file with sides.

    Returns:
        Code of each patient of the file -> whether that patient is held out.

    Raises:
        ConfigError: The file cannot be read, lacks a column, says something else in a line, says
            two things of a patient, or holds nobody of that fold. No message names a patient.
    """
    if fold is None:
        return _read(path, "side", _held_out)
    told = {patient: own == fold for patient, own in read_folds(path).items()}
    if not any(told.values()):
        raise ConfigError(f"{path}: no patient is in fold {fold}, which selection.fold holds out")
    return told


def read_folds(path: Path) -> dict[str, int]:
    """Read the fold of each patient.

    Args:
        path: The CSV file.

    Returns:
        Code of each patient of the file -> number of the fold.

    Raises:
        ConfigError: As for ``read_sides``.
    """
    return _read(path, "fold", _fold)


def _read(path: Path, column: str, meaning: Callable[[str, str], T]) -> dict[str, T]:
    """Read what a column says of each patient."""
    told: dict[str, T] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.DictReader(stream)
            rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
            _check_columns(path, rows.fieldnames, column)
            for row in rows:
                where = f"{path}, line {rows.line_num}"
                patient, text = (row["patient"] or "").strip(), (row[column] or "").strip()
                said = meaning(text, where)
                if not patient:
                    raise ConfigError(f"{where}: no patient")
                if told.setdefault(patient, said) != said:
                    raise ConfigError(
                        f"{where}: an earlier line says something else of this patient"
                    )
    except OSError as error:
        raise ConfigError(f"selection.sides: {path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} is no CSV file in UTF-8") from error
    if not told:
        raise ConfigError(f"{path} names no patient")
    return told


def _check_columns(path: Path, columns: list[str], column: str) -> None:
    if {"patient", column} <= set(columns):
        return
    hint = ""
    if "fold" in columns and column == "side":
        hint = "; name the fold to hold out, e.g. --set selection.fold=0"
    raise ConfigError(
        f"{path} lacks the columns patient and {column}: its first line must name them{hint}"
    )


def _held_out(text: str, where: str) -> bool:
    if text.lower() in SIDES:
        return SIDES[text.lower()]
    raise ConfigError(f"{where}: a side is training or held_out")


def _fold(text: str, where: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"{where}: a fold is a whole number") from None
