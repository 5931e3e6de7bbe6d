"""The encoder's networks: features of a frame, and a linear head that gives it a score.

Shapes: B frames, C channels, S side, D features, K scores.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from lusgan_core.errors import ConfigError
from lusgan_core.networks.residual import WIDTHS, ResidualNet
from lusgan_core.weight_files import check_fit, read_weights


class Shape(NamedTuple):
    """What a network takes and gives."""

    side: int
    """Pixels a side to which frames are resized."""
    size: int
    """D."""


SHAPES = {"small": Shape(64, WIDTHS[-1]), "inception_v3": Shape(299, 2048)}


class _Inception(nn.Module):
    """torchvision's InceptionV3 without its last layer."""

    def __init__(self) -> None:
        super().__init__()
        try:
            from torchvision.models import inception_v3
        except ImportError as error:
            raise ConfigError(
                "encoder.network=inception_v3 needs torchvision: pip install 'lusgan[inception]'"
            ) from error
        self.network = inception_v3(weights=None, aux_logits=False, init_weights=False)
        self.network.fc = nn.Identity()
        for layer in self.network.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.network(x.expand(-1, 3, -1, -1))
        return features


class Encoder(nn.Module):
    """A network with its head.

    Args:
        network: ``small`` or ``inception_v3``.
        channels: Channels of the frames, 1 or 3.
        scores: Number of scores that the head tells from each other.
    """

    def __init__(self, network: str, channels: int, scores: int) -> None:
        super().__init__()
        self.shape = SHAPES[network]
        self.body = ResidualNet(channels) if network == "small" else _Inception()
        self.head = nn.Linear(self.shape.size, scores)

    def forward(self, levels: Tensor) -> tuple[Tensor, Tensor]:
        """Compute features (B, D) and logits (B, K) of levels (B, C, S, S), 0..1."""
        features = self.body(2 * levels - 1)
        return features, self.head(features)

    def start_from(self, file: str, sha256: str) -> None:
        """Load a user's weights into the InceptionV3, all but its head.

        Args:
            file: Path of a safetensors file.
            sha256: Its digest, 64 hex digits.

        Raises:
            ConfigError: The file cannot be used, or is of another network.
        """
        tensors = read_weights(file, sha256)
        network = self.body.get_submodule("network")
        own = network.state_dict()
        counted = "num_batches_tracked"
        shapes = {n: tuple(v.shape) for n, v in own.items() if not n.endswith(counted)}
        given = {n: v for n, v in tensors.items() if not n.endswith(counted)}
        check_fit(given, shapes, "torchvision's inception_v3", {"fc", "AuxLogits"})
        network.load_state_dict({name: given[name] for name in shapes}, strict=False)


def changed(levels: Tensor, numbers: torch.Generator) -> Tensor:
    """Change levels at random as other patients and other settings would.

    Mirrored, shifted by up to a tenth, larger or smaller by up to a tenth, turned by up to ten
    degrees, brighter or darker.

    Args:
        levels: (B, C, S, S), 0..1; 0 is black.
        numbers: Where chance comes from, on the CPU.

    Returns:
        As many, 0..1.
    """
    count = len(levels)
    draw = torch.rand(count, 6, generator=numbers)
    spread = 2 * draw - 1
    angle, scale = spread[:, 0] * (torch.pi / 18), 1 + 0.1 * spread[:, 1]
    mirror = torch.where(draw[:, 2] < 0.5, -1.0, 1.0)
    turns = torch.zeros(count, 2, 3)
    turns[:, 0, 0] = mirror * scale * angle.cos()
    turns[:, 0, 1] = -scale * angle.sin()
    turns[:, 1, 0] = mirror * scale * angle.sin()
    turns[:, 1, 1] = scale * angle.cos()
    turns[:, :, 2] = 0.2 * spread[:, 3:5]
    grid = functional.affine_grid(turns.to(levels.device), list(levels.shape), align_corners=False)
    moved = functional.grid_sample(levels, grid, align_corners=False)
    gain = (0.25 * spread[:, 5]).exp().to(levels.device)
    return (moved * gain[:, None, None, None]).clamp(0, 1)
