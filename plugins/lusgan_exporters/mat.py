"""Frames as .mat clips with score matrices, in the hospital's layout and names:
``S<score>/<exam>/convex_S<score>_<exam>_<area>.mat``.

A clip's file holds its frames alone, since programs of that layout take the only variable there is.
Its text names weights, seed and first number; what is told of each frame lies beside it, in
``source_S<score>_<exam>_<area>.csv``.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from lusgan_core.api import AREAS, SCORES, Exporter, ExportFolder, NoOptions, Samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lusgan_core.api import Frame

CLIP_FRAMES = 60
"""Most frames in one .mat file; a real clip has about as many."""
MAT_TEXT = "MATLAB 5.0 MAT-file, {} frames by lusgan"
MAT_TEXT_BYTES = 116
"""Length of the free text that a MAT-file starts with."""
EXAMS_A_SCORE = 1000
"""A real patient may have frames of several scores: exams of score s are numbered from 1000 s."""


class MatExport:
    """A set of frames on its way into .mat files."""

    def __init__(self, folder: ExportFolder, samples: Samples, options: NoOptions) -> None:
        """Start without a frame.

        Args:
            folder: Where the files go.
            samples: Whose frames they are.
            options: There are none.
        """
        self._folder, self._samples = folder, samples
        self._clip: list[Frame] = []
        self._facts: list[dict[str, Any]] = []
        self._written: dict[str, int] = {}
        self._added = 0
        self._names: list[str] = []

    def add(self, frame: Frame) -> None:
        """Take the next frame, (H, W) or (H, W, 3) uint8; a full or ended clip is written."""
        facts = self._samples.facts(self._added, frame)
        self._added += 1
        if self._clip and (
            len(self._clip) == CLIP_FRAMES or _clip(facts) != _clip(self._facts[-1])
        ):
            self._write()
        self._clip.append(frame)
        self._facts.append(facts)

    def finish(self) -> list[str]:
        """Write the frames that are left; returns the names of all files."""
        if self._clip:
            self._write()
        return self._names

    def _write(self) -> None:
        import numpy as np

        score, synthetic = self._samples.score, self._samples.synthetic
        first = 0 if synthetic else EXAMS_A_SCORE * score
        patient = f"S{score}" if synthetic else self._facts[0]["patient"]
        number = self._written.get(patient, 0)
        self._written[patient] = number + 1
        exam, area = first + 1 + number // len(AREAS), AREAS[number % len(AREAS)]
        folder, clip = f"{patient}/{exam}", f"{patient}_{exam}_{area}"
        frames = np.stack(self._clip)
        grey = frames if frames.ndim == 3 else frames.mean(axis=3).round().astype(np.uint8)
        colour = np.repeat(grey[..., None], 3, axis=3)  # as scanners do: three equal channels
        levels = np.arange(1, max(SCORES) + 1)[:, None]
        matrix = np.repeat((score >= levels).astype(np.float64), len(frames), axis=1)
        text = head(self._samples, self._facts[0])
        files = {
            f"convex_{clip}.mat": mat_bytes("frames", colour.transpose(1, 2, 3, 0), text),
            f"convex_{clip}_score.mat": mat_bytes("Score_matrix", matrix, text),
            f"source_{clip}.csv": table(self._facts),
        }
        for file, data in files.items():
            self._names.append(f"{folder}/{file}")
            self._folder.put(self._names[-1], data)
        self._clip.clear()
        self._facts.clear()


def _clip(facts: dict[str, Any]) -> tuple[Any, Any]:
    return facts["patient"], facts["clip"]


def table(facts: list[dict[str, Any]]) -> bytes:
    """What is told of a clip's frames, as CSV with a row a frame."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(facts[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(facts)
    return out.getvalue().encode()


def head(samples: Samples, first: dict[str, Any]) -> bytes:
    """Make the text that a clip's file begins with.

    Args:
        samples: The set that its frames are of.
        first: What is told of the first of them.

    Returns:
        What made the frames, and the first one's number.
    """
    if not samples.synthetic:
        return MAT_TEXT.format("real").encode()
    text = MAT_TEXT.format("synthetic")
    made = f", weights {samples.weights[:8]}, seed {samples.seed}, from {first['number']}"
    return f"{text}{made}".encode()


def mat_bytes(variable: str, value: NDArray[Any], text: bytes) -> bytes:
    """Make a compressed version 5 MAT-file without a time stamp: equal values give equal bytes.

    Args:
        variable: Name of its variable.
        value: Content of its variable, with the shape that MATLAB shows.
        text: What it begins with, at most 116 bytes.

    Returns:
        The file's content.
    """
    import scipy.io

    out = io.BytesIO()
    scipy.io.savemat(out, {variable: value}, do_compression=True)
    out.getbuffer()[:MAT_TEXT_BYTES] = text.ljust(MAT_TEXT_BYTES)
    return out.getvalue()


EXPORTER = Exporter(
    name="mat",
    version="2",
    description=".mat clips and score matrices, in the hospital's layout",
    open=MatExport,
    score_folders=False,
)
