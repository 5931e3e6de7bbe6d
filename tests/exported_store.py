"""A store with a current model of every score, trained on four phantom patients, one held out."""

from __future__ import annotations

from pathlib import Path

from tiny_runs import Pipeline, tiny_config, write_exams

OPEN = ("promotion.min_diversity=0", "promotion.keep_diversity=0", "promotion.gates={}")
PATIENTS = ("9001", "9002", "9003", "9004")


def trained(folder: Path) -> None:
    """Write exams and train; the store is ``lusgan-store`` in that folder."""
    pipeline = Pipeline(write_exams(folder / "exams", patients=4), folder / "lusgan-store")
    outcome = pipeline.run(tiny_config(*OPEN))
    assert not outcome.failures
    assert all(made["promote"].data["promoted"] for made in outcome.scores.values())
