"""The contract of an augmentation.

Shapes: B batch, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lusgan_core.api import Augmentation
from lusgan_core.testing.records import RecordContract
from lusgan_core.testing.variations import variations

SHAPES = ((5, 1, 32, 32), (3, 3, 64, 64))
"""Shapes of images that are tried: grey and colour, small and larger."""


class AugmentationContract(RecordContract):
    """The tests of an augmentation. Set ``record``."""

    record: Augmentation

    def functions(self) -> dict[str, Callable[..., Any]]:
        """The augmentation's change of images."""
        return {"apply": self.record.apply}

    def apply(self, images: Tensor, seed: int = 0, options: Any = None) -> Tensor:
        """Change images.

        Args:
            images: (B, C, H, W), -1..1.
            seed: Seed of the draws.
            options: Options of the augmentation; None for the defaults.

        Returns:
            What the augmentation returns.
        """
        given = self.record.options() if options is None else options
        return self.record.apply(images, draws(self.record, images, seed), given)

    def test_images_keep_shape_and_type(self) -> None:
        """Grey or colour, in single or double precision, images stay as many and as large."""
        for shape in SHAPES:
            for dtype in (torch.float32, torch.float64):
                found = self.apply(images_of(shape).to(dtype))
                assert isinstance(found, Tensor), f"it returned a {type(found).__name__}"
                assert (found.shape, found.dtype) == (shape, dtype), (
                    f"{self.record.name} made {found.dtype} {tuple(found.shape)} of {dtype} {shape}"
                )
                assert torch.isfinite(found).all(), f"{self.record.name}: values are not finite"

    def test_each_image_is_changed_by_itself(self) -> None:
        """An image becomes the same alone as in a batch, so that nothing leaks between images."""
        images = images_of(SHAPES[0])
        given, options = draws(self.record, images, 1), self.record.options()
        together = self.record.apply(images, given, options)
        for number in range(len(images)):
            part = slice(number, number + 1)
            alone = self.record.apply(images[part], given[part], options)
            torch.testing.assert_close(
                alone, together[part], msg=f"{self.record.name}: image {number} depends on others"
            )

    def test_its_chance_is_its_draws(self) -> None:
        """The same draws give the same images, and torch's own random state stays put."""
        images, state = images_of(SHAPES[0]), torch.get_rng_state()
        one, two = self.apply(images), self.apply(images)
        assert torch.equal(one, two), f"{self.record.name}: the same draws gave two results"
        assert torch.equal(state, torch.get_rng_state()), (
            f"{self.record.name} draws from torch's global random state: use draws"
        )

    def test_draws_make_a_difference(self) -> None:
        """Of twenty seeds one changes the images at least, and where there are draws, not all
        alike."""
        images = images_of(SHAPES[0])
        found = [self.apply(images, seed) for seed in range(20)]
        assert any(not torch.equal(one, images) for one in found), (
            f"{self.record.name} changes no image"
        )
        alike = all(torch.equal(one, found[0]) for one in found)
        assert not (self.record.draws and alike), f"{self.record.name} does not use its draws"

    def test_images_and_draws_are_left_alone(self) -> None:
        """Neither is written to: the training goes on with both."""
        images = images_of(SHAPES[0])
        given = draws(self.record, images, 0)
        before = images.clone(), given.clone()
        self.record.apply(images, given, self.record.options())
        assert torch.equal(images, before[0]), f"{self.record.name} writes to the images"
        assert torch.equal(given, before[1]), f"{self.record.name} writes to the draws"

    def test_gradients_reach_the_images(self) -> None:
        """The generator learns through it: gradients are finite, and an image's is not all zero."""
        images = images_of(SHAPES[0]).requires_grad_(True)
        found = self.apply(images)
        assert found.requires_grad, f"{self.record.name}: its images have no graph"
        torch.autograd.backward(found.square().mean())
        assert images.grad is not None, f"{self.record.name}: no gradient reaches the images"
        assert torch.isfinite(images.grad).all(), f"{self.record.name}: a gradient is not finite"
        assert images.grad.flatten(1).any(dim=1).all(), (
            f"{self.record.name}: an image learns nothing"
        )

    def test_an_option_off_its_default_counts(self) -> None:
        """Each option that can be varied changes some image."""
        images = images_of(SHAPES[0])
        usual = [self.apply(images, seed) for seed in range(5)]
        for name, varied in variations(self.record.options).items():
            found = [self.apply(images, seed, one) for one in varied for seed in range(5)]
            assert any(
                not torch.equal(a, b) for a, b in zip(found, usual * len(varied), strict=True)
            ), f"{self.record.name}: the option {name} changes nothing"


def images_of(shape: tuple[int, int, int, int]) -> Tensor:
    """Images (B, C, H, W) of all levels from -1 to 1."""
    rng = torch.Generator().manual_seed(0)
    return torch.rand(shape, generator=rng) * 2 - 1


def draws(record: Augmentation, images: Tensor, seed: int) -> Tensor:
    """Make draws for images.

    Args:
        record: Says how many numbers an image gets.
        images: (B, C, H, W); the draws are of their type.
        seed: Seed of the draws.

    Returns:
        (B, ``record.draws``), strictly between 0 and 1.
    """
    rng = torch.Generator().manual_seed(seed)
    found = torch.rand((len(images), record.draws), generator=rng).clamp_(min=2.0**-25)
    return found.to(images)
