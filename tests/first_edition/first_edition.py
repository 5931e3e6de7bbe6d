"""A store that lusgan 0.1.0 left, with the phantom exams that it was made of.

Four patients, scores 0 and 2, two promoted models each (seeds 999, then 1); made by
``lusgan run --preset demo`` with SETTINGS. Of the checkpoints one is kept, for its size.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path

from lusgan_core.calls.ledger import ledger_key
from lusgan_core.store.source import FolderSource

RECORDED = Path(__file__).with_name("store.tar.xz")
ADDRESS = "/hospital/exams"
"""Where the exams are said to be in what was recorded."""
SETTINGS = (
    "preprocessing.image_size=32",
    "training.iterations=4",
    "training.batch_size=4",
    "training.backbone_options.width=4",
    "training.latent_size=8",
    "training.previews=2",
    "training.preview_frames=2",
    "generation.count=4",
    'evaluation.metrics=["ssim", "mse"]',
    "promotion.min_diversity=0",
    "promotion.keep_diversity=0",
    "promotion.max_near_copies=1",
)
CODES = ("9001", "9002", "9003", "9004")


@dataclass(frozen=True)
class FirstEdition:
    """Where the exams and the store were unpacked to."""

    exams: Path
    store: Path

    @property
    def options(self) -> list[str]:
        """Return the options that its last run was given, seed aside."""
        words = [word for setting in SETTINGS for word in ("--set", setting)]
        return ["--preset", "demo", "--scores", "0,2", *words]


def unpack(folder: Path) -> FirstEdition:
    """Unpack what was recorded; the ledger is of the exams where they are now."""
    with tarfile.open(RECORDED) as archive:
        archive.extractall(folder, filter="data")
    unpacked = FirstEdition(folder / "exams", folder / "store")
    (ledger,) = (unpacked.store / "exams").glob("known-*.json")
    uri = FolderSource(unpacked.exams).uri
    text = ledger.read_text().replace(ADDRESS, uri)
    ledger.unlink()
    (unpacked.store / ledger_key(uri)).write_text(text)
    return unpacked
