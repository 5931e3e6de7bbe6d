"""``lusgan export`` and ``lusgan balance``: what they take, say and leave; ``check`` refuses it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from lusgan_core.selection.stage import ScoreDataset

FORMATS = ("png", "mat", "hdf5", "parquet", "dicom")


@pytest.fixture
def folder(trained_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory: a copy of the store under its usual name, and no exams."""
    shutil.copytree(trained_folder / "lusgan-store", tmp_path / "lusgan-store")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def on_training_side(folder: Path) -> dict[int, int]:
    """Frames of training patients by score, from the datasets' records."""
    manifests = (folder / "lusgan-store" / "datasets").rglob("*.json")
    found = [ScoreDataset.model_validate(json.loads(p.read_text())["data"]) for p in manifests]
    return {data.score: data.training_frames for data in found}


@pytest.mark.parametrize("form", FORMATS)
def test_check_refuses_every_export(lusgan, folder: Path, form: str) -> None:
    """The whole data set, its training side, and the folder of one score: no frame is taken."""
    made = lusgan("export", "--out", "frames", "--format", form, "--number", 3, "--scores", "1,2")
    assert (made.code, made.out) == (0, "frames\n")
    assert "train, score 1: 3 frames, synthetic, " in made.err
    for exams in ("frames", "frames/train"):
        refused = lusgan("check", exams, "--json", "--strict")
        if refused.out:
            found = json.loads(refused.out)
            assert found["usable_clips"] == 0
            assert {r["reason"].partition(" (")[0] for r in found["rejected"]} <= {
                "the file says that a model made its frames",
                "the object says that its image is synthetic",
            }
            assert refused.code == 1
        else:
            assert refused.code == 2
            assert "say that a model made their frames" in refused.last
    assert form != "mat" or json.loads(lusgan("check", "frames/train", "--json").out)["rejected"]


def test_an_export_tells_a_program_what_is_in_it(lusgan, folder: Path) -> None:
    """With ``--json``: parts with model and seed, as in ``manifest.json``."""
    made = lusgan("export", "--out", "frames", "--number", 2, "--seed", 9, "--json")
    told = json.loads(made.out)
    assert told.pop("folder") == "frames"
    assert told == json.loads((folder / "frames" / "manifest.json").read_text())
    assert [(p["score"], p["count"], p["seed"]) for p in told["parts"]] == [
        (score, 2, 9) for score in (0, 1, 2, 3)
    ]


def test_a_named_model_is_taken(lusgan, folder: Path) -> None:
    """By the last digits of its name; it brings real frames of its own score alone."""
    listed = json.loads(lusgan("models", "--json").out)
    name = next(model["model"] for model in listed if model["score"] == 3)
    words = ("--model", name[-8:], "--include-real", "--json", "--number", 2)
    told = json.loads(lusgan("export", "--out", "frames", *words).out)
    assert {part["score"] for part in told["parts"]} == {3}
    assert {part["model"] for part in told["parts"]} == {"", name}


def test_a_plan_says_how_many_of_which_model_and_why(lusgan, folder: Path) -> None:
    """And makes nothing; what the largest score has is what every score is to have."""
    have = on_training_side(folder)
    before = sorted(path for path in folder.rglob("*"))
    wanted = json.loads(lusgan("balance", "--plan", "--json").out)
    assert {want["score"]: want["count"] for want in wanted} == {
        score: max(have.values()) - count for score, count in have.items()
    }
    said = lusgan("balance", "--plan", "--to", 40)
    assert said.code == 0
    for score, line in enumerate(said.out.splitlines()):
        assert re.fullmatch(
            rf"score {score}: {40 - have[score]} synthetic frames \({have[score]} frames of 3 "
            r"patients on the training side, 40 wanted\), of \S+ \(current\)",
            line,
        )
    assert sorted(path for path in folder.rglob("*")) == before


