"""``compare`` and ``evaluate``: values of frames in memory, against the formulas themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import lusgan_core as lusgan
from lusgan_core import registry
from lusgan_core.api import PairMetric, Preset
from lusgan_core.errors import MissingError
from lusgan_core.library import installed_plugins
from lusgan_core.registry import Broken, Provider
from lusgan_ops.preflight import checks
from speckle import speckle

A, B = np.asarray(speckle(4, 24, 20, 1)), np.asarray(speckle(3, 24, 20, 2))


def mse(a: Any, b: Any) -> float:
    return float(np.mean((a.astype(float) - b) ** 2))


def test_values_are_an_array_of_pairs() -> None:
    """The value of a[i] and b[j] is at [i, j], for arrays and lists of images alike."""
    wanted = np.array([[mse(a, b) for b in B] for a in A])
    found = lusgan.compare(A, B, "mse")
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
    assert np.array_equal(lusgan.compare(list(A), [Image.fromarray(b) for b in B], "mse"), found)


def test_several_metrics_and_a_set_with_itself() -> None:
    """Several metrics give a dict; of a set with itself all pairs are there, in both orders."""
    own = PairMetric("mine", "Mine", "Mean square", better="lower", identical=0.0, value=mse)
    found = lusgan.compare(A, metrics=["mse", own])
    assert list(found) == ["mse", "mine"]
    wanted = np.array([[mse(a, b) for b in A] for a in A])
    for values in found.values():
        np.testing.assert_allclose(values, wanted, rtol=1e-9)


def test_folders_of_images_are_read(tmp_path: Path) -> None:
    """A folder stands for its images, in the order of their names."""
    for number, frame in enumerate(A):
        Image.fromarray(frame).save(tmp_path / f"{number}.png")
    assert np.array_equal(lusgan.compare(tmp_path, B, "mse"), lusgan.compare(A, B, "mse"))


@pytest.mark.parametrize(
    ("a", "b", "metrics", "said"),
    [
        (A, B[:, :16], "mse", r"24 x 20 grey cannot be compared with frames of 16 x 20"),
        (A, B.astype(float), "mse", r"b are float64"),
        (A, B[0], "mse", r"b are an array shaped \(24, 20\), which looks like one image"),
        (A, B, "nonsense", r"unknown metric 'nonsense'"),
        (A, B, ["mse", "msssim"], r"the metric msssim does not apply to these frames: needs 176"),
        (A, B, [], r"no metric given"),
        (A[:1], None, "mse", r"a: 1 of 24 x 20 pixels, expected at least 2"),
    ],
)
def test_what_cannot_be_compared_is_told(a: Any, b: Any, metrics: Any, said: str) -> None:
    """Sizes, types and metrics are checked; a metric that is named is never left out."""
    with pytest.raises(lusgan.LusganError, match=said):
        lusgan.compare(a, b, metrics=metrics)


def test_an_evaluation_measures_both_sides() -> None:
    """Means are those of all pairs; the floor is that of real frames of different groups."""
    groups = ["x", "x", "y", "y"]
    values = lusgan.evaluate(B, A, metrics="mse", groups=groups, progress=False, device="cpu")
    means = {value.between: value for value in values if value.statistic == "mean"}
    every = [mse(a, b) for a in A for b in B]
    assert means["real", "synthetic"].value == pytest.approx(np.mean(every))
    apart = np.mean([mse(A[i], A[j]) for i in (0, 1) for j in (2, 3)])
    assert means["real", "synthetic"].floor == pytest.approx(apart)
    without = lusgan.evaluate(B, A, metrics="mse", progress=False, device="cpu")
    assert {value.floor for value in without} == {None}
    assert not [value for value in without if value.between == ("real", "real")]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"groups": [1, 2]}, r"groups are shaped \(2,\) for 4 frames: expected one label a frame"),
        ({"held_out": [1, 0, 0, 0]}, r"held_out is int64, expected bool"),
        ({"held_out": [True] * 4}, r"every frame is held out"),
        ({"held_out": [True, False, False, False]}, r"1 groups have frames on both sides"),
        ({"metrics": "msssim"}, r"no metric applies to these frames"),
        ({"metrics": ["mse", "msssim"]}, r"MS-SSIM does not apply to these frames: needs 176"),
        ({"among_frame": 5}, r"unknown option evaluation.among_frame; did you mean 'among_frames'"),
    ],
)
def test_what_cannot_be_evaluated_is_told(options: dict[str, Any], said: str) -> None:
    """Labels have to fit the frames, and whole patients are held out."""
    with pytest.raises(lusgan.LusganError, match=said):
        lusgan.evaluate(B, A, progress=False, device="cpu", **options)


def test_one_frame_is_no_set() -> None:
    """With one frame there is nothing to compare among themselves."""
    for synthetic, real in ((B[:1], A), (B, A[:1])):
        with pytest.raises(lusgan.InputError, match=r"1 of 24 x 20 pixels, expected at least 2"):
            lusgan.evaluate(synthetic, real, progress=False)


def test_installed_plugins_are_listed() -> None:
    """Each has its kind, what it is and where it comes from, and the schema of its options."""
    found = {(plugin.kind, plugin.name): plugin for plugin in lusgan.plugins()}
    assert ("metric", "ssim") in found
    assert found["backbone", "dcgan"].provider.startswith("lusgan ")
    assert found["backbone", "dcgan"].options["width"]["type"] == "integer"
    assert not [kind for kind, _ in found if kind == "broken"]


def test_presets_that_cannot_be_used_are_listed_with_their_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As broken, by the library and by ``lusgan doctor``, beside what else is broken."""
    whole = registry.discover()
    whole.records["preset"]["theirs"] = Preset("theirs", "Broken", {"training": {"sed": 1}})
    whole.providers["preset", "theirs"] = Provider("theirs", "their-dist", "2")
    whole.broken.append(Broken(Provider("other", "other-dist", "3"), "no such module"))
    for module in (installed_plugins, checks):
        monkeypatch.setattr(module, "installed", lambda: whole)
    broken = [plugin for plugin in lusgan.plugins() if plugin.kind == "broken"]
    assert [plugin.provider for plugin in broken] == ["other-dist 3", "their-dist 2"]
    assert "the preset theirs" in broken[1].description
    assert "did you mean 'seed'" in broken[1].description
    with pytest.raises(MissingError) as caught:
        checks.plugins()
    for said in ("other (other-dist 3) is broken: no such module", "did you mean 'seed'"):
        assert said in str(caught.value)
