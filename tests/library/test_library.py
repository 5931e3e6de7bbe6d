"""The library from exams to a page, as the author of a method writes it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lusgan_core as lusgan
from speckle import speckle
from tiny_runs import write_exams

TINY: dict[str, Any] = {
    "preset": "demo",
    "backbone_options": {"width": 4, "dropout": 0.0, "discriminator_norm": "none"},
    "iterations": 3,
    "batch_size": 4,
    "previews": 2,
    "preview_frames": 4,
    "device": "cpu",
    "progress": False,
}
"""A training of a second."""


@pytest.fixture(scope="module")
def frames() -> NDArray[np.uint8]:
    """Six frames of 32 x 32."""
    return np.asarray(speckle(6, 32, 32, 1))


@pytest.fixture(scope="module")
def model(frames: NDArray[np.uint8]) -> lusgan.Model:
    return lusgan.train(frames, seed=1, **TINY)


def test_from_exams_to_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step takes what the one before returned, and only what is asked for is written."""
    for name in ("here", "scratch"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    exams = lusgan.find_exams(write_exams(tmp_path / "exams"), progress=False)
    clips = [lusgan.read_clip(clip) for clip in exams]
    images = [lusgan.preprocess(clip, image_size=32, preset="demo") for clip in clips]
    groups = [f"patient {c.patient}" for c, made in zip(exams, images, strict=True) for _ in made]
    real = np.concatenate(images)
    assert (real.shape, real.dtype) == ((72, 32, 32), np.uint8)
    model = lusgan.train(real, seed=1, score=2, **TINY)
    pictures = model.generate(5, seed=7, device="cpu")
    values = lusgan.evaluate(
        pictures, real, metrics=["mse", "ssim"], groups=groups, progress=False, device="cpu",
        held_out=[group == groups[0] for group in groups],
    )  # fmt: skip
    of_pairs = [v for v in values if v.between == ("real", "synthetic")]
    means = {v.metric: v for v in of_pairs if v.statistic == "mean"}
    assert {v.statistic for v in values if v.metric == "mse"} == {"mean", "sd", "min", "max"}
    assert means["mse"].number == 72 * 5
    assert None not in [value.floor for value in means.values()]
    page = lusgan.report(
        model, real, "page.html", number=5, groups=groups, metrics="mse", preset="demo",
        progress=False, device="cpu",
    )  # fmt: skip
    assert (tmp_path / "here" / "page.html").read_text(encoding="utf-8") == page
    for text in ("Score 2", "lusgan_core.train(frames, preset=", "iterations=3", "<svg"):
        assert text in page
    assert not any(group in page for group in groups), "labels are shown nowhere"
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["page.html"]
    left = [path.name for path in (tmp_path / "scratch").iterdir()]
    assert [name for name in left if not name.startswith("torchinductor_")] == []  # PyTorch's own


def test_equal_calls_give_equal_models(model: lusgan.Model, frames: NDArray[np.uint8]) -> None:
    """The same call gives the same bytes; other frames or another seed give another model."""
    assert lusgan.train(frames.copy(), seed=1, **TINY).weights == model.weights
    assert lusgan.train(255 - frames, seed=1, **TINY).weights != model.weights
    assert lusgan.train(list(frames), seed=2, **TINY).weights != model.weights


def test_frames_do_not_depend_on_what_else_is_generated(model: lusgan.Model) -> None:
    """Frame i of a seed is itself, from whichever frame on it is asked for."""
    five = model.generate(5, seed=3, device="cpu")
    assert (five.shape, five.dtype) == ((5, 32, 32), np.uint8)
    assert np.array_equal(model.generate(2, seed=3, first=3, device="cpu"), five[3:])
    assert not np.array_equal(model.generate(5, seed=4, device="cpu"), five)


def test_a_model_says_how_it_was_trained(model: lusgan.Model) -> None:
    """Losses are arrays of an entry an iteration, and the name tells of loss, size and data."""
    assert model.history["loss_generator"].shape == (3,)
    assert np.isfinite(model.history["loss_discriminator"]).all()
    assert repr(model) == "Model(RSGAN, dcgan, 32 px grey, 3 iterations on 6 frames of score 0)"
    assert "generator_loss" in {value.metric for value in model.values}


def test_a_model_survives_its_files(model: lusgan.Model, tmp_path: Path) -> None:
    """Loaded from a file or a folder it generates the same; a folder keeps the history, too."""
    wanted = model.generate(3, device="cpu")
    file = lusgan.Model.load(model.save(tmp_path / "m.safetensors"))
    folder = lusgan.Model.load(model.save(tmp_path / "folder"))
    for loaded in (file, folder):
        assert np.array_equal(loaded.generate(3, device="cpu"), wanted)
        assert loaded.weights == model.weights
    assert (file.score, file.history, file.manifest) == (None, {}, None)
    assert (folder.score, folder.files, folder.manifest) == (0, model.files, model.manifest)
    with pytest.raises(lusgan.InputError, match="is there already: name a new or empty folder"):
        model.save(tmp_path / "folder")


def test_what_is_no_model_is_refused(model: lusgan.Model, tmp_path: Path) -> None:
    """A missing place, an empty folder and a damaged file are told apart."""
    with pytest.raises(lusgan.InputError, match=r"no model at .*nothing: expected a .safe"):
        lusgan.Model.load(tmp_path / "nothing")
    with pytest.raises(lusgan.InputError, match=r"or a folder with generator\.safetensors"):
        lusgan.Model.load(tmp_path)
    (tmp_path / "half.safetensors").write_bytes(model.weights[: len(model.weights) // 2])
    with pytest.raises(lusgan.LusganError, match="damaged or not lusgan's"):
        lusgan.Model.load(tmp_path / "half.safetensors")
    with pytest.raises(lusgan.InputError, match="loaded from a single file"):
        lusgan.report(
            lusgan.Model.load(model.save(tmp_path / "m.safetensors")), np.zeros((2, 32, 32), "u1")
        )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"iteration": 5}, r"unknown option training.iteration; did you mean 'iterations'\?"),
        ({"iterations": 0}, r"option training.iterations: .* got 0"),
        ({"loss": "none such"}, r"unknown loss 'none such'"),
        ({"preset": "fast"}, r"unknown preset 'fast'; choices: demo, paper, small"),
        ({"batch_size": 8}, r"6 frames do not fill a batch of 8: give more frames, or a smaller"),
        ({"score": 4}, r"score is 4, expected a whole number from 0 to 3"),
        ({"threads": 0}, r"threads is 0, expected at least 1"),
        ({"betas": {1, 2}}, r"option betas is .* cannot be used: expected a number, text"),
    ],
)
def test_a_wrong_option_is_told(
    frames: NDArray[np.uint8], change: dict[str, Any], said: str
) -> None:
    """Options go by name and bounds as on the command line; nothing is trained before."""
    with pytest.raises(lusgan.LusganError, match=said):
        lusgan.train(frames, **TINY | change)


