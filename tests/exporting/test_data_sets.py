"""Exported data sets: opened by the readers of the frameworks that they are for."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import datasets
import h5py
import mlcroissant
import numpy as np
import pydicom
import pytest
import scipy.io
import torchvision
import yaml
from PIL import Image

from exported_store import PATIENTS
from lusgan_core.api import MODEL_MADE, Exporter
from lusgan_core.calls.call import StageContext
from lusgan_core.calls.ledger import record_tried
from lusgan_core.errors import ConfigError, PluginError, StoreError
from lusgan_core.exporting.key import KEY, forget
from lusgan_core.exporting.record import ExportRecord, exports
from lusgan_core.ingestion.discover import discover
from lusgan_core.pipeline.data_sets import Request, Wanted, export_data_set, wanted_frames
from lusgan_core.pipeline.runner import Inline
from lusgan_core.pipeline.withdrawal import described, settle
from lusgan_core.registry import installed
from lusgan_core.selection.splits import held_out_patients
from lusgan_core.store import LocalStore
from lusgan_core.store.source import open_source
from lusgan_exporters import png

FORMATS = ("png", "mat", "hdf5", "parquet", "dicom")
CODE = re.compile(rf"(?<![0-9a-f])({'|'.join(PATIENTS)})(?![0-9a-f])")
"""A patient's code, beside neither a digit nor what a digest is written in."""
COUNT = 5
(HELD_OUT,) = held_out_patients(PATIENTS, 0.2, 999)


