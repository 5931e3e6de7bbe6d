"""A black square somewhere in each image (DeVries and Taylor, arXiv 1708.04552)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lusgan_core.api import Augmentation, Options

if TYPE_CHECKING:
    from torch import Tensor


class CutoutOptions(Options):
    """Options of the cutout."""

    side: float = Field(
        0.3, ge=0, le=1, description="Side of the square, as a share of the image's side"
    )


def cut_out(images: Tensor, draws: Tensor, options: CutoutOptions) -> Tensor:
    """Make a square black whose centre is anywhere in the image, so that edges may cut it off.

    Args:
        images: (B, C, H, W).
        draws: (B, 2), uniform in 0..1, for the centre's row and column.
        options: The square's side.

    Returns:
        Images of the same shape, -1 within the squares.
    """
    import torch

    rows, columns = (
        (_places(images, axis) - draws[:, axis - 2, None]).abs() < options.side / 2
        for axis in (2, 3)
    )
    square = rows[:, None, :, None] & columns[:, None, None, :]
    return torch.where(square, -1.0, images)


def _places(images: Tensor, axis: int) -> Tensor:
    """Where along an axis the pixels' centres are, 0..1."""
    import torch

    size = images.shape[axis]
    return (torch.arange(size, device=images.device, dtype=images.dtype) + 0.5) / size


AUGMENTATION = Augmentation(
    name="cutout",
    version="1",
    description="A black square somewhere in each image",
    apply=cut_out,
    draws=2,
    options=CutoutOptions,
)
