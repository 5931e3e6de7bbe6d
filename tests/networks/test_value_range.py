"""Grey levels to network values and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tiny
from lusgan_core.errors import TrainingError
from lusgan_core.networks.value_range import value_map


@pytest.mark.parametrize(
    ("changes", "low", "high"),
    [({"value_range": "0..1"}, 0.0, 1.0), ({"value_range": "-1..1"}, -1.0, 1.0)],
)
def test_range_is_the_one_asked_for(changes, low, high):
    """Level 0 becomes the lower end and 255 the upper, to float32's precision; steps are equal."""
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16)
    values = value_map(tiny.options(**changes), levels)
    images = values.to_model(levels)
    assert images.shape == (1, 1, 16, 16)
    assert images.dtype == torch.float32
    np.testing.assert_allclose(images.flatten(), np.linspace(low, high, 256), atol=2e-7)
    assert values.black == low


@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize("value_range", ["0..1", "-1..1"])
def test_every_level_comes_back(value_range, standardise):
    """to_uint8 undoes to_model exactly for all 256 levels, grey and RGB."""
    grey = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16)
    colour = torch.stack([grey, grey.flip(1), grey.flip(2)], dim=-1)
    chosen = tiny.options(value_range=value_range, standardise=standardise)
    for frames in (grey, colour):
        values = value_map(chosen, frames)
        assert torch.equal(values.to_uint8(values.to_model(frames)), frames)


@pytest.mark.parametrize("value_range", ["0..1", "-1..1"])
def test_standardised_frames_have_mean_0_and_deviation_1(value_range):
    """Over all frames of a score, in either range, to 1e-5 (float32)."""
    frames = torch.from_numpy(tiny.some_frames(9, colour=True))
    images = value_map(tiny.options(standardise=True, value_range=value_range), frames).to_model(
        frames
    )
    assert images.mean().item() == pytest.approx(0, abs=1e-5)
    assert images.std(correction=0).item() == pytest.approx(1, abs=1e-5)


def test_values_outside_the_range_are_clipped():
    """What a generator paints darker than black is black (section 5 of the report: tanh, 0..1)."""
    values = value_map(tiny.options(value_range="0..1"), torch.zeros(1, 2, 2, dtype=torch.uint8))
    painted = torch.tensor([-1.0, 0.0, 0.6, 1.7]).reshape(1, 1, 2, 2)
    assert values.to_uint8(painted).flatten().tolist() == [0, 0, 153, 255]


def test_rgb_planes_keep_their_places():
    """Channel c of frames (B, H, W, 3) is plane c of images (B, 3, H, W)."""
    frames = torch.from_numpy(tiny.some_frames(2, colour=True))
    images = value_map(tiny.options(value_range="0..1"), frames).to_model(frames)
    for c in range(3):
        np.testing.assert_allclose(images[:, c], frames[..., c] / 255, atol=1e-7)


def test_frames_of_one_level_cannot_be_standardised():
    """They have no deviation to divide by, and the error says so."""
    with pytest.raises(TrainingError, match="one grey level"):
        value_map(tiny.options(standardise=True), torch.full((2, 4, 4), 7, dtype=torch.uint8))
