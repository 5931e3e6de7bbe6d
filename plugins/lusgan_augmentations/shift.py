"""Images shifted by whole pixels in both directions; what is uncovered is black.

Whole pixels, as in DiffAugment (Zhao et al., arXiv 2006.10738), because parts of pixels would blur.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lusgan_core.api import Augmentation, Options

if TYPE_CHECKING:
    from torch import Tensor


class ShiftOptions(Options):
    """Options of the shift."""

    most: float = Field(
        0.1, ge=0, le=0.5, description="Largest shift in each direction, as a share of the side"
    )


def shifted(images: Tensor, draws: Tensor, options: ShiftOptions) -> Tensor:
    """Shift images down and to the right, or up and to the left.

    Args:
        images: (B, C, H, W).
        draws: (B, 2), uniform in 0..1, for the vertical and the horizontal shift.
        options: The largest shift.

    Returns:
        Images of the same shape; what is uncovered is -1, black.
    """
    for axis in (2, 3):
        most = round(options.most * images.shape[axis])
        pixels = ((2 * most + 1) * draws[:, axis - 2]).floor().long() - most
        images = _moved(images, pixels, axis)
    return images


def _moved(images: Tensor, pixels: Tensor, axis: int) -> Tensor:
    """Images moved along an axis by a number of pixels each, (B,)."""
    import torch

    size = images.shape[axis]
    source = torch.arange(size, device=images.device) - pixels[:, None]
    shape = (len(images), 1, size, 1) if axis == 2 else (len(images), 1, 1, size)
    inside = ((source >= 0) & (source < size)).reshape(shape)
    index = source.clamp(0, size - 1).reshape(shape).expand(images.shape)
    return torch.where(inside, images.gather(axis, index), -1.0)


AUGMENTATION = Augmentation(
    name="shift",
    version="1",
    description="Shifted by whole pixels in both directions",
    apply=shifted,
    draws=2,
    options=ShiftOptions,
)
