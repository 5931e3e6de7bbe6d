"""Numbers beside the frames that say how they were taken: frame rate and scale.

They are told by the names of their variables, in which capitals and underscores don't count.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lusgan_core.api import ClipError
from lusgan_readers.mat_variable import MatFile

NAMES: Mapping[str, tuple[str, ...]] = {
    "frame_rate_hz": ("fps", "framerate", "framespersecond", "frameratehz", "frhz"),
    "pixels_per_cm": ("pixelspercm", "pxpercm", "pixpercm", "pixelpercm", "ppcm"),
    "pixels_per_mm": ("pixelspermm", "pxpermm", "pixpermm", "pixelpermm"),
    "mm_per_pixel": ("mmperpixel", "mmperpx", "pixelsizemm", "pixelspacingmm"),
    "depth_mm": ("depthmm",),
    "depth_cm": ("depthcm",),
}
TIMES_S = ("ts", "times", "timess", "timestampss", "timeseconds")
"""Names of vectors of the frames' times in seconds: ``t_s``, ``time_s``."""
MAX_BYTES = 1 << 20


def facts_beside(mat: MatFile, name: str, frames: int) -> dict[str, float]:
    """Collect what is known of a clip from the variables beside its frames.

    Args:
        mat: The open file.
        name: Name of the variable with the frames.
        frames: Number of the clip's frames.

    Returns:
        Positive, finite numbers by name, with the unit in it: ``frame_rate_hz``, ``pixels_per_cm``.
    """
    found: dict[str, float] = {}
    for variable in mat.variables:
        plain = variable.name.replace("_", "").lower()
        if variable.name == name or variable.inside or variable.size > MAX_BYTES:
            continue
        fact = next((key for key, names in NAMES.items() if plain in names), None)
        is_time = plain in TIMES_S and sorted(variable.shape) == [1, frames] and frames > 1
        try:
            if fact and int(np.prod(variable.shape)) == 1:
                value = float(mat.array(variable).flat[0])
            elif is_time and "frame_rate_hz" not in found:
                fact = "frame_rate_hz"
                value = float(1 / max(1e-9, np.median(np.diff(mat.array(variable).ravel()))))
            else:
                continue
        except ClipError:
            continue  # nothing depends on it
        if np.isfinite(value) and value > 0:
            found[fact] = round(value, 6)
    return found