GOOD = np.zeros((6, 32, 32), np.uint8)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (GOOD / 255, r"frames are float64 .* expected uint8 .*: \(255 \* frames\).round\(\)"),
        (np.full((6, 32, 32), np.nan), r"frames are float64 .*; 6,144 values are NaN or infinite"),
        (GOOD.astype(int), r"frames are int64 .*: frames.round\(\).astype\(numpy.uint8\)"),
        (GOOD.astype(int) - 5, r"its values go from -5 to -5"),
        (GOOD[0], r"shaped \(32, 32\), which looks like one image, .*: give image\[None\]"),
        (np.zeros((32, 32, 3), np.uint8), r"\(32, 32, 3\), which looks like one image"),
        (GOOD[:0], r"frames: 0 of 32 x 32 pixels, expected at least 1"),
        ([], r"frames: an empty list, expected uint8"),
        ([GOOD[0], GOOD[0, :16]], r"image 0 is \(32, 32\), image 1 is \(16, 32\)"),
        ([GOOD[0], GOOD[0] / 255], r"frames: image 1 is float64 shaped \(32, 32\), expected uint8"),
        (None, r"frames are object shaped \(\), expected uint8"),
        (np.zeros((6, 32, 32, 4), np.uint8), r"shaped \(6, 32, 32, 4\), expected uint8"),
        (np.zeros((6, 48, 48), np.uint8), r"48 x 48 pixels, networks take squares of 32, 64"),
        (np.zeros((6, 32, 64), np.uint8), r"32 x 64 pixels, networks take squares"),
        (GOOD[:1], r"1 frames do not fill a batch of 4"),
    ],
)
def test_what_is_no_set_of_frames_is_refused(given: object, said: str) -> None:
    """Type, shape, number and size of frames are checked; the message says what was expected."""
    with pytest.raises(lusgan.LusganError, match=said):
        lusgan.train(given, **TINY)  # type: ignore[arg-type]
