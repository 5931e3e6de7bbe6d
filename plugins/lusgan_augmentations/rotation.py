"""Images turned about the apex of the fan, the point in which its scan lines meet.

A convex probe's scan lines meet behind the probe, above the image. A turn about that point moves
tissue along arcs of equal depth, as tilting the probe does. Grey levels are interpolated between
pixels; what comes from outside the image is black.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lusgan_core.api import Augmentation, Options

if TYPE_CHECKING:
    from torch import Tensor


class RotationOptions(Options):
    """Options of the rotation."""

    most_degrees: float = Field(8.0, ge=0, le=45, description="Largest angle, to either side")
    apex: float = Field(
        0.35,
        ge=-0.5,
        le=2,
        description="How far above the upper edge the scan lines meet in the middle column, as a "
        "share of the image's height",
    )


def rotated(images: Tensor, draws: Tensor, options: RotationOptions) -> Tensor:
    """Turn images about the apex.

    Args:
        images: (B, C, H, W), squares.
        draws: (B, 1), uniform in 0..1; 0.5 is no turn.
        options: The largest angle, and where the apex is.

    Returns:
        Images of the same shape.
    """
    import math

    import torch
    from torch.nn.functional import affine_grid, grid_sample

    angle = math.radians(options.most_degrees) * (2 * draws[:, 0] - 1)
    cosine, sine = angle.cos(), angle.sin()
    apex = -1 - 2 * options.apex  # in coordinates that are -1 at the upper edge, 1 at the lower
    across = torch.stack([cosine, -sine, sine * apex], dim=1)
    down = torch.stack([sine, cosine, apex - cosine * apex], dim=1)
    places = affine_grid(torch.stack([across, down], dim=1), list(images.shape), False)
    return grid_sample(images + 1, places, align_corners=False) - 1  # outside it samples zero


AUGMENTATION = Augmentation(
    name="rotation",
    version="1",
    description="Turned about the apex of the fan",
    apply=rotated,
    options=RotationOptions,
)
