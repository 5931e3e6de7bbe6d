"""Synthetic frames as .mat clips with score matrices, in the hospital's layout and names:
``mat/S<score>/<exam>/convex_S<score>_<exam>_<area>.mat``."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from lusgan_core.api import AREAS, SCORES, Exporter, ExportFolder, NoOptions, Samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lusgan_core.api import Frame

CLIP_FRAMES = 60
"""Synthetic frames in one .mat file; a real clip has about as many."""
MAT_TEXT = b"MATLAB 5.0 MAT-file, synthetic frames by lusgan"
MAT_TEXT_BYTES = 116
"""Length of the free text that a MAT-file starts with."""


class MatExport:
    """A sample set on its way into .mat files."""

    def __init__(self, folder: ExportFolder, samples: Samples, options: NoOptions) -> None:
        """Start without a frame.

        Args:
            folder: Where the files go.
            samples: Whose frames they are.
            options: There are none.
        """
        self._folder, self._score = folder, samples.score
        self._clip: list[Frame] = []
        self._names: list[str] = []

    def add(self, frame: Frame) -> None:
        """Take the next frame, (H, W) or (H, W, 3) uint8; a full clip is written."""
        self._clip.append(frame)
        if len(self._clip) == CLIP_FRAMES:
            self._write()

    def finish(self) -> list[str]:
        """Write the frames that are left; returns the names of all files."""
        if self._clip:
            self._write()
        return self._names

    def _write(self) -> None:
        import numpy as np

        number = len(self._names) // 2
        exam, area = 1 + number // len(AREAS), AREAS[number % len(AREAS)]
        patient = f"S{self._score}"
        name = f"{patient}/{exam}/convex_{patient}_{exam}_{area}"
        frames = np.stack(self._clip)
        grey = frames if frames.ndim == 3 else frames.mean(axis=3).round().astype(np.uint8)
        colour = np.repeat(grey[..., None], 3, axis=3)  # as scanners do: three equal channels
        levels = np.arange(1, max(SCORES) + 1)[:, None]
        matrix = np.repeat((self._score >= levels).astype(np.float64), len(frames), axis=1)
        for suffix, variable, value in (
            ("", "frames", colour.transpose(1, 2, 3, 0)),
            ("_score", "Score_matrix", matrix),
        ):
            self._names.append(f"{name}{suffix}.mat")
            self._folder.put(self._names[-1], mat_bytes(variable, value))
        self._clip.clear()


def mat_bytes(variable: str, value: NDArray[Any]) -> bytes:
    """Make a compressed version 5 MAT-file without a time stamp: equal values give equal bytes.

    Args:
        variable: Name of its variable.
        value: Content of its variable, with the shape that MATLAB shows.

    Returns:
        The file's content.
    """
    import scipy.io

    out = io.BytesIO()
    scipy.io.savemat(out, {variable: value}, do_compression=True)
    out.getbuffer()[:MAT_TEXT_BYTES] = MAT_TEXT.ljust(MAT_TEXT_BYTES)
    return out.getvalue()


EXPORTER = Exporter(
    name="mat",
    version="1",
    description=".mat clips and score matrices, in the hospital's layout",
    open=MatExport,
)
