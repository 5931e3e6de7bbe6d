"""Writes DICOM ultrasound objects, for tests, and names those that come with pydicom."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pydicom.data
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

MULTIFRAME = "1.2.840.10008.5.1.4.1.1.3.1"
SYNTAXES = {
    "plain": ExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg": JPEGBaseline8Bit,
    "j2k": JPEG2000Lossless,
}


def shipped(name: str) -> Path:
    """Return an object that comes within pydicom's own package."""
    return Path(pydicom.data.__file__).parent / "test_files" / name


def dicom(
    frames: NDArray[np.uint8],
    kind: str = "plain",
    patient: str = "ANNA",
    uid: str = "2.25.1",
    tags: Mapping[str, Any] | None = None,
) -> bytes:
    """Write an object of frames (N, H, W) or (N, H, W, 3), in one of ``SYNTAXES``."""
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID, data.StudyInstanceUID = MULTIFRAME, uid, "2.25.7"
    data.Modality, data.PatientID, data.PatientName = "US", patient, f"{patient}^DOE"
    data.NumberOfFrames = len(frames)
    colour = frames.ndim == 4
    data.SamplesPerPixel = 3 if colour else 1
    data.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        data.PlanarConfiguration = 0
    data.Rows, data.Columns = frames.shape[1:3]
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.file_meta = FileMetaDataset()
    data.file_meta.MediaStorageSOPClassUID = MULTIFRAME
    data.file_meta.MediaStorageSOPInstanceUID = UID(uid)
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    pixels = frames.tobytes()
    data.PixelData = pixels + bytes(len(pixels) % 2)
    data["PixelData"].VR = "OB"
    if kind in ("rle", "j2k"):
        data.compress(SYNTAXES[kind], generate_instance_uid=False)
    elif kind == "jpeg":
        data.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        data.PixelData = encapsulate([_jpeg(frame) for frame in frames])
        if colour:
            data.PhotometricInterpretation = "YBR_FULL_422"
    for name, value in (tags or {}).items():
        setattr(data, name, value)
    out = io.BytesIO()
    data.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _jpeg(frame: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(frame).save(out, "JPEG", quality=95)
    return out.getvalue()


def region(left: int, top: int, right: int, bottom: int, kind: int = 1) -> Dataset:
    """Write a region of SequenceOfUltrasoundRegions: 0.05 cm a pixel, of tissue by default."""
    one = Dataset()
    one.RegionSpatialFormat, one.RegionDataType, one.RegionFlags = 1, kind, 0
    one.RegionLocationMinX0, one.RegionLocationMinY0 = left, top
    one.RegionLocationMaxX1, one.RegionLocationMaxY1 = right, bottom
    one.PhysicalUnitsXDirection = one.PhysicalUnitsYDirection = 3
    one.PhysicalDeltaX = one.PhysicalDeltaY = 0.05
    return one
