"""Grey levels multiplied by one factor an image, as a scanner's gain does; black stays black."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lusgan_core.api import Augmentation, Options

if TYPE_CHECKING:
    from torch import Tensor


class GainOptions(Options):
    """Options of the gain."""

    spread: float = Field(
        0.2, ge=0, le=1, description="Standard deviation of the factor's logarithm"
    )


def amplified(images: Tensor, draws: Tensor, options: GainOptions) -> Tensor:
    """Multiply the levels above black by exp(spread n), n being standard normal.

    Args:
        images: (B, C, H, W).
        draws: (B, 1), uniform in 0..1.
        options: The spread.

    Returns:
        Images of the same shape; levels may be above 1, white, and are not cut off there.
    """
    import torch

    factors: Tensor = (options.spread * torch.special.ndtri(draws)).exp()
    return (images + 1) * factors[:, :, None, None] - 1


AUGMENTATION = Augmentation(
    name="gain",
    version="1",
    description="Grey levels multiplied by one factor",
    apply=amplified,
    options=GainOptions,
)
