"""The augmentations that come with lusgan, made for fans of convex probes: one file for each.

What an image shows must stay what a scanner could show: no vertical reflection, no quarter turns,
no added brightness. What they uncover or cut out is black, as outside the fan.

Shapes: B batch, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence

from lusgan_augmentations import cutout, depth_gain, gain, mirror, rotation, shift
from lusgan_core.api import Augmentation, hookimpl

LUSGAN_API = 2


@hookimpl
def register_augmentations() -> Sequence[Augmentation]:
    """Offer the built-in augmentations."""
    return [
        mirror.AUGMENTATION,
        shift.AUGMENTATION,
        rotation.AUGMENTATION,
        gain.AUGMENTATION,
        depth_gain.AUGMENTATION,
        cutout.AUGMENTATION,
    ]
