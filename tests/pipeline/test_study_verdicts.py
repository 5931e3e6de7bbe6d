"""Two studies of real GANs on phantoms: in one synthetic frames must help, in one they must not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lusgan_core.calls.call import StageContext
from lusgan_core.config import resolve
from lusgan_core.ingestion.discover import discover
from lusgan_core.pipeline.runner import Inline
from lusgan_core.pipeline.study import run_study
from lusgan_core.registry import installed
from lusgan_core.store import LocalStore
from lusgan_core.store.source import open_source
from lusgan_core.usefulness.stage import StudyRecord
from study_phantoms import COMMON, RARE, write_study

pytestmark = pytest.mark.once

SETTINGS = (
    "preprocessing.image_size=32",
    'training.backbone_options={"width": 8, "dropout": 0.0, "discriminator_norm": "none"}',
    "training.iterations=250",
    "training.batch_size=4",
    "training.previews=2",
    "training.preview_frames=4",
    "training.ema_half_life=200",
    "usefulness.folds=2",
    "usefulness.seeds=2",
    "usefulness.steps=50",
    "usefulness.batch_size=8",
    'usefulness.arms=["real", "synthetic-1"]',
)
"""Over the preset ``demo``. A classifier meets a frame of the rare score some four times in all."""


def study(folder: Path, *, shuffled: bool) -> StudyRecord:
    """Study ten patients, each with 100 frames of one score and one frame of the other."""
    exams = write_study(folder / "exams", 10, 100, 1, shuffled=shuffled)
    config = resolve("demo", installed(), settings=SETTINGS, scores=(COMMON, RARE))
    source = open_source(str(exams))
    runner = Inline(StageContext(LocalStore(folder / "store"), source, config.runtime))
    return run_study(runner, discover(source), config, installed()).record


def test_synthetic_frames_help_where_a_score_is_rare(tmp_path: Path) -> None:
    """The classifier never learns a score of five frames in five hundred; the GAN does."""
    record = study(tmp_path, shuffled=False)
    assert record.verdict == "helps", record.text
    assert record.minority == RARE
    assert "Synthetic frames help: with them, 1 time, macro-F1" in record.text


def test_synthetic_frames_do_not_help_where_labels_mean_nothing(tmp_path: Path) -> None:
    """What a frame shows says nothing of its label: more frames only mislead, and that is said."""
    record = study(tmp_path, shuffled=True)
    assert record.verdict in ("does not help", "harms"), record.text
    assert record.text.startswith(("Synthetic frames do not help", "Synthetic frames do harm"))


@pytest.mark.parametrize("shuffled", [False, True])
def test_the_phantoms_are_what_they_are_said_to_be(tmp_path: Path, shuffled: bool) -> None:
    """Labels are the same either way; what half of the patients' clips show is not."""
    plain = write_study(tmp_path / "plain", 10, 3, 1)
    other = write_study(tmp_path / "other", 10, 3, 1, shuffled=shuffled)
    clips = sorted(path.relative_to(plain) for path in plain.rglob("*.mat"))
    differ = {
        path.parts[0]
        for path in clips
        if (plain / path).read_bytes() != (other / path).read_bytes()
    }
    assert (2 <= len(differ) <= 8) if shuffled else not differ
    assert not [
        path for path in clips
        if path.name.endswith("_score.mat")
        and (plain / path).read_bytes() != (other / path).read_bytes()
    ]  # fmt: skip
