"""``lusgan run``, ``train``, ``generate`` and ``evaluate``, from exams to what they print."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest
import torch
from broken_exams import HOSTILE, PATIENT, STRANGE, write_broken

from lusgan_core.api import ConfigError, NetworkSpec
from lusgan_core.registry import installed
from lusgan_core.store.source import FolderSource
from tiny_backbones import dense
from tiny_runs import CODES, SETTINGS, write_exams

OPTIONS = ["--preset", "demo", *(word for setting in SETTINGS for word in ("--set", setting))]
pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with good exams, and broken ones among them; stores go beside them."""
    folder = tmp_path_factory.mktemp("run")
    write_broken(write_exams(folder / "exams"))
    return folder


def tells_a_patient(text: str) -> bool:
    """Whether any patient's code is in a text."""
    return any(re.search(rf"(?<!\d){code}(?!\d)", text) for code in (*CODES, PATIENT))


def test_broken_clips_do_not_stop_a_run(lusgan, folder: Path) -> None:
    """The good clips are used, the report lists the others by letters, and no code is told."""
    command = ("run", "--exams", folder / "exams", "--store", folder / "store", "--scores", "0,1")
    result = lusgan(*command, *OPTIONS)
    assert result.code == 0
    assert re.search(r"^7 exams, 17 clips, 24 rejected \(see the report\)$", result.out, re.M)
    line = r"^score 1: \d+ frames of \d patients; realistic\? [a-z ]+; diverse\? .*; held back \("
    assert re.search(line, result.out, re.M)
    assert not tells_a_patient(result.out + result.err)
    (report,) = re.findall(r"^report: (.*)$", result.out, re.M)
    page = Path(report).read_text()
    assert not tells_a_patient(re.sub(r'"data:[^"]*"', "", page))
    text = html.unescape(page)
    for reason in (
        "an empty file", "the mask keeps nothing", "no score file", "a second clip of area 1",
        "channels of frame 2 differ", "sums up to 4", "disagrees with the folders",
    ):  # fmt: skip
        assert reason in text
    assert "<script>alert" not in page
    assert HOSTILE not in page
    assert STRANGE not in page + result.out + result.err
    assert list((folder / "store" / "shards").glob("P<i>%1B*/1/*.h5"))

    again = lusgan(*command, *OPTIONS)
    assert (again.code, again.out) == (0, result.out)
    assert again.last == "nothing is new: everything was done before"


def test_a_size_that_the_backbone_refuses_is_told_at_once(
    lusgan, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the plan and by the run, before an exam is read; what it prints does not get in the way,
    and the random state stays what it was."""

    def refuse(spec: NetworkSpec, options: object) -> None:
        print("looking at the size")
        raise ConfigError(f"{spec.image_size} pixels: expected 64")

    refusing = dense(discriminator=refuse)
    monkeypatch.setitem(installed().records["backbone"], "dense", refusing)
    provider = installed().providers["backbone", "dcgan"]
    monkeypatch.setitem(installed().providers, ("backbone", "dense"), provider)
    command = ("run", "--exams", folder / "exams", "--store", tmp_path / "store", *OPTIONS)
    chosen = ("--set", "training.backbone_options={}", "--set", "training.backbone=dense")
    state = torch.get_rng_state()
    for more in (("--plan", "--json"), ("--json",)):
        said = lusgan(*command, *chosen, *more)
        assert said.code == 2, said.err
        assert said.last.endswith("backbone 'dense': 32 pixels: expected 64")
        assert said.out == ""
    assert torch.equal(state, torch.get_rng_state())
    assert not list(tmp_path.glob("store/shards/**/*.h5"))
    monkeypatch.setitem(installed().records["backbone"], "dense", dense(discriminator=broken))
    assert lusgan(*command, *chosen, "--plan").code == 0, "what fails is told by the training"


def broken(spec: NetworkSpec, options: object) -> None:
    raise ZeroDivisionError


def test_json_tells_models_failures_and_report(lusgan, folder: Path) -> None:
    """A program learns what came of every score; a score without a model makes the exit code 1."""
    command = ("run", "--exams", folder / "exams", "--store", folder / "store", "--scores", "1,2")
    result = lusgan(*command, *OPTIONS, "--set", "training.batch_size=12", "--json")
    assert result.code == 1
    told = json.loads(result.out)
    assert (told["exams"], told["clips"], len(told["rejected"])) == (7, 17, 24)
    assert list(told["models"]) == ["1"]
    assert "fewer than a batch of 12" in told["failures"]["2"]
    assert Path(told["report"]).is_file()
    assert re.match("lusgan: score 2 failed: score 2 has .* add exams, or lower", result.last)


def test_strict_stops_at_the_first_rejection(lusgan, folder: Path) -> None:
    """With --strict nothing is trained, and the last line says why, without a code."""
    result = lusgan(
        "run", "--exams", folder / "exams", "--store", folder / "strict", *OPTIONS, "--strict"
    )
    assert result.code == 1
    assert re.match(r"lusgan: 24 clips cannot be used and the run is strict", result.last)
    assert "`lusgan check` lists them" in result.last
    assert not tells_a_patient(result.out + result.err)
    assert not (folder / "strict" / "models").exists()


def test_one_score_stage_by_stage(lusgan, folder: Path) -> None:
    """``train`` and ``evaluate`` do what is missing; all three print what they left."""
    where = ("--exams", folder / "exams", "--store", folder / "stages", "--score", 1, *OPTIONS)
    trained = lusgan("train", *where)
    assert trained.code == 0
    model = Path(trained.out.strip())
    assert model.name == "generator.safetensors"
    weights = model.stat()
    assert not (folder / "stages" / "samples").exists()

    generated = lusgan(
        "generate", "--store", folder / "stages", "--model", model.parent.name,
        "--count", 65, "--seed", 3, "--formats", "mat",
    )  # fmt: skip
    assert generated.code == 0
    samples = Path(generated.out.strip())
    assert samples.parent.name.startswith("seed-3-")
    assert not (samples.parent / "png").exists()
    assert model.stat() == weights

    checked = json.loads(lusgan("check", samples.parent / "mat", "--json").out)
    assert checked["usable_clips"] == 0, "synthetic frames are no exam"
    assert {r["reason"].partition(" (")[0] for r in checked["rejected"]} == {
        "the file says that a model made its frames"
    }
    clips = [o.name for o in FolderSource(samples.parent / "mat").objects() if "convex" in o.name]
    assert len(clips) == 4

    evaluated = lusgan("evaluate", *where, "--json")
    assert evaluated.code == 0
    values = json.loads(evaluated.out)["data"]["values"]
    assert {value["metric"] for value in values} == {"mse", "ssim"}
    assert not (folder / "stages" / "reports").exists()


def test_two_stores_do_not_mix(lusgan, folder: Path, tmp_path: Path) -> None:
    """Prefect may know a result from another store: what counts is this one's."""
    for store in (tmp_path / "one", tmp_path / "two"):
        result = lusgan(
            "train", "--exams", folder / "exams", "--store", store, "--score", 0, *OPTIONS
        )
        assert result.code == 0
        assert Path(result.out.strip()).is_file()
        assert store in Path(result.out.strip()).parents
