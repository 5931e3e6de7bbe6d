"""Grey levels multiplied by a factor that changes with depth, as time gain compensation does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lusgan_core.api import Augmentation, Options

if TYPE_CHECKING:
    from torch import Tensor


class DepthGainOptions(Options):
    """Options of the depth gain."""

    spread: float = Field(
        0.4,
        ge=0,
        le=2,
        description="Standard deviation of the logarithm of the lower edge's factor over the upper "
        "edge's",
    )


def amplified(images: Tensor, draws: Tensor, options: DepthGainOptions) -> Tensor:
    """Multiply the levels above black by exp(spread n y), n being standard normal.

    Depth y goes from -1/2 at the upper edge to 1/2 at the lower one, so that the middle of the
    image keeps its level; what changes all of it alike is ``gain``.

    Args:
        images: (B, C, H, W).
        draws: (B, 1), uniform in 0..1.
        options: The spread.

    Returns:
        Images of the same shape; levels may be above 1, white, and are not cut off there.
    """
    import torch

    height = images.shape[2]
    depths = (torch.arange(height, device=images.device, dtype=images.dtype) + 0.5) / height - 0.5
    slopes = options.spread * torch.special.ndtri(draws)
    factors: Tensor = (slopes[:, :, None, None] * depths[:, None]).exp()
    return (images + 1) * factors - 1


AUGMENTATION = Augmentation(
    name="depth_gain",
    version="1",
    description="Grey levels multiplied by a factor that changes with depth",
    apply=amplified,
    options=DepthGainOptions,
)
