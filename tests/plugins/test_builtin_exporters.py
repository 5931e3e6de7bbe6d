"""Every built-in exporter keeps the contract, and its files are opened by others' readers."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from hashlib import sha256

import h5py
import numpy as np
import pyarrow.parquet as pq
import pydicom
import pytest
import scipy.io
from PIL import Image

from lusgan_core.api import MODEL_MADE, Samples
from lusgan_core.errors import ClipError
from lusgan_core.ingestion.synthetic_mark import refuse_synthetic
from lusgan_core.testing import ExporterContract
from lusgan_core.testing.exporters import samples, some_frames
from lusgan_exporters import dicom, hdf5, mat, parquet, png
from matfiles import MemorySource, as_clip

REAL = Samples(3, "", 0, 5, side="test", patients=("A", "A", "A", "B", "B"), clips=(1, 1, 2, 1, 1))
TOLD = Samples(2, "m", 2**62 + 1, 3, weights="ab" * 32, side="train")


class TestMat(ExporterContract):
    record = mat.EXPORTER


class TestPng(ExporterContract):
    record = png.EXPORTER


class TestHdf5(ExporterContract):
    record = hdf5.EXPORTER


class TestParquet(ExporterContract):
    record = parquet.EXPORTER


class TestDicom(ExporterContract):
    record = dicom.EXPORTER


SUITES = (TestPng, TestMat, TestHdf5, TestParquet, TestDicom)


@pytest.mark.parametrize("says", [False, True])
def test_a_png_says_whose_frame_it_is_unless_told_not_to(says: bool) -> None:
    """Its text names score, model and seed, its XMP the source type; with the option off there is
    neither."""
    files = TestPng().export(some_frames(1), png.PngOptions(say_synthetic=says))
    image = Image.open(io.BytesIO(files["frame-000000.png"]))
    wanted = {"Description": samples(1).statement} if says else {}
    assert {name: text for name, text in image.text.items() if "xmp" not in name} == wanted
    assert ("xmp" in image.info) == says
    assert "score 2, model m, seed 7" in samples(1).statement


def test_the_xmp_of_a_png_is_xml_with_the_facts_of_its_frame() -> None:
    """A parser of XML finds IPTC's source type, and the model's name whatever signs it holds."""
    told = Samples(1, 'a"<&>b', 7, 2, weights="cd" * 32)
    frames = some_frames(2)
    data = TestPng().export(frames, told=told)["frame-000001.png"]
    packet = Image.open(io.BytesIO(data)).info["xmp"]
    (described,) = ET.fromstring(packet).iter(
        "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"
    )
    iptc = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
    assert described.get(iptc) == MODEL_MADE
    assert {name: described.get(f"{{urn:lusgan:frame}}{name}") for name in png.IN_XMP} == {
        "score": "1", "model": 'a"<&>b', "weights": "cd" * 32, "seed": "7", "number": "1",
        "digest": sha256(frames[1].tobytes()).hexdigest(),
    }  # fmt: skip


def test_a_mat_file_names_its_seed_and_the_table_beside_it_each_frame() -> None:
    """The clip's only variable are its frames; its text has what fits, the CSV has all."""
    frames = some_frames(3)
    files = TestMat().export(frames, told=TOLD)
    clip = files["S2/1/convex_S2_1_1.mat"]
    content = scipy.io.loadmat(io.BytesIO(clip))
    assert [name for name in content if not name.startswith("__")] == ["frames"]
    assert clip[:116].decode().rstrip() == (
        f"MATLAB 5.0 MAT-file, synthetic frames by lusgan, weights abababab, seed {2**62 + 1}, "
        "from 0"
    )
    rows = list(csv.DictReader(io.StringIO(files["S2/1/source_S2_1_1.csv"].decode())))
    assert [row["number"] for row in rows] == ["0", "1", "2"]
    assert {row["seed"] for row in rows} == {str(2**62 + 1)}
    assert [row["digest"] for row in rows] == [sha256(f.tobytes()).hexdigest() for f in frames]


