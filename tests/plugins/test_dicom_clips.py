"""DICOM objects: frames as pydicom decodes them, regions, what is kept of tags, and refusals."""

from __future__ import annotations

import gc
import io
import json
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array

from dicomfiles import SYNTAXES, dicom, region, shipped
from lusgan_core.api import Clip
from lusgan_core.errors import ClipError
from lusgan_core.ingestion.clip import FilesOfClip
from lusgan_core.ingestion.discover import Discovery, discover
from lusgan_core.ingestion.inspect import inspect_exam
from lusgan_core.ingestion.readers import choose_readers
from lusgan_readers.dicom import DicomOptions
from lusgan_readers.dicom_clip import open_dicom
from lusgan_readers.labels import code
from matfiles import MemorySource
from videofiles import moving, table

ROWS = (("file", "patient", "area", "score"), ("a", "P1", 3, 2))


def look(files: Mapping[str, bytes]) -> Discovery:
    readers = choose_readers({"dicom": {}})
    return discover(MemorySource(dict(files)), readers=readers, empty_ok=True)


def told(found: Discovery) -> dict[str, str]:
    every = [*found.rejected, *(r for exam in found.exams for r in exam.rejected)]
    return {r.file: r.reason for r in every}


def frames_of(data: bytes) -> tuple[np.ndarray, Clip]:
    """Frames and description of an object whose path is ``a.dcm``."""
    source = MemorySource({"a.dcm": data, "t.csv": table(*ROWS)})
    (exam,) = discover(source, readers=choose_readers({"dicom": {}})).exams
    with open_dicom(FilesOfClip(source, exam.clips[0]), DicomOptions()) as clip:
        assert set(clip.scores()) == {2}
        return np.concatenate(list(clip.frames())), clip


def reason(data: bytes) -> str:
    """Why an object cannot be read."""
    source, readers = (
        MemorySource({"a.dcm": data, "t.csv": table(*ROWS)}),
        choose_readers({"dicom": {}}),
    )
    found = discover(source, readers=readers, empty_ok=True)
    if not [clip for exam in found.exams for clip in exam.clips]:
        return told(found)["a.dcm"]
    (rejected,) = inspect_exam(source, found.exams[0], readers).rejected
    return rejected.reason


@pytest.mark.parametrize(
    "name",
    [
        "examples_ybr_color.dcm", "examples_rgb_color.dcm", "examples_jpeg2k.dcm",
        "ExplVR_BigEnd.dcm",
    ],
)  # fmt: skip
def test_real_objects_are_decoded_as_pydicom_does(name: str) -> None:
    """RGB, YBR in JPEG (30 frames) and JPEG 2000, little and big endian."""
    path = shipped(name)
    expected = pixel_array(path)
    expected = expected if expected.ndim == 4 else expected[None]
    frames, clip = frames_of(path.read_bytes())
    assert np.array_equal(frames, expected)
    assert (clip.count, clip.height, clip.width) == expected.shape[:3]


def test_a_palette_gives_its_colours() -> None:
    """The numbers of a palette's object are no grey levels; its 16 bits are cut to 8."""
    path = shipped("examples_palette.dcm")
    header = pydicom.dcmread(path)
    expected = apply_color_lut(header.pixel_array, header) >> 8
    frames, _ = frames_of(path.read_bytes())
    assert np.array_equal(frames[0], expected)


@pytest.mark.parametrize("kind", SYNTAXES)
@pytest.mark.parametrize("colour", [False, True])
def test_every_encoding_gives_every_frame(kind: str, colour: bool) -> None:
    """Grey and colour, in each transfer syntax; without loss the frames are those written."""
    grey = moving(5)
    written = np.stack([grey, grey, 255 - grey], axis=-1) if colour else grey
    data = dicom(written, kind)
    frames, clip = frames_of(data)
    assert np.array_equal(frames, pydicom.dcmread(io.BytesIO(data)).pixel_array)
    if kind != "jpeg":
        assert np.array_equal(frames, written)
    assert clip.details["transfer_syntax"] == SYNTAXES[kind]


