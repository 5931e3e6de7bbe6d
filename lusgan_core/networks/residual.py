"""The small residual network that judges frames, and what it takes.

Shapes: B frames, C channels, H height, W width, S side, D features.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (16, 32, 64, 128)
"""Channels of the network's stages; each but the first halves the side."""


class _Block(nn.Module):
    """Two convolutions beside a connection that passes them by (He et al., CVPR 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm_after = nn.BatchNorm2d(outputs)
        self.beside = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm_after(self.second(functional.relu(self.norm(self.first(x)))))
        return functional.relu(inner + self.beside(x))


class ResidualNet(nn.Module):
    """A residual network of four stages, from images to ``WIDTHS[-1]`` features.

    Args:
        channels: Channels of the images, 1 or 3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, WIDTHS[0], 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(WIDTHS[0])
        ends = zip((WIDTHS[0], *WIDTHS), WIDTHS, strict=False)
        self.stages = nn.Sequential(
            *(_Block(a, b, 1 if number == 0 else 2) for number, (a, b) in enumerate(ends))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute features (B, D) of images (B, C, S, S), -1..1."""
        features: Tensor = self.stages(functional.relu(self.norm(self.stem(x)))).mean((2, 3))
        return features


def to_levels(frames: Tensor, side: int, channels: int) -> Tensor:
    """Bring frames to what a network that judges them takes.

    Args:
        frames: (B, H, W) or (B, H, W, 3) uint8, on any device.
        side: S.
        channels: C; grey frames become colour ones and colour ones grey as needed.

    Returns:
        Levels (B, C, S, S) float32, 0..1.
    """
    x = frames.float() / 255
    x = x.unsqueeze(1) if x.ndim == 3 else x.permute(0, 3, 1, 2)
    if channels == 1 and x.shape[1] == 3:
        x = x.mean(1, keepdim=True)
    x = x.expand(-1, channels, -1, -1)
    if tuple(x.shape[2:]) == (side, side):
        return x
    return functional.interpolate(x, (side, side), mode="bilinear", antialias=True)