def test_a_balanced_set_has_as_many_frames_of_every_score(lusgan, folder: Path) -> None:
    """Real and synthetic together; the manifest keeps the plan's reasons."""
    made = lusgan("balance", "--out", "balanced", "--include-real", "--to", 20, "--json")
    assert made.code == 0, made.err
    parts = json.loads(made.out)["parts"]
    train = [part for part in parts if part["side"] == "train"]
    for score in range(4):
        assert sum(part["count"] for part in train if part["score"] == score) == 20
        images = list((folder / "balanced" / "train" / f"score-{score}").glob("*.png"))
        assert len(images) == 20
        for path in images:
            with Image.open(path) as image:
                assert ("xmp" in image.info) == path.name.startswith("synthetic-")
    assert all("20 wanted" in part["why"] for part in train if part["synthetic"])
    card = (folder / "balanced" / "README.md").read_text()
    assert "why so many" in card
    assert card.count("20 wanted") == 4


def test_another_training_set_can_be_told(lusgan, folder: Path) -> None:
    """By its frames; a score that is not named has none."""
    words = ("--have", "0=12, 2=5", "--json")
    planned = json.loads(lusgan("balance", "--plan", *words).out)
    assert {want["score"]: want["count"] for want in planned} == {0: 0, 1: 12, 2: 7, 3: 12}
    made = json.loads(lusgan("balance", "--out", "more", "--scores", "2,3", *words).out)
    assert {part["score"]: part["count"] for part in made["parts"]} == {2: 7, 3: 12}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("export",), "--out is missing: name a new folder"),
        (("export", "--out", "x", "--scores", 7), "unknown score '7'; choices: 0, 1, 2, 3"),
        (("export", "--out", "x", "--format", "gif"), "unknown exporter 'gif'"),
        (("export", "--out", "x", "--number", 0), "there is no frame to export: give --number"),
        (("export", "--out", "lusgan-store"), "lusgan-store is not empty"),
        (("export", "--out", "x", "--model", "none"), "unknown model 'none'"),
        (("export", "--out", "x", "--scores", 1, "--model", "y"), "--scores and --model are both"),
        (("balance",), "--out is missing"),
        (("balance", "--plan", "--have", "0:900"), "--have '0:900': expected SCORE=FRAMES"),
        (("balance", "--plan", "--have", "5=900"), "unknown score '5'"),
        (
            ("balance", "--out", "x", "--have", "0=9", "--include-real"),
            "--have tells of a training",
        ),
        (("balance", "--out", "x", "--have", "0=9,1=9,2=9,3=9"), "nothing is lacking"),
        (("balance", "--plan", "--store", "empty"), "there is no store in"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(
    lusgan, folder: Path, words: tuple[object, ...], said: str
) -> None:
    """With exit code 2, and nothing is left behind."""
    result = lusgan(*words)
    assert (result.code, result.out) == (2, "")
    assert said in result.last
    assert not (folder / "x").exists()


def test_a_score_without_a_model_is_planned_and_refused(lusgan, folder: Path) -> None:
    """The plan says what it lacks; a balance of it ends, one without it does not."""
    (folder / "lusgan-store" / "current" / "score-1.json").unlink()
    shutil.rmtree(folder / "lusgan-store" / "current" / "history" / "score-1")
    planned = lusgan("balance", "--plan", "--to", 30)
    assert planned.code == 0
    assert "but score 1 has no current model" in planned.out
    refused = lusgan("balance", "--out", "x", "--to", 30)
    assert refused.code == 2
    assert "or leave score 1 out with --scores" in refused.last
    assert lusgan("balance", "--out", "x", "--to", 30, "--scores", "0,2,3").code == 0
    others = json.loads(lusgan("export", "--out", "y", "--number", 1, "--json").out)
    assert [part["score"] for part in others["parts"]] == [0, 2, 3]
    assert lusgan("export", "--out", "z", "--number", 1, "--scores", "0,1").code == 2


def test_a_missing_package_is_named(lusgan, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pydicom the command says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    said = lusgan("export", "--out", "x", "--format", "dicom", "--number", 1)
    assert said.code == 1
    assert "pip install 'lusgan[dicom]'" in said.last
    assert not (folder / "x").exists()