def test_inverted_and_deeper_grey_levels() -> None:
    """MONOCHROME1 is white at 0; of 12 bits the upper 8 are kept."""
    grey = moving(2)
    frames, _ = frames_of(dicom(grey, tags={"PhotometricInterpretation": "MONOCHROME1"}))
    assert np.array_equal(frames, 255 - grey)
    deep = (grey.astype("<u2") << 4) + 7
    tags = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11, "PixelData": deep.tobytes()}
    frames, clip = frames_of(dicom(grey, tags=tags))
    assert np.array_equal(frames, grey)
    assert (clip.dtype, clip.details["bits_stored"]) == ("uint16", 12)


def test_the_largest_region_of_tissue_is_kept() -> None:
    """In frames of 64 x 80: one of flow, one beyond the frame and a smaller one do not count."""
    regions = [region(5, 6, 30, 20), region(10, 12, 59, 51), region(0, 0, 80, 63)]
    regions.append(region(0, 0, 79, 63, kind=2))
    _, clip = frames_of(dicom(moving(2), tags={"SequenceOfUltrasoundRegions": regions}))
    expected = np.zeros((64, 80), bool)
    expected[12:52, 10:60] = True
    assert np.array_equal(clip.region, expected)
    assert clip.details["depth_mm"] == pytest.approx(40 * 0.5)
    assert clip.details["spacing_x_mm"] == pytest.approx(0.5)
    _, clip = frames_of(dicom(moving(2)))
    assert clip.region is None


def test_numbers_and_fixed_codes_are_kept_and_no_text() -> None:
    """Rate, probe and scanner; what a person may have typed is in no record."""
    tags = {
        "FrameTime": "40", "TransducerType": "LINEAR", "TransducerFrequency": 7500,
        "Manufacturer": "Philips Medical Systems", "ManufacturerModelName": "SECRET's own",
        "SeriesDescription": "SECRET", "ProtocolName": "SECRET", "OperatorsName": "SECRET",
        "InstitutionName": "SECRET", "TransducerData": ["SECRET", "1"],
    }  # fmt: skip
    _, clip = frames_of(dicom(moving(2), patient="SECRET", tags=tags))
    details = dict(clip.details)
    assert details["frame_rate_hz"] == 25
    assert (details["probe"], details["probe_frequency_khz"]) == ("linear", 7500)
    assert details["scanner"] == "philips"
    assert "SECRET" not in json.dumps(details)
    _, other = frames_of(dicom(moving(2), tags=tags | {"ManufacturerModelName": "other"}))
    assert other.details["scanner_code"] != details["scanner_code"]


def test_patient_and_exam_are_codes_made_of_tags() -> None:
    """The same patient and study give the same codes, others others; no tag stands in a record."""
    data = {f"x/{n}": dicom(moving(2), patient=p, uid=f"2.25.{n}") for n, p in enumerate("ABA")}
    rows = [("SOPInstanceUID", "score"), *((f"2.25.{n}", 1) for n in range(3))]
    found = look({**data, "t.csv": table(*rows)})
    patients = {c.clip.key: c.patient for exam in found.exams for c in exam.clips}
    assert patients == {
        "x/0": code("patient", "A"),
        "x/1": code("patient", "B"),
        "x/2": code("patient", "A"),
    }
    assert {exam.exam for exam in found.exams} == {code("exam", "2.25.7")}
    assert told(found) == {}


def test_objects_are_labelled_by_patient_and_area() -> None:
    """The patient as the tag says, the area as the file is called, or as its series is."""
    files = {
        "d/IM_3": dicom(moving(2), patient="ANNA", uid="2.25.1"),
        "d/IM_9": dicom(moving(2), patient="BERT", uid="2.25.2", tags={"SeriesDescription": "L1"}),
    }
    rows = [("patient", "area", "score"), ("ANNA", 3, 1), ("BERT", "L1", 2), ("CARL", 3, 3)]
    found = look({**files, "t.csv": table(*rows)})
    clips = {c.clip.key: (c.patient, c.area, c.facts["area"]) for e in found.exams for c in e.clips}
    assert clips == {"d/IM_3": ("ANNA", 3, "3"), "d/IM_9": ("BERT", 0, "L1")}
    assert told(found) == {"t.csv": "1 of its 3 rows fit no clip, the first in line 4"}


