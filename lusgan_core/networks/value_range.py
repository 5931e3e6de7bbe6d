"""The one place where grey levels become network values and back.

Stored frames are uint8, 0..255; a network sees ``level * scale + offset``.
Shapes: B batch, C channels, H height, W width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from lusgan_core.domain import Record
from lusgan_core.errors import TrainingError

if TYPE_CHECKING:
    from torch import Tensor

ValueRange = Literal["0..1", "-1..1"]
"""Ranges that grey levels can be mapped to."""


class RangeOptions(Protocol):
    """The options that determine the range of network values."""

    @property
    def value_range(self) -> ValueRange:
        """The range that grey levels 0..255 are mapped to."""

    @property
    def standardise(self) -> bool:
        """Whether mean and standard deviation of the frames determine the map instead."""


class ValueMap(Record):
    """An affine map from grey levels 0..255 to network values."""

    scale: float
    offset: float

    @property
    def black(self) -> float:
        """The network value of grey level 0."""
        return self.offset

    def to_model(self, frames: Tensor) -> Tensor:
        """Convert uint8 frames (B, H, W) or (B, H, W, 3) to float32 network values (B, C, H, W)."""
        images_BCHW = frames.unsqueeze(1) if frames.ndim == 3 else frames.permute(0, 3, 1, 2)
        return images_BCHW.float() * self.scale + self.offset

    def to_uint8(self, images_BCHW: Tensor) -> Tensor:
        """Convert network values (B, C, H, W) to uint8 (B, H, W[, 3]), rounded and clipped."""
        levels = ((images_BCHW.float() - self.offset) / self.scale).clamp(0, 255).round()
        frames = levels.byte()
        return frames.squeeze(1) if frames.shape[1] == 1 else frames.permute(0, 2, 3, 1)


def value_map(options: RangeOptions, frames: Tensor) -> ValueMap:
    """Make the map to a range or, with the option ``standardise``, to mean 0 and deviation 1.

    Args:
        options: The range that grey levels 0..255 are mapped to, and whether to standardise.
        frames: (N, ...) uint8; they give mean and deviation, and are not read otherwise.

    Returns:
        The map.

    Raises:
        TrainingError: Frames of a single grey level cannot be standardised.
    """
    import torch

    low, high = (0.0, 1.0) if options.value_range == "0..1" else (-1.0, 1.0)
    scale, offset = (high - low) / 255, low
    if options.standardise:
        counts = torch.bincount(frames.flatten(), minlength=256).double()
        levels = torch.arange(256, dtype=torch.float64)
        mean = (counts @ levels / counts.sum()).item()
        deviation = (counts @ (levels - mean) ** 2 / counts.sum()).sqrt().item()
        if deviation == 0:
            raise TrainingError("frames of one grey level only cannot be standardised")
        scale, offset = 1 / deviation, -mean / deviation
    return ValueMap(scale=scale, offset=offset)
