"""The three records against lusgan's contract suites, and what is particular to each."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lusgan_example.mirror import MIRROR
from lusgan_example.mutual_information import NMI
from lusgan_example.wasserstein import WASSERSTEIN

from lusgan_core.api import NetworkSpec
from lusgan_core.testing import BackboneContract, LossContract, PairMetricContract


class TestMirror(BackboneContract):
    record = MIRROR

    def test_images_are_symmetric(self) -> None:
        """The right half of an image is the mirror image of the left one."""
        generator, _ = self.networks(NetworkSpec(32, 1, 8, 1))
        images = generator(torch.randn(2, 8))
        assert torch.equal(images, images.flip(3))


class TestWasserstein(LossContract):
    record = WASSERSTEIN


class TestMutualInformation(PairMetricContract):
    record = NMI

    def test_sees_through_an_inversion(self) -> None:
        """A negative says all about its frame: the value is 2, where PSNR would be low."""
        frame = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
        assert NMI.value(frame, 255 - frame) == pytest.approx(2.0)
