"""What an exporter is told of the frames that it writes, and where it writes them.

Shapes: H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Frame = NDArray[np.uint8]
    """(H, W) grey or (H, W, 3) colour, 0..255."""

MODEL_MADE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's DigitalSourceType of pictures that a trained model made."""
CAPTURED = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
"""IPTC's DigitalSourceType of pictures that a machine took."""
NONE = "-"
"""Text in place of one that a frame has not; -1 stands for a number. Readers of tables guess a
column's type from its values, so none is left empty."""


@dataclass(frozen=True)
class Samples:
    """What an exporter is told of the frames that it writes.

    They are synthetic, unless ``patients`` says whose each one is.
    """

    score: int
    """Severity score that all of them show."""
    model: str
    """Name of the model that made them; empty for real frames."""
    seed: int
    """Seed of the noise that they were made from; frame i is number i of that seed."""
    count: int
    """Number of frames."""
    weights: str = ""
    """sha256 of the generator's weights, in hex; empty where it is not told."""
    side: str = ""
    """In a data set its side, ``train`` or ``test``; else empty."""
    patients: tuple[str, ...] = ()
    """Letter of each real frame's patient; frames of one patient follow each other."""
    clips: tuple[int, ...] = ()
    """Number of each real frame's clip among those of its patient and score, from 1."""

    @property
    def synthetic(self) -> bool:
        """Whether a model made them."""
        return not self.patients

    @property
    def statement(self) -> str:
        """The sentence that every file is to hold, where its format has room for words."""
        if not self.synthetic:
            return f"Real ultrasound frames, patients as letters, by lusgan: score {self.score}"
        return (
            f"Synthetic frames by lusgan, not for diagnosis: score {self.score}, model "
            f"{self.model}, seed {self.seed}"
        )

    def facts(self, number: int, frame: Frame) -> dict[str, str | int | bool]:
        """What is to be told of one frame, for formats with room for a table.

        Args:
            number: Its place in this set, from 0.
            frame: Its pixels, uint8.

        Returns:
            The same names for every frame, in one order; ``-`` or -1 for what it has not: a
            synthetic frame is of no patient, a real one of no model.
        """
        real = not self.synthetic
        return {
            "synthetic": not real,
            "score": self.score,
            "patient": self.patients[number] if real else NONE,
            "clip": self.clips[number] if real and self.clips else -1,
            "model": self.model or NONE,
            "weights": self.weights or NONE,
            "seed": -1 if real else self.seed,
            "number": -1 if real else number,
            "digest": sha256(frame.tobytes()).hexdigest(),
            "source_type": CAPTURED if real else MODEL_MADE,
        }


class ExportFolder(Protocol):
    """Where an exporter writes: a folder of its own, and nothing else of the store."""

    def put(self, name: str, data: bytes) -> str:
        """Write a file.

        Args:
            name: Path below the folder, parts joined by single slashes, each written once.
            data: The whole content.

        Returns:
            The sha256 of the content, in hex.
        """


class Export(Protocol):
    """One sample set on its way into files; made by ``Exporter.open``."""

    def add(self, frame: Frame) -> None:
        """Take the next frame, (H, W) or (H, W, 3) uint8; it is read-only, and of one shape."""

    def finish(self) -> Sequence[str]:
        """Write what is left; returns the names of all files that were put into the folder."""