def test_real_clips_in_mat_are_of_one_patient_each() -> None:
    """A file holds frames of one clip, its folders are the letter and an exam of its score."""
    files = TestMat().export(some_frames(5), told=REAL)
    shapes = {
        name: scipy.io.loadmat(io.BytesIO(data))["frames"].shape[3]
        for name, data in files.items()
        if name.endswith(".mat") and "_score" not in name
    }
    assert shapes == {
        "A/3001/convex_A_3001_1.mat": 2,
        "A/3001/convex_A_3001_2.mat": 1,
        "B/3001/convex_B_3001_1.mat": 2,
    }


@pytest.mark.parametrize("channels", [1, 3])
def test_hdf5_is_read_by_h5py(channels: int) -> None:
    """Frames, scores and the facts of each; what all have in common are attributes."""
    frames = some_frames(3, channels)
    files = TestHdf5().export(frames, told=TOLD)
    with h5py.File(io.BytesIO(files["frames-000.h5"])) as file:
        assert np.array_equal(file["frames"], frames)
        assert list(file["scores"]) == [2, 2, 2]
        assert list(file["number"]) == [0, 1, 2]
        digests = [sha256(frame.tobytes()).hexdigest() for frame in frames]
        assert [text.decode() for text in file["digest"]] == digests
        assert file.attrs["Description"].decode() == TOLD.statement
        assert file.attrs["source_type"].decode() == MODEL_MADE
        assert file.attrs["weights"].decode() == TOLD.weights
        assert (file.attrs["seed"], file.attrs["synthetic"]) == (2**62 + 1, 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_parquet_is_read_by_arrow(channels: int) -> None:
    """Images are PNG files in a struct, the metadata tells ``datasets`` the type of each column."""
    frames = some_frames(3, channels)
    table = pq.read_table(io.BytesIO(TestParquet().export(frames, told=TOLD)["frames-000.parquet"]))
    for row, frame in zip(table.to_pylist(), frames, strict=True):
        image = Image.open(io.BytesIO(row["image"]["bytes"]))
        assert np.array_equal(np.asarray(image), frame)
        assert MODEL_MADE.encode() in image.info["xmp"]
        assert (row["label"], row["seed"], row["synthetic"]) == (2, 2**62 + 1, True)
    told = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert list(told) == table.column_names
    assert told["image"] == {"_type": "Image"}


@pytest.mark.parametrize(("channels", "side"), [(1, 32), (3, 32), (1, 5), (3, 5)])
def test_dicom_is_read_by_pydicom(channels: int, side: int) -> None:
    """Pixels come back, also where their number is odd, and the object says what made it."""
    frames = some_frames(3, channels)[:, :side, :side]
    files = TestDicom().export(frames, told=TOLD)
    found = [pydicom.dcmread(io.BytesIO(data)) for data in files.values()]
    for number, (data, frame) in enumerate(zip(found, frames, strict=True)):
        assert np.array_equal(data.pixel_array, frame)
        assert data.SOPClassUID.name == "Secondary Capture Image Storage"
        assert data.ConversionType == "SYN"
        assert data.PatientID == "SYNTHETIC"
        for said in (TOLD.statement, f"number {number}", TOLD.weights, MODEL_MADE,
                     sha256(frame.tobytes()).hexdigest()):  # fmt: skip
            assert said in data.DerivationDescription
        assert len(data.DerivationDescription) <= 1024
    assert len({data.SOPInstanceUID for data in found}) == 3
    assert len({data.SeriesInstanceUID for data in found}) == 1
    assert all(data.SOPInstanceUID.is_valid for data in found)


def test_real_frames_in_dicom_have_the_letter_of_their_patient() -> None:
    """Each patient is a study of its own."""
    files = TestDicom().export(some_frames(5), told=REAL)
    found = [pydicom.dcmread(io.BytesIO(data)) for data in files.values()]
    assert [data.PatientID for data in found] == list("AAABB")
    assert len({data.StudyInstanceUID for data in found}) == 2


@pytest.mark.parametrize("suite", SUITES)
def test_ingestion_refuses_every_file_of_frames(suite: type[ExporterContract]) -> None:
    """Large sets, too: the mark stands at the beginning of each file that holds frames."""
    for name, data in suite().export(some_frames(300), told=samples(300)).items():
        with pytest.raises(ClipError, match="says that a model made its frames"):
            refuse_synthetic(MemorySource({name: data}), as_clip(name))
