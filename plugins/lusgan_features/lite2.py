"""Features of EfficientNet-Lite2: see ``efficientnet_lite``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lusgan_core.api import FeatureExtractor
from lusgan_features.efficientnet_lite import SIZE, build_lite, weights_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


def weights() -> Sequence[Path]:
    """Find the file of weights; raises ConfigError where its package is not installed."""
    return weights_of("lite2")


def build(device: str) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Load the network; raises ConfigError where the package of its weights is not installed."""
    return build_lite(device, "lite2")


EXTRACTOR = FeatureExtractor(
    name="lite2",
    version="1",
    description="EfficientNet-Lite2, trained on ImageNet: the mean of its last channels",
    build=build,
    licence="Apache-2.0",
    size=SIZE,
    min_size=8,
    weights=weights,
)