@pytest.fixture(scope="module")
def store(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    folder = tmp_path_factory.mktemp("store") / "lusgan-store"
    shutil.copytree(trained_folder / "lusgan-store", folder)
    return LocalStore(folder)


def export(
    store: LocalStore, folder: Path, form: str = "png", *, real: bool = True, **more: Any
) -> ExportRecord:
    wanted = more.pop("wanted", None)
    if wanted is None:
        wanted = wanted_frames(store, more.pop("scores", (0, 1, 2, 3)), COUNT)
    registry = more.pop("registry", installed())
    runner = Inline(StageContext(store, registry=registry))
    request = Request(form, include_real=real, **more)
    return export_data_set(runner, store, folder, wanted, request, registry)


@pytest.fixture(scope="module")
def exported(store: LocalStore, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the folder of an export in each format, with real frames."""
    root = tmp_path_factory.mktemp("exported")
    for form in FORMATS:
        export(store, root / form, form, licence="CC-BY-4.0")
    return {form: root / form for form in FORMATS}


@pytest.fixture(scope="module")
def table(exported: dict[str, Path]) -> dict[str, list[dict[str, str]]]:
    """Return the rows of both sides' tables, of the export as PNG."""
    found = {}
    for side in ("train", "test"):
        with (exported["png"] / side / "metadata.csv").open(newline="") as file:
            found[side] = list(csv.DictReader(file))
    return found


def test_the_parts_are_those_of_store_and_models(
    exported: dict[str, Path], table: dict[str, list[dict[str, str]]]
) -> None:
    """Both kinds on the training side, real frames of the held-out patient alone on the other."""
    kinds = {
        side: Counter((row["score"], row["synthetic"]) for row in rows)
        for side, rows in table.items()
    }
    assert {kinds["train"][str(score), "True"] for score in range(4)} == {COUNT}
    assert all(kinds["train"][str(score), "False"] > COUNT for score in range(4))
    assert {kind for _, kind in kinds["test"]} == {"False"}
    by_side = {
        side: {row["patient"] for row in rows if row["synthetic"] == "False"}
        for side, rows in table.items()
    }
    assert by_side["train"].isdisjoint(by_side["test"])
    with (exported["png"] / "splits.csv").open(newline="") as file:
        split = {row["patient"]: row["side"] for row in csv.DictReader(file)}
    assert split == {p: side for side, patients in by_side.items() for p in patients}
    assert set(split) == set("ABCD")
    assert list(split.values()).count("test") == 1


def test_torchvision_reads_png(
    exported: dict[str, Path], table: dict[str, list[dict[str, str]]]
) -> None:
    """Its classes are the scores, and every frame is the one that the table tells of."""
    for side, rows in table.items():
        found = torchvision.datasets.ImageFolder(str(exported["png"] / side))
        assert found.classes == [f"score-{score}" for score in range(4)]
        told = {row["file_name"]: row for row in rows}
        assert len(found) == len(told)
        for path, label in found.samples:
            row = told[Path(path).relative_to(exported["png"] / side).as_posix()]
            assert row["score"] == str(label)
            with Image.open(path) as image:
                assert sha256(image.tobytes()).hexdigest() == row["digest"]
                assert ("xmp" in image.info) == (row["synthetic"] == "True")


@pytest.mark.parametrize("form", ["png", "parquet"])
def test_hugging_face_reads_it(
    exported: dict[str, Path], table: dict[str, list[dict[str, str]]], form: str, tmp_path: Path
) -> None:
    """By the folder's name alone, with both splits and the facts of each frame."""
    found = datasets.load_dataset(str(exported[form]), cache_dir=str(tmp_path))
    for side, rows in table.items():
        digests = Counter(row["digest"] for row in rows)
        assert Counter(found[side]["digest"]) == digests
        for row in found[side]:
            assert sha256(row["image"].tobytes()).hexdigest() == row["digest"]
            assert row["synthetic"] == (row["source_type"] == MODEL_MADE)
    if form == "parquet":
        assert found["train"].features["label"].names[2] == "score-2"
        assert found["train"]["label"] == found["train"]["score"]


def test_scipy_reads_mat(exported: dict[str, Path], table: dict[str, list[dict[str, str]]]) -> None:
    """Clips of one patient each, with a score matrix whose columns add up to the score."""
    digests: Counter[str] = Counter()
    for path in exported["mat"].rglob("convex_*.mat"):
        if path.stem.endswith("_score"):
            continue
        frames = scipy.io.loadmat(path)["frames"]
        scores = scipy.io.loadmat(path.with_name(f"{path.stem}_score.mat"))["Score_matrix"]
        beside = path.with_name(f"{path.stem.replace('convex', 'source')}.csv")
        with beside.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert set(scores.sum(axis=0)) == {int(rows[0]["score"])}
        grey = frames[:, :, 0].transpose(2, 0, 1)
        digests.update(sha256(frame.tobytes()).hexdigest() for frame in grey)
        assert len({row["patient"] for row in rows}) == 1
    assert digests == Counter(row["digest"] for rows in table.values() for row in rows)


def test_h5py_reads_hdf5(exported: dict[str, Path], table: dict[str, list[dict[str, str]]]) -> None:
    """Frames and patients of each side are those of the table."""
    for side, rows in table.items():
        found: Counter[tuple[str, str]] = Counter()
        for path in (exported["hdf5"] / side).rglob("*.h5"):
            with h5py.File(path) as file:
                pixels = [sha256(frame.tobytes()).hexdigest() for frame in file["frames"]]
                assert pixels == [text.decode() for text in file["digest"]]
                patients = [text.decode() for text in file["patient"]]
                found.update(zip(pixels, patients, strict=True))
        assert found == Counter((row["digest"], row["patient"]) for row in rows)


def test_pydicom_reads_dicom(exported: dict[str, Path]) -> None:
    """The table names each object; it has the pixels, the patient's letter and the derivation."""
    for side in ("train", "test"):
        with (exported["dicom"] / side / "metadata.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            data = pydicom.dcmread(exported["dicom"] / side / row["file_name"])
            assert sha256(data.pixel_array.tobytes()).hexdigest() == row["digest"]
            made = row["synthetic"] == "True"
            assert data.PatientID == ("SYNTHETIC" if made else row["patient"])
            assert (MODEL_MADE in data.DerivationDescription) == made


@pytest.mark.parametrize("form", FORMATS)
def test_mlcroissant_takes_the_croissant_file(exported: dict[str, Path], form: str) -> None:
    """Without an error, without a warning but on what only the publisher knows; its records are
    the frames, where the format has a table."""
    found = mlcroissant.Dataset(str(exported[form] / "croissant.json"))
    assert not found.metadata.issues.errors
    assert all("citeAs" in warning for warning in found.metadata.issues.warnings)
    record = json.loads((exported[form] / "manifest.json").read_text())
    for records in found.metadata.record_sets:
        count = sum(p["count"] for p in record["parts"] if p["side"] == records.uuid)
        rows = list(found.records(records.uuid))
        assert len(rows) == count
        digests = {row[f"{records.uuid}/digest"] for row in rows}
        assert all(len(digest) == 64 for digest in digests)
    has_table = form in ("png", "dicom", "parquet")
    assert len(found.metadata.record_sets) == 2 * has_table


@pytest.mark.parametrize("form", FORMATS)
def test_every_file_is_listed_and_none_names_a_patient(
    exported: dict[str, Path], form: str, tmp_path: Path
) -> None:
    """``sha256sum -c`` passes on all files; no code is in a name or in what a file says.

    Four digits within a digest are no code.
    """
    folder = exported[form]
    subprocess.run(["sha256sum", "--quiet", "--strict", "-c", "SHA256SUMS"], cwd=folder, check=True)
    listed = (folder / "SHA256SUMS").read_text().count("\n")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert listed == len(files) - 1
    for path in files:
        name = path.relative_to(folder).as_posix()
        text = path.read_text() if path.suffix in (".md", ".json", ".csv") else ""
        assert not CODE.search(name), name
        assert not CODE.search(text), name


def test_the_key_stays_in_the_store(store: LocalStore, exported: dict[str, Path]) -> None:
    """Each letter's object there holds the code; the test side's letter is the held-out patient."""
    found = {
        item.key.removeprefix(f"{KEY}/"): json.loads(store.get(item.key))["code"]
        for item in store.list(f"{KEY}/")
    }
    assert sorted(found.values()) == sorted(PATIENTS)
    with (exported["png"] / "splits.csv").open(newline="") as file:
        (letter,) = [row["patient"] for row in csv.DictReader(file) if row["side"] == "test"]
    assert found[f"{letter}.json"] == HELD_OUT


def test_the_card_has_models_and_measured_values(
    store: LocalStore, exported: dict[str, Path]
) -> None:
    """Its tables hold what the evaluation measured, and its header is YAML."""
    text = (exported["png"] / "README.md").read_text()
    head = yaml.safe_load(text.split("---")[1])
    assert head["license_name"] == "CC-BY-4.0"
    assert head["configs"][0]["data_files"][1] == {"split": "test", "path": "test/**"}
    (evaluated,) = [
        json.loads(store.get(item.key))
        for item in store.list("evaluations/score-2/")
        if item.key.endswith("manifest.json")
    ]
    measured = [v for v in evaluated["data"]["values"] if v["metric"] == "ssim"]
    real = next(v for v in measured if v["between"] == ["real", "synthetic"])
    assert f"| SSIM | real to synthetic | {real['value']:.4g} |" in text
    model = json.loads(store.get("current/score-2.json"))["model"]
    assert f"`{model}` (current)" in text
    assert "not for diagnosis" in text


def test_without_being_asked_no_real_frame_goes_out(store: LocalStore, tmp_path: Path) -> None:
    """There is no test side, and no patient is marked as included; the split is told anyway."""
    record = export(store, tmp_path / "out", real=False, scores=(1, 2))
    assert [part.synthetic for part in record.parts] == [True, True]
    assert not (tmp_path / "out" / "test").exists()
    with (tmp_path / "out" / "splits.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["included"] for row in rows} == {"0"}
    assert len(rows) == 4


def test_the_same_data_set_is_equal_byte_for_byte(
    store: LocalStore, exported: dict[str, Path], tmp_path: Path
) -> None:
    """No time, no machine and no path is in it."""
    export(store, tmp_path / "again", licence="CC-BY-4.0")
    for path in exported["png"].rglob("*"):
        if path.is_file():
            other = tmp_path / "again" / path.relative_to(exported["png"])
            assert other.read_bytes() == path.read_bytes()


class Fails(png.PngExport):
    def finish(self) -> list[str]:
        raise ZeroDivisionError("at the end")


class Collides(png.PngExport):
    """All scores under one name."""


def test_a_failure_leaves_nothing(store: LocalStore, tmp_path: Path) -> None:
    """Neither the folder nor what was being put together beside it."""
    registry = installed()
    broken = {
        "fails": (Exporter("fails", "x", Fails, png.PngOptions), "ZeroDivisionError: at the end"),
        "collides": (
            Exporter("collides", "x", Collides, png.PngOptions, score_folders=False),
            "for two sets of frames",
        ),
    }
    for name, (record, said) in broken.items():
        registry.records["exporter"][name] = record
        try:
            with pytest.raises(PluginError, match=said):
                export(store, tmp_path / name, name, registry=registry)
        finally:
            del registry.records["exporter"][name]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_left_alone(store: LocalStore, tmp_path: Path) -> None:
    """Also before anything is generated."""
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty"):
        export(store, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.fixture
def own(trained_folder: Path, tmp_path: Path) -> Path:
    """Return a folder with exams and store, to be changed."""
    for name in ("exams", "lusgan-store"):
        shutil.copytree(trained_folder / name, tmp_path / name)
    return tmp_path


def test_frames_that_changed_in_the_store_are_not_exported(own: Path) -> None:
    """A sample set with another digest, and a shard with other pixels."""
    store = LocalStore(own / "lusgan-store")
    export(store, own / "first", scores=(2,), real=False)
    (frames,) = [
        path
        for path in (own / "lusgan-store" / "samples" / "score-2").rglob("frames.h5")
        if not (path.parent / "png").exists()
    ]
    with h5py.File(frames, "r+") as file:
        file["frames"][0] = 255 - file["frames"][0]
    with pytest.raises(StoreError, match=r"is damaged.*the same command makes it again"):
        export(store, own / "second", scores=(2,), real=False)
    shard = next((own / "lusgan-store" / "shards").rglob("*.h5"))
    with h5py.File(shard, "r+") as file:
        file["frames"][:] = 255 - file["frames"][:]
    with pytest.raises(StoreError, match="holds other images") as caught:
        export(store, own / "third", wanted=())
    assert not any(code in str(caught.value) for code in PATIENTS)


def test_a_model_that_saw_a_test_patient_is_refused(own: Path) -> None:
    """Its synthetic frames would leak the patient into the training side of the others."""
    store = LocalStore(own / "lusgan-store")
    (seen,) = (own / "lusgan-store" / "models" / "score-2").rglob("clips.json")
    held = next(store.list(f"shards/{HELD_OUT}/")).key
    seen.write_text(json.dumps({"shards": [held]}))
    with pytest.raises(ConfigError, match="trained on a patient whom the newest dataset holds out"):
        export(store, own / "out", real=False)
    seen.unlink()
    for dataset in (own / "lusgan-store" / "datasets" / "score-2").glob("*.json"):
        told = json.loads(dataset.read_text())
        told.pop("sha256")
        told["data"]["training"] = told["data"]["training"][:-1]  # not the one it was trained on
        dataset.write_text(json.dumps(told))
    with pytest.raises(ConfigError, match="trained on a patient whom the newest dataset holds out"):
        export(store, own / "unknown", real=False)


def test_a_withdrawal_names_the_exports_and_forgets_the_code(own: Path) -> None:
    """Whoever handed frames out learns which; the letter is not given to anybody else."""
    store, source = LocalStore(own / "lusgan-store"), open_source(str(own / "exams"))
    both = export(store, own / "both")
    real = export(store, own / "real", wanted=())
    (test,) = [part.patients for part in real.parts if part.side == "test" and part.score == 0]
    record_tried(store, source.uri, discover(source).exams)
    shutil.rmtree(own / "exams" / HELD_OUT)
    (done,) = settle(store, source.uri, discover(source))
    assert sorted(done.exports) == sorted([both.name, real.name])
    (said, *_) = described(store, [done])
    assert f"hold their frames, or frames of such models: {both.name}" in said.replace(
        f"{real.name}, ", ""
    )
    assert json.loads(store.get(f"{KEY}/{test[0]}.json")) == {"code": None}
    naming = [
        i.key for i in store.list() if HELD_OUT in i.key or HELD_OUT.encode() in store.get(i.key)
    ]
    assert [key for key in naming if key.startswith("exports/")] == []
    assert len(exports(store)) == 2
    for item in list(store.list(f"exports/{real.name}/")):
        store.put(item.key, b"damaged")
    assert exports(store)[real.name] is None, "and it counts as holding everybody's frames"
    store.put(f"{KEY}/B.json", b"{")
    forget(store, "nobody")
    assert json.loads(store.get(f"{KEY}/B.json")) == {"code": None}, "it may hold a code"


def test_real_frames_alone_can_be_exported(store: LocalStore, tmp_path: Path) -> None:
    """As a data set to compare with; its card and its marks call nothing synthetic."""
    record = export(store, tmp_path / "out", wanted=())
    assert {part.synthetic for part in record.parts} == {False}
    assert "# Lung ultrasound, real frames" in (tmp_path / "out" / "README.md").read_text()
    assert MODEL_MADE.encode() not in b"".join(
        path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()
    )
    with pytest.raises(ConfigError, match="there is no frame to export"):
        export(store, tmp_path / "none", wanted=(), real=False)


def test_a_score_that_lacks_a_model_is_told(store: LocalStore, tmp_path: Path) -> None:
    """With what to do; nothing is written."""
    wanted = (Wanted(score=1, count=3, lacking="score 1 has no current model: train one"),)
    with pytest.raises(ConfigError, match="train one; or leave score 1 out with --scores"):
        export(store, tmp_path / "out", wanted=wanted)
    assert not (tmp_path / "out").exists()


def test_frames_are_those_that_generate_makes(
    store: LocalStore, exported: dict[str, Path], table: dict[str, list[dict[str, str]]]
) -> None:
    """Frame i of the seed, as in the sample set of the run."""
    run = next(
        path for path in Path(store.root / "samples" / "score-3").rglob("frames.h5")
    )  # each sample set of the seed begins alike
    with h5py.File(run) as file:
        first = np.asarray(file["frames"][:COUNT])
    rows = [r for r in table["train"] if r["score"] == "3" and r["synthetic"] == "True"]
    assert [r["digest"] for r in rows] == [sha256(f.tobytes()).hexdigest() for f in first]
