"""Left and right exchanged in half of the images: a probe can be held either way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lusgan_core.api import Augmentation, NoOptions

if TYPE_CHECKING:
    from torch import Tensor


def mirrored(images: Tensor, draws: Tensor, options: NoOptions) -> Tensor:
    """Exchange left and right where a draw is below one half.

    Args:
        images: (B, C, H, W).
        draws: (B, 1), uniform in 0..1.
        options: Not used.

    Returns:
        Images of the same shape.
    """
    import torch

    return torch.where(draws[:, :, None, None] < 0.5, images.flip(3), images)


AUGMENTATION = Augmentation(
    name="mirror",
    version="1",
    description="Left and right exchanged in half of the images",
    apply=mirrored,
)
