"""Which patient is on which side: the table that keeps a hospital's own frames apart alike."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from lusgan_core.domain import SCORES, Record
from lusgan_core.errors import ConfigError
from lusgan_core.exporting.record import TEST, TRAIN, ExportRecord
from lusgan_core.selection.stage import ScoreDataset

SPLITS = "splits.csv"


class Split(Record):
    """One patient: the side, and how many real frames of each score the store has."""

    patient: str
    """The patient's letter."""
    side: str
    frames: dict[int, int]
    """Score -> real frames."""


def sides_of(datasets: Sequence[ScoreDataset]) -> dict[str, str]:
    """Find the side of every patient.

    Args:
        datasets: Datasets, one of each score.

    Returns:
        Code of each patient -> ``train`` or ``test``.

    Raises:
        ConfigError: A patient trained the model of one score and is held out of another's.
    """
    sides: dict[str, str] = {}
    for dataset in datasets:
        for side, clips in ((TRAIN, dataset.looked_at), (TEST, dataset.held_out)):
            for clip in clips:
                if sides.setdefault(clip.patient, side) != side:
                    raise ConfigError(
                        "the newest datasets of the scores have different splits: a patient is "
                        f"held out of one of them, and not of score {dataset.score}'s; run `lusgan "
                        "run` with one selection.seed and selection.held_out for all scores"
                    )
    return sides


def splits(datasets: Sequence[ScoreDataset], letters: Mapping[str, str]) -> tuple[Split, ...]:
    """Make the rows of the table.

    Args:
        datasets: Datasets, one of each score.
        letters: Code of each patient -> letter.

    Returns:
        A row a patient, by letter.

    Raises:
        ConfigError: The datasets' splits differ.
    """
    frames: dict[str, dict[int, int]] = {code: {} for code in letters}
    for dataset in datasets:
        for clip in dataset.clips:
            of = frames[clip.patient]
            of[dataset.score] = of.get(dataset.score, 0) + clip.frames
    found = [
        Split(patient=letters[code], side=side, frames=frames[code])
        for code, side in sides_of(datasets).items()
    ]
    return tuple(sorted(found, key=lambda split: (len(split.patient), split.patient)))


def splits_csv(rows: Sequence[Split], record: ExportRecord) -> bytes:
    """Write the table.

    Args:
        rows: Its rows.
        record: The data set, which says whose frames are in it.

    Returns:
        ``patient``, ``side``, real frames of each score, and whether any of them is in it.
    """
    given = {letter for part in record.parts for letter in part.patients}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["patient", "side", *(f"score_{score}" for score in SCORES), "included"])
    for row in rows:
        counts = [row.frames.get(score, 0) for score in SCORES]
        writer.writerow([row.patient, row.side, *counts, int(row.patient in given)])
    return out.getvalue().encode()
