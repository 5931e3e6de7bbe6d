"""The built-in augmentations against their contract and against independent references."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import torch
from torch import Tensor

from lusgan_core.registry import installed
from lusgan_core.testing import AugmentationContract

NAMES = ("mirror", "shift", "rotation", "gain", "depth_gain", "cutout")


class TestContract(AugmentationContract):
    """Every built-in augmentation keeps the contract."""

    @pytest.fixture(autouse=True, params=NAMES)
    def choose(self, request: pytest.FixtureRequest) -> None:
        self.record = installed().augmentation(request.param)


def apply(name: str, images: Tensor, draws: Any, **options: Any) -> Tensor:
    record = installed().augmentation(name)
    given = torch.as_tensor(draws, dtype=images.dtype)
    assert given.shape == (len(images), record.draws)
    return record.apply(images, given, record.options(**options))


def some_images(count: int = 3, side: int = 40) -> Tensor:
    """Smooth images in double precision, black at no edge."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((count, 1, side, side))
    smooth = scipy.ndimage.gaussian_filter(noise, (0, 0, 3, 3))
    return torch.from_numpy(np.tanh(smooth / smooth.std()))


@pytest.mark.parametrize("name", NAMES)
def test_black_stays_black(name: str) -> None:
    """What is outside the fan, and what comes in from outside the image, is black."""
    record = installed().augmentation(name)
    rng = torch.Generator().manual_seed(1)
    draws = torch.rand((50, record.draws), generator=rng)
    black = -torch.ones(50, 1, 32, 32)
    torch.testing.assert_close(record.apply(black, draws, record.options()), black)


def test_mirror_leaves_half_of_the_images() -> None:
    """Below one half left and right are exchanged, above it nothing is."""
    images = some_images(2)
    found = apply("mirror", images, [[0.49], [0.51]])
    assert np.array_equal(found[0, 0], np.fliplr(images[0, 0]))
    assert torch.equal(found[1], images[1])


def test_shift_moves_by_whole_pixels_of_equal_chance() -> None:
    """Against scipy's shift; at 40 pixels each of -4 to 4 is as likely as another."""
    images = some_images(1)
    middles = (np.arange(9) + 0.5) / 9
    for rows, columns in ((-4, 2), (0, 0), (3, -1), (4, 4)):
        found = apply("shift", images, [[middles[rows + 4], middles[columns + 4]]])[0, 0]
        wanted = scipy.ndimage.shift(images[0, 0].numpy(), (rows, columns), order=0, cval=-1)
        assert np.array_equal(found, wanted)
    ends = torch.tensor([[1e-7, 1e-7], [1 - 1e-7, 1 - 1e-7]], dtype=torch.float64)
    for found, pixels in zip(apply("shift", images.repeat(2, 1, 1, 1), ends), (-4, 4), strict=True):
        wanted = scipy.ndimage.shift(images[0, 0].numpy(), pixels, order=0, cval=-1)
        assert np.array_equal(found[0], wanted)


@pytest.mark.parametrize("apex", [0.35, 0.0, -0.5])
def test_rotation_turns_about_the_apex(apex: float) -> None:
    """Against scipy's affine transform with linear interpolation, away from the edge."""
    images, side = some_images(3), 40
    found = apply("rotation", images, [[0.0], [0.5], [0.8]], most_degrees=10.0, apex=apex)
    torch.testing.assert_close(found[1], images[1])
    centre = np.array([-0.5 - apex * side, side / 2 - 0.5])  # row, column of the apex, in pixels
    for number, share in ((0, -1.0), (2, 0.6)):
        angle = math.radians(10) * share
        cosine, sine = math.cos(angle), math.sin(angle)
        matrix = np.array([[cosine, sine], [-sine, cosine]])
        wanted = scipy.ndimage.affine_transform(
            images[number, 0].numpy(), matrix, centre - matrix @ centre,
            order=1, mode="grid-constant", cval=-1,
        )  # fmt: skip
        np.testing.assert_allclose(found[number, 0], wanted, atol=1e-9)
        assert np.abs(wanted - images[number, 0].numpy()).max() > 0.3


@pytest.mark.parametrize("name", ["gain", "depth_gain"])
def test_gain_is_lognormal(name: str) -> None:
    """Levels above black are multiplied by exp(spread n), or exp(spread n y) at depth y."""
    images = some_images(3)
    draws = np.array([[0.01], [0.5], [0.9]])
    found = apply(name, images, draws, spread=0.3) + 1
    normal = scipy.stats.norm.ppf(draws)[:, :, None, None]
    depth = np.linspace(-0.5, 0.5, 81)[1::2][:, None] if name == "depth_gain" else 1.0
    wanted = (images.numpy() + 1) * np.exp(0.3 * normal * depth)
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
    if name == "depth_gain":
        np.testing.assert_allclose(found.mean((1, 2, 3))[1], (images + 1).mean((1, 2, 3))[1])


@pytest.mark.parametrize(("row", "column"), [(0.5, 0.5), (0.02, 0.7), (0.99, 0.01)])
def test_cutout_is_a_square_around_its_draws(row: float, column: float) -> None:
    """Pixels whose centre is nearer than half a side in both directions are black, no others."""
    images = some_images(1)
    found = apply("cutout", images, [[row, column]], side=0.3)[0, 0]
    for y in range(40):
        for x in range(40):
            inside = abs((y + 0.5) / 40 - row) < 0.15 and abs((x + 0.5) / 40 - column) < 0.15
            assert found[y, x].item() == (-1 if inside else images[0, 0, y, x].item())
