"""``lusgan distance``: two folders, whose images are of whom, and what goes wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from files_of_weights import lite0_tensors, written
from lusgan_core.measures.bound import bound
from lusgan_core.measures.features import build_extractor
from lusgan_core.measures.sides import Side
from lusgan_core.registry import installed
from speckle import speckle

PATIENTS, FRAMES = 5, 8


def save(folder: Path, frames: np.ndarray) -> Path:
    """Write frames as numbered images."""
    folder.mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{number:03}.png")
    return folder


@pytest.fixture
def real() -> np.ndarray:
    """Frames of five patients, eight each in two clips."""
    return speckle(PATIENTS * FRAMES, 32, 32, 1)


@pytest.fixture
def folders(tmp_path: Path, real: np.ndarray) -> tuple[Path, Path]:
    """Real frames, and as many others."""
    return save(tmp_path / "real", real), save(tmp_path / "made", speckle(40, 32, 32, 2) // 2)


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    """The table of the real frames."""
    rows = [f"{n:03}.png,p{n // FRAMES},{n // 4 % 2}" for n in range(PATIENTS * FRAMES)]
    table = tmp_path / "groups.csv"
    table.write_text("\n".join(["file,patient,clip", *rows]))
    return table


def features(frames: np.ndarray) -> np.ndarray:
    return build_extractor(installed().feature("random"))(frames).astype(float)


def test_values_are_those_of_the_metrics(lusgan, folders, groups, real) -> None:
    """At two fifths of A's frames a side, evenly spaced, so that halves of A's patients have as
    many: the value, the floor of ten pairs of halves, their range, the interval, and noise."""
    said = lusgan(
        "distance", *folders, "--groups", groups, "--features", "random", "--metrics", "kid,fid",
        "--json",
    )  # fmt: skip
    assert said.code == 0
    found = json.loads(said.out)
    assert (found["frames"], found["absent"]) == (16, {})
    kid, fid = found["values"]
    assert (kid["metric"], kid["title"], kid["number"]) == ("kid/random", "KID (random)", 16)
    kept = np.linspace(0, 39, 16).round().astype(int)
    owners = np.arange(40) // FRAMES
    a, b = features(real)[kept], features((speckle(40, 32, 32, 2) // 2)[kept])
    metric = bound(installed().set_metric("kid"))
    assert kid["value"] == pytest.approx(metric.value(a, b, owners[kept], np.arange(16)), rel=1e-5)
    side = Side(features(real), tuple(f"p{owner}" for owner in owners))
    fids = [
        bound(installed().set_metric("fid")).value(one.features, other.features)
        for one, other in side.halves(16)
    ]
    assert len(fids) == 10
    assert fid["floor"] == pytest.approx(np.mean(fids), rel=1e-5)
    assert fid["floor_range"] == pytest.approx(np.quantile(fids, [0.05, 0.95]).tolist(), rel=1e-5)
    assert fid["floor"] < fid["value"] < fid["ceilings"]["noise"]
    assert fid["interval"][0] < fid["value"] < fid["interval"][1]


def test_without_groups_there_is_no_floor(lusgan, folders) -> None:
    """All frames are used, KID is the published one, and a line says what is missing."""
    how = ("--features", "random", "--metrics", "kid,kid_textbook")
    said = lusgan("distance", *folders, *how, "--json")
    kid, textbook = json.loads(said.out)["values"]
    assert kid["value"] == textbook["value"]
    assert (kid["number"], kid["floor"], kid["interval"]) == (40, None, None)
    said = lusgan("distance", *folders, "--frames", 10)
    assert said.code == 0
    assert "on lite0" in said.out
    assert "The extractors lite0 and random" in said.out
    assert "FID at infinity (random) is absent: needs 50 frames a side, there are 10" in said.out
    assert "without --groups every frame counts as a patient of its own" in said.err
    assert said.last == "10 frames a side"
    assert "random of A: 10 of 10 frames" in said.err  # progress


def test_frames_of_another_size_are_refused(lusgan, folders, tmp_path) -> None:
    """With both sizes; so is colour beside grey."""
    larger = save(tmp_path / "larger", speckle(3, 32, 48, 2))
    said = lusgan("distance", folders[0], larger)
    assert said.code == 2
    assert said.last.endswith(
        "the frames of A are 32 x 32 grey, those of B 32 x 48 grey: bring them to one size"
    )
    colour = save(tmp_path / "colour", np.zeros((3, 32, 32, 3), np.uint8))
    said = lusgan("distance", folders[0], colour)
    assert "those of B 32 x 32 RGB: save them all in grey, or all in RGB" in said.last


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--metrics", "fid_infinity"), "no distance could be taken: FID at infinity (lite0) needs "
         "50 frames a side, there are 40; FID at infinity (random) needs 50"),
        (("--metrics", "kld"), "unknown metric 'kld'"),
        (("--metrics", "mse"), "the metric 'mse' compares pairs of frames"),
        (("--features", "lite"), "unknown feature 'lite'; did you mean 'lite"),
        (("--features", ","), "--features names nothing"),
        (("--groups", "none.csv"), "none.csv cannot be read as a CSV file"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_told(lusgan, folders, arguments, said) -> None:
    """Exit code 2, and a line with what was expected."""
    found = lusgan("distance", *folders, *arguments)
    assert (found.code, found.out) == (2, "")
    assert said in found.last


def test_unreadable_images_are_named(lusgan, folders) -> None:
    """A file that is no image, and one cut off in its pixels."""
    (folders[1] / "bad.png").write_bytes(b"no image")
    said = lusgan("distance", *folders)
    assert (said.code, "bad.png cannot be read as an image" in said.last) == (2, True)
    whole = (folders[1] / "000.png").read_bytes()
    (folders[1] / "bad.png").write_bytes(whole[: len(whole) // 2])
    said = lusgan("distance", *folders)
    assert (said.code, "bad.png cannot be read as an image" in said.last) == (2, True)


def test_frames_of_one_patient_have_no_kid(lusgan, folders, groups) -> None:
    """Where all of A is of one patient, what leaves out pairs of one is absent with the reason."""
    lines = groups.read_text().splitlines()
    groups.write_text("\n".join([lines[0], *(f"{n:03}.png,one,{n}" for n in range(40))]))
    how = ("--groups", groups, "--features", "random", "--metrics", "kid,fid")
    found = json.loads(lusgan("distance", *folders, *how, "--json").out)
    assert list(found["absent"]) == ["KID (random)"]
    assert "needs real frames of two patients or more" in found["absent"]["KID (random)"]
    assert [value["floor"] for value in found["values"]] == [None]


def test_a_file_of_weights(lusgan, folders, tmp_path) -> None:
    """A user's file gives the distances of the network that it holds; another digest is refused."""
    named = written(lite0_tensors(), tmp_path / "lite0.safetensors")
    settings = [
        text
        for name, value in named.items()
        for text in ("--set", f"evaluation.feature_options.efficientnet_lite.{name}={value}")
    ]
    asked = ("distance", *folders, "--metrics", "fid", "--json", "--features")
    said = json.loads(lusgan(*asked, "efficientnet_lite", *settings).out)
    own = json.loads(lusgan(*asked, "lite0").out)
    assert said["values"][0]["value"] == own["values"][0]["value"]
    settings[-1] = settings[-1][:-4] + "0000"
    refused = lusgan(*asked, "efficientnet_lite", *settings)
    assert refused.code == 2
    assert "another file" in refused.last
