"""``lusgan generate``: which model it takes, what it says of it, and what it leaves where."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
import scipy.io
from PIL import Image

from lusgan_core.calls.ledger import record_tried
from lusgan_core.ingestion.discover import discover
from lusgan_core.pipeline.pruning import carry_out, plan_withdrawn
from lusgan_core.pipeline.withdrawal import settle
from lusgan_core.promotion.current import current_model, empty
from lusgan_core.promotion.withdrawal_marks import mark_of
from lusgan_core.store import LocalStore
from tiny_runs import Pipeline, tiny_config, write_exams

OPEN = ("promotion.min_diversity=0", "promotion.keep_diversity=0")
SHUT = ("promotion.min_diversity=1",)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train three models of score 2: one that was current, the current one, one held back."""
    folder = tmp_path_factory.mktemp("generate")
    pipeline = Pipeline(write_exams(folder / "exams"), folder / "store")
    for more in (("training.seed=1", *OPEN), OPEN, ("training.seed=3", *SHUT)):
        pipeline.run(tiny_config(*more, scores=(2,)))
    record_tried(pipeline.store, pipeline.source.uri, discover(pipeline.source).exams)
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """Return a copy of the store, and nothing else: its exams are away."""
    shutil.copytree(finished / "store", tmp_path / "store")
    return tmp_path


def models(lusgan, folder: Path) -> dict[str, str]:
    """Return the name of the model of each state."""
    listed = json.loads(lusgan("models", "--store", folder / "store", "--json").out)
    return {model["state"]: model["model"] for model in listed}


def generate(lusgan, folder: Path, *words: object):
    return lusgan("generate", "--store", folder / "store", "--number", 5, *words)


def test_the_current_model_of_a_score_is_used(lusgan, folder: Path) -> None:
    """No exam and no training: the frames are the current model's, and stderr names it."""
    name = models(lusgan, folder)["current"]
    made = generate(lusgan, folder, "--score", 2)
    assert (made.code, made.err.splitlines()[0]) == (0, f"score 2: {name} (current)")
    frames = Path(made.out.strip())
    assert frames.is_file()
    assert frames.parent.parent == folder / "store" / "samples" / "score-2" / name
    before = frames.stat().st_mtime_ns
    assert generate(lusgan, folder, "--score", 2).out == made.out
    assert frames.stat().st_mtime_ns == before, "what is there is not made again"


def test_the_current_model_after_a_rollback_is_used(lusgan, folder: Path) -> None:
    """Who goes back to an earlier model gets that one's frames."""
    before = models(lusgan, folder)["promoted"]
    assert lusgan("rollback", 2, "--store", folder / "store").code == 0
    made = generate(lusgan, folder, "--score", 2, "--json")
    told = json.loads(made.out)
    assert (told["model"]["model"], told["data"]["model"]) == (before, before)
    assert (told["data"]["count"], told["data"]["seed"]) == (5, 7)


def test_a_model_that_was_held_back_is_named_as_such(lusgan, folder: Path) -> None:
    """A model may be named by its last digits; that the gates held it back is said, with why."""
    name = models(lusgan, folder)["held back"]
    made = generate(lusgan, folder, "--model", name[-8:])
    assert made.code == 0
    assert re.match(rf"score 2: {name}; held back: .+", made.err)
    assert lusgan("promote", 2, name, "--store", folder / "store").code == 0
    assert "(current); held back:" in generate(lusgan, folder, "--score", 2).err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "nonsense"), r"unknown model 'nonsense'; choices: RSGAN-.*, RSGAN-"),
        (("--score", 1, "--model", "x"), r"unknown model of score 1 'x'; choices: none"),
        (("--score", 9), r"unknown score '9'; choices: 0, 1, 2, 3"),
        (("--score", 1), r"score 1 has no current model: `lusgan run` trains one"),
        ((), r"no model is named: give --score .* or --model"),
        (("--score", 2, "--number", 0), r"option generation.count: .* got 0"),
        (
            ("--score", 2, "--formats", "gif"),
            r"unknown exporter 'gif'; choices: dicom, hdf5, mat, parquet, png",
        ),
    ],
)
def test_what_cannot_be_generated_is_told_in_one_line(
    lusgan, finished: Path, words: tuple[object, ...], said: str
) -> None:
    """An unknown model lists the choices; a score without a current model says what to do."""
    result = lusgan("generate", "--store", finished / "store", *words)
    assert result.code == 2
    assert re.search(said, result.last)
    assert result.err.count("\n") == 1


def test_a_score_without_a_current_model_lists_the_others(lusgan, folder: Path) -> None:
    """Models that were held back are there to be named, and are not taken unasked."""
    empty(LocalStore(folder / "store"), 2, "hand", "a test")
    result = generate(lusgan, folder, "--score", 2)
    assert result.code == 2
    assert "score 2 has no current model: name one with --model: " in result.last
    assert f"{models(lusgan, folder)['held back']} (held back)" in result.last


