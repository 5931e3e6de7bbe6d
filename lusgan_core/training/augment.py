"""Augments what the discriminator sees, as strongly as its advantage asks for.

Real and synthetic images are changed alike, each augmentation changing each image with one
probability, the *strength*. It rises while the discriminator is ahead and falls while it is not, so
that a score with few frames gets more of it (ADA, Karras et al., arXiv 2006.06676). There the mean
sign of D(real) says who is ahead; here it is that of D(real) - D(fake), because relativistic losses
leave D(real) itself without a zero.

Draws are made for the whole batch on the CPU, and depend on seed, purpose and step alone: a resumed
training, another device and several processes augment alike.

Shapes: B batch, C channels, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lusgan_core.api import Augmentation
from lusgan_core.errors import PluginError
from lusgan_core.networks.seeding import generator
from lusgan_core.plugin_guard import inside_plugin
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.recipe import Recipe
from lusgan_core.training.shared.process_group import ALONE, Group

SMALLEST = 2.0**-25
"""Draws are at least this, since a normal number would be infinite at 0."""
MIDDLE = 127.5
"""Grey level that augmentations know as 0."""


@dataclass(frozen=True)
class Augmenter:
    """Applies the augmentations of a recipe."""

    options: TrainingOptions
    recipe: Recipe
    group: Group = ALONE
    """The processes that share each batch."""

    def __call__(self, images_BCHW: Tensor, strength: Tensor, purpose: str, step: int) -> Tensor:
        """Change images, each with the same probability.

        Args:
            images_BCHW: Images in the model's range: this process's part of a batch.
            strength: Probability of each change, a scalar on the images' device.
            purpose: What the images are for, which tells their draws from those of others.
            step: Number of the step.

        Returns:
            Images in the model's range; gradients pass through.

        Raises:
            PluginError: An augmentation fails, or returns another shape or type.
        """
        chosen, values = self.recipe.augmentations, self.recipe.record.values
        if not chosen:
            return images_BCHW
        counts = [1 + augmentation.draws for augmentation, _ in chosen]
        chance = generator(self.options.seed, f"augment {purpose}", step)
        draws = torch.rand((self.options.batch_size, sum(counts)), generator=chance)
        draws = self.group.part(draws.clamp_(min=SMALLEST)).to(images_BCHW)
        factor = values.scale * MIDDLE  # network values in the place of levels -1..1
        middle = values.offset + factor
        images = (images_BCHW - middle) / factor
        for (augmentation, given), own in zip(
            chosen, torch.split(draws, counts, dim=1), strict=True
        ):
            changed = _changed(augmentation, images, own[:, 1:], given)
            images = torch.where(own[:, 0, None, None, None] < strength, changed, images)
        return images * factor + middle


def followed(strength: Tensor, sign: Tensor, options: TrainingOptions) -> Tensor:
    """Move the strength by one batch: up if the discriminator is ahead, else down.

    Args:
        strength: Probability of each change, a scalar 0..1.
        sign: Mean sign of D(real) - D(fake) over the batch, a scalar -1..1.
        options: The target, and the images in which the strength goes from 0 to 1.

    Returns:
        The new strength, 0..1; no value is copied from the device.
    """
    if not options.augmentations or not options.augmentation_images:
        return strength
    move = options.batch_size / options.augmentation_images
    return (strength + move * (sign - options.augmentation_target).sign()).clamp(0, 1)


def _changed(
    augmentation: Augmentation, images_BCHW: Tensor, draws: Tensor, options: object
) -> Tensor:
    with inside_plugin("augmentation", augmentation.name, "its change of images"):
        changed = augmentation.apply(images_BCHW, draws, options)
    if (
        not isinstance(changed, Tensor)
        or changed.shape != images_BCHW.shape
        or changed.dtype != images_BCHW.dtype
    ):
        found = (
            f"{changed.dtype} {tuple(changed.shape)}"
            if isinstance(changed, Tensor)
            else f"a {type(changed).__name__}"
        )
        raise PluginError(
            f"augmentation {augmentation.name!r}: it made {found} of images {images_BCHW.dtype} "
            f"{tuple(images_BCHW.shape)}, expected the same shape and type"
        )
    return changed
