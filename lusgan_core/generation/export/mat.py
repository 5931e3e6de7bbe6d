"""Synthetic frames as .mat clips with score matrices, in the hospital's layout and names."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import scipy.io
from numpy.typing import NDArray

from lusgan_core.calls.call import stored
from lusgan_core.calls.provenance import ArtifactRef
from lusgan_core.domain import AREAS, SCORES
from lusgan_core.store import Store

CLIP_FRAMES = 60
"""Synthetic frames in one .mat file; a real clip has about as many."""
MAT_TEXT = b"MATLAB 5.0 MAT-file, synthetic frames by lusgan"
MAT_TEXT_BYTES = 116
"""Length of the free text that a MAT-file starts with."""


class MatExport:
    """Writes ``mat/S<score>/<exam>/convex_S<score>_<exam>_<area>.mat`` below a folder."""

    def __init__(self, store: Store, folder: str, score: int) -> None:
        self._store, self._folder, self._score = store, folder, score
        self._clip: list[NDArray[np.uint8]] = []
        self._written: dict[str, ArtifactRef] = {}

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Add the next frame, (H, W) or (H, W, 3) uint8; a full clip is written."""
        self._clip.append(frame)
        if len(self._clip) == CLIP_FRAMES:
            self._write()

    def finish(self) -> dict[str, ArtifactRef]:
        """Write the frames that are left; returns all files by exam, area and kind."""
        if self._clip:
            self._write()
        return self._written

    def _write(self) -> None:
        number = len(self._written) // 2
        exam, area = 1 + number // len(AREAS), AREAS[number % len(AREAS)]
        patient = f"S{self._score}"
        name = f"{self._folder}/mat/{patient}/{exam}/convex_{patient}_{exam}_{area}"
        frames = np.stack(self._clip)
        grey = frames if frames.ndim == 3 else frames.mean(axis=3).round().astype(np.uint8)
        colour = np.repeat(grey[..., None], 3, axis=3)  # as scanners do: three equal channels
        levels = np.arange(1, max(SCORES) + 1)[:, None]
        matrix = np.repeat((self._score >= levels).astype(np.float64), len(frames), axis=1)
        for suffix, variable, value in (
            ("", "frames", colour.transpose(1, 2, 3, 0)),
            ("_score", "Score_matrix", matrix),
        ):
            written = stored(self._store, f"{name}{suffix}.mat", mat_bytes(variable, value))
            self._written[f"mat/{exam}/{area}{suffix}"] = written
        self._clip.clear()


def mat_bytes(variable: str, value: NDArray[Any]) -> bytes:
    """Make a compressed version 5 MAT-file without a time stamp: equal values give equal bytes.

    Args:
        variable: Name of its variable.
        value: Content of its variable, with the shape that MATLAB shows.

    Returns:
        The file's content.
    """
    out = io.BytesIO()
    scipy.io.savemat(out, {variable: value}, do_compression=True)
    out.getbuffer()[:MAT_TEXT_BYTES] = MAT_TEXT.ljust(MAT_TEXT_BYTES)
    return out.getvalue()
