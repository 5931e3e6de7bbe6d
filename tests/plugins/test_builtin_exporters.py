"""Every built-in exporter keeps the contract."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from lusgan_core.testing import ExporterContract
from lusgan_core.testing.exporters import samples, some_frames
from lusgan_exporters import mat, png


class TestMat(ExporterContract):
    record = mat.EXPORTER


class TestPng(ExporterContract):
    record = png.EXPORTER


@pytest.mark.parametrize("says", [False, True])
def test_a_png_says_whose_frame_it_is_unless_told_not_to(says: bool) -> None:
    """Its text names score, model and seed; with the option off there is no text."""
    files = TestPng().export(some_frames(1), png.PngOptions(say_synthetic=says))
    image = Image.open(io.BytesIO(files["frame-000000.png"]))
    wanted = {"Description": samples(1).statement} if says else {}
    assert image.text == wanted
    assert "score 2, model m, seed 7" in samples(1).statement
