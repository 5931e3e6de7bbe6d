"""Features of an InceptionV3 of the user's: torchvision's network, weights from a file.

The 2,048 channels before the last layer, averaged over the frame (Szegedy et al., CVPR 2016).
Frames are resized to 299 pixels (bilinear, antialiased), a grey one is seen as three equal
channels, and grey levels 0..255 become -1..1, as the weights that torchvision offers expect it
(there spelled as a normalisation for ImageNet that is taken back). The file has the tensors of
``torchvision.models.inception_v3().state_dict()``; those of ``fc`` and ``AuxLogits`` may be
missing. This is not the network of published FIDs, whose pooling differs.

Shapes: N frames, H height, W width; tensors are NCHW.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lusgan_core.api import ConfigError, FeatureExtractor, check_fit, read_weights
from lusgan_features.batches import extractor
from lusgan_features.user_file import FileOptions, check

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

SIZE = 2048
SIDE = 299
"""Pixels a side to which frames are resized."""
AT_ONCE = 32
"""Frames that go through the network together."""


def build(device: str, options: FileOptions) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Load the weights and return the function that computes the features.

    Args:
        device: A device of torch.
        options: The file of weights.

    Returns:
        A function from frames (N, H, W) or (N, H, W, 3) uint8 to features (N, 2048) float32.

    Raises:
        ConfigError: torchvision is not installed, or the file cannot be used.
    """
    import torch

    try:
        from torchvision.models import inception_v3
    except ImportError as error:
        raise ConfigError(
            "features inception_v3 need torchvision: pip install 'lusgan[inception]'"
        ) from error
    tensors = read_weights(options.file, options.sha256)
    with torch.random.fork_rng(devices=[]):
        network = inception_v3(weights=None, aux_logits=False, init_weights=False)
    network.fc = torch.nn.Identity()
    own = {
        name: tuple(value.shape)
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    counters = {name for name in tensors if name.endswith("num_batches_tracked")}
    given = {name: value for name, value in tensors.items() if name not in counters}
    check_fit(given, own, "torchvision's inception_v3", {"fc", "AuxLogits"})
    network.load_state_dict({name: given[name] for name in own}, strict=False)
    network.eval().to(device)

    def features(x: Tensor) -> Tensor:
        found: Tensor = network((x / 127.5 - 1).expand(-1, 3, -1, -1))
        return found

    return extractor(features, device, SIDE, AT_ONCE)


EXTRACTOR = FeatureExtractor(
    name="inception_v3",
    version="1",
    description="InceptionV3 (torchvision's) with weights from a file of yours: the mean of its "
    "last channels",
    build=build,
    licence="that of your file",
    size=SIZE,
    min_size=8,
    options=FileOptions,
    check=check,
)