def test_frames_are_copied_out_of_the_store(lusgan, folder: Path) -> None:
    """--out gets the store's PNG files, their digests and the manifest that names the model."""
    made = generate(lusgan, folder, "--score", 2, "--seed", 3, "--out", folder / "out")
    assert (made.code, made.out.strip()) == (0, str(folder / "out"))
    pictures = sorted((folder / "out").glob("*.png"))
    assert [path.name for path in pictures] == [f"frame-{n:06d}.png" for n in range(5)]
    sums = dict(
        reversed(line.split()) for line in (folder / "out" / "SHA256SUMS").read_text().splitlines()
    )
    assert sums == {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in pictures}
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    assert (manifest["data"]["seed"], manifest["data"]["count"]) == (3, 5)
    (kept,) = (folder / "store").glob("samples/score-2/*/seed-3-*/png/frame-000004.png")
    assert pictures[4].read_bytes() == kept.read_bytes()
    assert {path.name for path in (folder / "out").iterdir()} == {
        *sums, "SHA256SUMS", "manifest.json"
    }  # fmt: skip

    again = generate(lusgan, folder, "--score", 2, "--out", folder / "out")
    assert (again.code, again.err.count("\n")) == (2, 1)
    assert "is not empty" in again.last


def test_mat_files_are_copied_below_a_folder(lusgan, folder: Path) -> None:
    """The hospital's layout is kept; `lusgan check` finds the clip and its scores in it, and says
    that it is none of a scanner's. No PNG is there unasked."""
    made = generate(lusgan, folder, "--score", 2, "--formats", "mat", "--out", folder / "out")
    assert made.code == 0
    checked = json.loads(lusgan("check", folder / "out" / "mat", "--json").out)
    (rejected,) = checked["rejected"]
    assert rejected["file"] == "S2/1/convex_S2_1_1.mat"
    assert "says that a model made its frames" in rejected["reason"]
    matrix = scipy.io.loadmat(folder / "out" / "mat" / "S2/1/convex_S2_1_1_score.mat")
    assert matrix["Score_matrix"].sum(axis=0).tolist() == [2] * 5
    assert not list((folder / "out").glob("*.png"))


def test_a_damaged_picture_is_not_handed_out(lusgan, folder: Path) -> None:
    """A file of the store that is not what was generated is named and made again; the folder gets
    what was generated."""
    frames = Path(generate(lusgan, folder, "--score", 2).out.strip())
    (frames.parent / "png" / "frame-000001.png").write_bytes(b"other")
    made = generate(lusgan, folder, "--score", 2, "--out", folder / "out")
    assert made.code == 0
    assert "png/frame-000001.png in" in made.err
    assert "is damaged: expected sha256" in " ".join(made.err.split())
    sums = (folder / "out" / "SHA256SUMS").read_text().split()
    found = (folder / "out" / "frame-000001.png").read_bytes()
    assert sums[sums.index("frame-000001.png") - 1] == hashlib.sha256(found).hexdigest()


def test_a_withdrawn_model_is_refused_and_its_frames_are_pruned(
    lusgan, finished: Path, folder: Path
) -> None:
    """Nothing comes from a model that saw a withdrawn exam; what came before hangs on it."""
    shutil.copytree(finished / "exams", folder / "exams")
    pipeline = Pipeline(folder / "exams", folder / "store")
    record_tried(pipeline.store, pipeline.source.uri, discover(pipeline.source).exams)
    current = current_model(pipeline.store, 2)
    frames = Path(generate(lusgan, folder, "--score", 2).out.strip())
    (seen,) = (folder / "store").glob("datasets/score-2/*.json")
    patient = json.loads(seen.read_text())["data"]["training"][0]["patient"]
    shutil.rmtree(folder / "exams" / patient)
    settle(pipeline.store, pipeline.source.uri, discover(pipeline.source))
    assert mark_of(pipeline.store, current.folder) is not None

    refusals = {
        ("--model", current.model): "was trained on an exam that was withdrawn since: nothing is",
        ("--score", 2): "score 2 has no current model: ",
    }
    for words, said in refusals.items():
        result = generate(lusgan, folder, *words)
        assert (result.code, result.out) == (2, "")
        assert said in result.last
        assert "(withdrawn)" not in result.last, "a withdrawn model is no choice"
        assert patient not in result.err
    assert frames.is_file()
    carry_out(pipeline.store, plan_withdrawn(pipeline.store))
    assert not frames.exists()


def test_exporters_take_their_options(lusgan, folder: Path, tmp_path: Path) -> None:
    """By the names that they have in a run; options of the command line win over settings."""
    setting = ("--set", "generation.format_options.png.say_synthetic=false")
    for words, told in (((), True), (setting, False)):
        out = tmp_path / f"told-{told}"
        made = generate(lusgan, folder, "--score", 2, "--out", out, *words)
        assert made.code == 0, made.err
        images = sorted(out.rglob("*.png"))
        assert len(images) == 5
        for path in images:
            with Image.open(path) as image:
                assert bool(image.text) == told
    more = ("--set", "generation.count=3", "--set", 'generation.formats=["mat"]')
    made = json.loads(generate(lusgan, folder, "--score", 2, "--json", *more).out)
    assert made["data"]["count"] == 5
    assert any(name.startswith("mat/") for name in made["artifacts"])
    for words, said in (
        (("--set", "training.seed=3"), "takes options of generation alone"),
        (("--set", "generation.format_options.mat.x=3"), "mat is none of formats"),
        (("--set", "generation.format_options.png.x=3"), "unknown option .*png.x"),
    ):
        refused = generate(lusgan, folder, "--score", 2, *words)
        assert refused.code == 2
        assert re.search(said, refused.last)
