"""Frames as DICOM objects, Secondary Capture, one a frame: ``frame-000000.dcm`` and so on.

It needs pydicom: `pip install 'lusgan[dicom]'`. UIDs are made from what the frame is, so the same
frame has the same UID wherever it is written.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from lusgan_core.api import MODEL_MADE, Exporter, ExportFolder, MissingError, NoOptions, Samples

if TYPE_CHECKING:
    from lusgan_core.api import Frame

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
SYNTHETIC_IMAGE, WORKSTATION = "SYN", "WSD"
"""Conversion types (0008,0064)."""


class DicomExport:
    """A set of frames on its way into DICOM objects."""

    def __init__(self, folder: ExportFolder, samples: Samples, options: NoOptions) -> None:
        """Start without a frame.

        Args:
            folder: Where the files go.
            samples: Whose frames they are.
            options: There are none.

        Raises:
            MissingError: pydicom is not installed.
        """
        try:
            import pydicom  # noqa: F401
        except ImportError as error:
            raise MissingError(
                "it needs pydicom, which is not installed: pip install 'lusgan[dicom]'"
            ) from error
        self._folder, self._samples = folder, samples
        self._names: list[str] = []

    def add(self, frame: Frame) -> None:
        """Write the next frame, (H, W) or (H, W, 3) uint8."""
        number = len(self._names)
        self._names.append(f"frame-{number:06d}.dcm")
        self._folder.put(self._names[-1], dicom_bytes(frame, self._samples, number))

    def finish(self) -> list[str]:
        """Return the names of all files: each is written as its frame comes."""
        return self._names


def dicom_bytes(frame: Frame, samples: Samples, number: int) -> bytes:
    """Make the DICOM object of one frame.

    Args:
        frame: (H, W) or (H, W, 3) uint8.
        samples: The set that it is of.
        number: Its place in that set, from 0.

    Returns:
        The file's content: preamble, file meta information and data set, not compressed.
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID

    facts = samples.facts(number, frame)
    patient = "SYNTHETIC" if samples.synthetic else facts["patient"]
    of = f"{samples.model} seed {samples.seed}" if samples.synthetic else patient
    series = _uid(f"series {of} {samples.weights} score {samples.score} {samples.side}")
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 192"
    data.ImageType = ["DERIVED", "SECONDARY"]
    data.SOPClassUID = SECONDARY_CAPTURE
    data.SOPInstanceUID = _uid(f"{series} {number} {facts['digest']}")
    data.StudyInstanceUID = _uid(f"study {of} {samples.weights}")
    data.SeriesInstanceUID = series
    data.StudyDate = data.StudyTime = data.AccessionNumber = data.ReferringPhysicianName = ""
    data.StudyID = data.PatientBirthDate = data.PatientSex = data.Laterality = ""
    data.Modality = "US"
    data.ConversionType = SYNTHETIC_IMAGE if samples.synthetic else WORKSTATION
    data.Manufacturer = "lusgan"
    data.PatientName = data.PatientID = patient
    data.PatientIdentityRemoved = "YES"
    data.DeidentificationMethod = (
        "Made by a model; of no patient" if samples.synthetic else "Patients as letters; fan alone"
    )
    data.SeriesDescription = f"{'Synthetic' if samples.synthetic else 'Real'}, {_label(samples)}"
    data.SeriesNumber = samples.score + 1
    data.InstanceNumber = number + 1
    data.BurnedInAnnotation = "NO"
    data.ImageComments = _label(samples)
    data.DerivationDescription = _derivation(samples, facts)
    colour = frame.ndim == 3
    data.SamplesPerPixel = 3 if colour else 1
    data.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        data.PlanarConfiguration = 0
    data.Rows, data.Columns = frame.shape[:2]
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    pixels = frame.tobytes()
    data.PixelData = pixels + bytes(len(pixels) % 2)
    data["PixelData"].VR = "OB"
    data.file_meta = FileMetaDataset()
    data.file_meta.MediaStorageSOPClassUID = UID(SECONDARY_CAPTURE)
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.file_meta.TransferSyntaxUID = UID(EXPLICIT_LITTLE_ENDIAN)
    data.file_meta.ImplementationClassUID = UID(_uid("lusgan"))
    data.file_meta.ImplementationVersionName = "LUSGAN"
    out = io.BytesIO()
    data.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _label(samples: Samples) -> str:
    return f"severity score {samples.score}"


def _derivation(samples: Samples, facts: dict[str, Any]) -> str:
    """Derivation description (0008,2111), at most 1,024 characters."""
    if not samples.synthetic:
        return samples.statement
    told = ", ".join(f"{name} {facts[name]}" for name in ("number", "weights", "digest"))
    return f"{samples.statement}, {told}; {MODEL_MADE}"


def _uid(name: str) -> str:
    """A UID made from a name, by way of a UUID: PS3.5, B.2."""
    return f"2.25.{uuid5(NAMESPACE_URL, f'lusgan {name}').int}"


EXPORTER = Exporter(
    name="dicom",
    version="1",
    description="DICOM Secondary Capture, an object a frame; needs `lusgan[dicom]`",
    open=DicomExport,
    file_per_frame=True,
)
