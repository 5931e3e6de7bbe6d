"""Reads a file of the user's that puts patients on sides or into folds.

A CSV file with the columns ``patient`` and ``side`` (``training`` or ``held_out``) or ``fold`` (a
whole number; the option ``fold`` says which one is held out). Patients are called as in
``lusgan check``.
"""

from __future__ import annotations

import csv
from pathlib import Path

from lusgan_core.errors import ConfigError

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
    column = "side" if fold is None else "fold"
    told: dict[str, bool] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.DictReader(stream)
            rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
            _check_columns(path, rows.fieldnames, column)
            for row in rows:
                where = f"{path}, line {rows.line_num}"
                patient, text = (row["patient"] or "").strip(), (row[column] or "").strip()
                held_out = _held_out(text, fold, where)
                if not patient:
                    raise ConfigError(f"{where}: no patient")
                if told.setdefault(patient, held_out) != held_out:
                    raise ConfigError(
                        f"{where}: an earlier line says something else of this patient"
                    )
    except OSError as error:
        raise ConfigError(f"selection.sides: {path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} is no CSV file in UTF-8") from error
    if fold is not None and not any(told.values()):
        raise ConfigError(f"{path}: no patient is in fold {fold}, which selection.fold holds out")
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


def _held_out(text: str, fold: int | None, where: str) -> bool:
    if fold is None:
        if text.lower() in SIDES:
            return SIDES[text.lower()]
        raise ConfigError(f"{where}: a side is training or held_out")
    try:
        return int(text) == fold
    except ValueError:
        raise ConfigError(f"{where}: a fold is a whole number") from None
