"""Features of frames, by a feature extractor that is built once.

Shapes: N frames, H height, W width, D features a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import FeatureExtractor, NoOptions
from lusgan_core.errors import PluginError
from lusgan_core.measures.plugin_calls import measured_by

BATCH = 256
"""Frames that an extractor gets at once."""
Extract = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def build_extractor(
    record: FeatureExtractor, options: Mapping[str, Any] | None = None, device: str = "cpu"
) -> Extract:
    """Build a feature extractor, and check all that it gives.

    Args:
        record: The extractor.
        options: Values of its options model; what is not named keeps its default.
        device: A device of torch.

    Returns:
        A function from frames (N, H, W) or (N, H, W, 3) uint8 to features (N, D) float32. It raises
        PluginError where the extractor fails, or gives features of another shape or type, or ones
        that are not finite.

    Raises:
        PluginError: The extractor cannot be built.
        ValidationError: The options model refuses a value.
    """
    named = f"feature extractor {record.name!r}"
    given: tuple[Any, ...] = (device,)
    if record.options is not NoOptions:
        given = (device, record.options.model_validate(options or {}))
    extract = measured_by(named, "cannot be built", partial(record.build, *given))

    def checked(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        parts = []
        for first in range(0, len(frames), BATCH):
            batch = frames[first : first + BATCH].view()
            batch.flags.writeable = False
            wrong = f"failed on frames shaped {batch.shape[1:]}"
            found = measured_by(named, wrong, partial(extract, batch))
            _check(record, found, len(batch))
            parts.append(found)
        return np.concatenate(parts) if parts else np.empty((0, record.size), np.float32)

    return checked


def _check(record: FeatureExtractor, found: Any, frames: int) -> None:
    """Raise PluginError for anything but finite features (N, D) float32."""
    what = f"{getattr(found, 'dtype', type(found).__name__)} shaped {np.shape(found)}"
    shape = (frames, record.size)
    if not isinstance(found, np.ndarray) or found.shape != shape or found.dtype != np.float32:
        raise PluginError(
            f"feature extractor {record.name!r} gave {what}: expected float32 shaped {shape}"
        )
    if not np.isfinite(found).all():
        raise PluginError(f"feature extractor {record.name!r} gave features that are not finite")