@pytest.mark.parametrize(
    ("tags", "text"),
    [
        ({"Modality": "CT"}, "modality CT: expected US"),
        ({"Modality": "Anna's"}, "modality unknown: expected US"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.2"}, "an enhanced ultrasound volume"),
        ({"Rows": 0}, "without an image"),
        ({"NumberOfFrames": 0}, "it holds no frame"),
        ({"NumberOfFrames": 3}, "cannot be decoded"),
        ({"PixelRepresentation": 1}, "signed numbers"),
        ({"PhotometricInterpretation": "HSV"}, "pixels of 8 bits: not read"),
        ({"DerivationDescription": "Synthetic frames by lusgan, score 2"}, "that a model made"),
        ({"ConversionType": "SYN"}, "its image is synthetic"),
    ],
)
def test_what_cannot_be_used_is_told(tags: dict[str, Any], text: str) -> None:
    """Each reason says what was found and what was expected."""
    data = dicom(moving(2), tags=tags)
    if tags.get("NumberOfFrames") == 3:
        with pytest.raises(ClipError, match=text):
            frames_of(data)
    else:
        assert text in reason(data)


def test_a_pass_that_ends_midway_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """pydicom's own generator is closed before its file, in which it seeks when it ends."""
    seen: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", seen.append)
    source = MemorySource({"a.dcm": dicom(moving(4), "rle"), "t.csv": table(*ROWS)})
    (exam,) = discover(source, readers=choose_readers({"dicom": {}})).exams
    with open_dicom(FilesOfClip(source, exam.clips[0]), DicomOptions()) as clip:
        left = clip.frames()
        next(left)
    del left
    gc.collect()
    assert seen == []


def test_a_mark_is_found_behind_long_tags_and_in_compressed_ones() -> None:
    """The reader hands texts on, wherever they stand in the object."""
    tags = {"DerivationDescription": "made by trainedAlgorithmicMedia"}
    data = pydicom.dcmread(io.BytesIO(dicom(moving(2), tags=tags)))
    data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    out = io.BytesIO()
    data.save_as(out)
    assert b"trainedAlgorithmicMedia" not in out.getvalue()
    assert "says that a model made its frames" in reason(out.getvalue())


def test_the_same_object_twice_is_read_once() -> None:
    """A copy in another folder would count its frames twice."""
    data = dicom(moving(2))
    files = {"x/1": data, "y/1": data, "t.csv": table(("SOPInstanceUID", "score"), ("2.25.1", 2))}
    found = look(files)
    assert len([c for exam in found.exams for c in exam.clips]) <= 1
    assert any("same object" in why or "several objects" in why for why in told(found).values())


def test_objects_without_labels_are_told() -> None:
    """Found, and refused with the exam that they are in; other files are left alone."""
    found = look({"IM1": dicom(moving(2)), "README": b"x", "a.dcm": b"no", "notes.txt": b"-" * 300})
    assert set(told(found)) == {"IM1", "a.dcm"}
    assert "no row of a table of labels" in told(found)["IM1"]
    assert "expected the letters DICM" in told(found)["a.dcm"]


def test_without_pydicom_objects_are_told_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Found and refused, never dropped in silence; a source without DICOM objects hears nothing."""
    monkeypatch.setitem(sys.modules, "pydicom", None)
    found = look({"IM1": shipped("examples_jpeg2k.dcm").read_bytes(), "x": b"-"})
    assert list(told(found)) == ["IM1"]
    assert "pip install 'lusgan[dicom]'" in told(found)["IM1"]
    assert told(look({"README": b"x"})) == {}
