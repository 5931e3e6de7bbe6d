"""What is kept of a DICOM object's tags: numbers and fixed codes, and no free text.

Region: PS3.3, C.8.5.5 (US Region Calibration). Transducer: C.8.5.6. Frame times: C.7.6.5 (Cine).
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import ClipError

PLANE, TISSUE = 1, 1
"""Region Spatial Format 2D; Region Data Type tissue."""
CENTIMETRES = 3
"""Physical Units of a region's axis."""
PROBES = {
    "CURVED LINEAR": "convex", "CURVED_LINEAR": "convex", "LINEAR": "linear",
    "SECTOR_PHASED": "phased", "SECTOR_MECH": "sector", "SECTOR_ANNULAR": "sector",
    "VECTOR_PHASED": "vector",
}  # fmt: skip
"""Defined terms of Transducer Type (0018,6031) -> what we call it."""
MAKERS = (
    "alpinion", "butterfly", "canon", "chison", "clarius", "esaote", "fujifilm", "ge", "hitachi",
    "konica", "mindray", "philips", "samsung", "siemens", "sonoscape", "sonosite", "supersonic",
    "terason", "toshiba", "aloka", "acuson", "atl",
)  # fmt: skip
ORIGIN = (
    "DerivationDescription", "ImageComments", "SeriesDescription", "DeidentificationMethod",
    "ContentDescription", "AcquisitionDeviceProcessingDescription", "ManufacturerModelName",
)  # fmt: skip
"""Tags whose text may say that a model made the frames."""


def read_header(file: BinaryIO, names: Sequence[str] | None = None) -> Any:
    """Read the tags of an open object, without its pixels.

    Args:
        file: The object, open at its beginning.
        names: Keywords of the tags to read; None for all.

    Returns:
        pydicom's dataset.

    Raises:
        ClipError: They cannot be read.
        OSError: Reading failed.
    """
    pydicom = quiet_pydicom()
    try:
        wanted = None if names is None else list(names)
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=wanted)
        for element in header:  # values are converted when they are looked at
            _ = element.value
    except OSError:
        raise
    except Exception as error:  # whatever pydicom meets in a damaged object
        raise ClipError(f"its DICOM tags cannot be read ({type(error).__name__})") from None
    return header


@cache
def quiet_pydicom() -> Any:
    """Load pydicom, told to be quiet: its warnings quote what tags hold, names among it."""
    import pydicom
    import pydicom.config

    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    pydicom.config.logger.disabled = True
    warnings.filterwarnings("ignore", module=r"pydicom(\..*)?")
    return pydicom


def text(tags: Any, name: str) -> str:
    """Give a tag's text.

    Args:
        tags: pydicom's dataset.
        name: Keyword of the tag.

    Returns:
        Its text without blanks around it; empty where it is missing.
    """
    value = tags.get(name)
    return "" if value is None else str(value).strip().strip("\0")


def number(tags: Any, name: str) -> float:
    """Give a tag's number.

    Args:
        tags: pydicom's dataset.
        name: Keyword of the tag.

    Returns:
        The number; 0 where the tag is missing, or holds none.
    """
    try:
        value = float(tags.get(name) or 0)
    except (TypeError, ValueError):
        return 0.0
    return value if np.isfinite(value) else 0.0


def origin(tags: Any) -> tuple[str, ...]:
    """Texts that may say how the frames were made."""
    return tuple(filter(None, (text(tags, name) for name in ORIGIN)))


def region(tags: Any, height: int, width: int) -> tuple[NDArray[np.bool_] | None, Any]:
    """Find the largest region of tissue, in which the fan is then looked for.

    Args:
        tags: All tags of the object.
        height: Height of the frames, pixels.
        width: Their width, pixels.

    Returns:
        (height, width) bool, true inside, and the region's own tags; None and None where there is
        none, or none that fits the frames.
    """
    best, largest = None, 0
    for one in tags.get("SequenceOfUltrasoundRegions") or ():
        box = _box(one)
        fits = 0 <= box[0] < box[2] < width and 0 <= box[1] < box[3] < height
        plane = number(one, "RegionSpatialFormat") == PLANE
        tissue = number(one, "RegionDataType") == TISSUE
        area = (box[2] - box[0]) * (box[3] - box[1])
        if fits and plane and tissue and area > largest:
            best, largest = one, area
    if best is None:
        return None, None
    left, top, right, bottom = _box(best)
    kept = np.zeros((height, width), np.bool_)
    kept[top : bottom + 1, left : right + 1] = True
    return kept, best


def _box(one: Any) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a region, pixels, all inside; -1 where it is missing."""
    names = ("MinX0", "MinY0", "MaxX1", "MaxY1")
    there = [(f"RegionLocation{name}" in one, f"RegionLocation{name}") for name in names]
    left, top, right, bottom = (int(number(one, tag)) if known else -1 for known, tag in there)
    return left, top, right, bottom


def details(tags: Any, place: Any) -> Mapping[str, str | int | float]:
    """Describe scanner, probe, scale and time for the clip's record.

    Args:
        tags: All tags of the object.
        place: Tags of the region that is kept, or None.

    Returns:
        ``frame_rate_hz``, ``spacing_x_mm``, ``spacing_y_mm``, ``depth_mm``, ``probe``,
        ``probe_frequency_khz``, ``scanner`` (one of the known makers, or ``other``) and
        ``scanner_code`` (of its maker and model), where the object tells them.
    """
    made: dict[str, str | int | float] = {}
    rate = 1000 / number(tags, "FrameTime") if number(tags, "FrameTime") > 0 else 0.0
    rate = rate or number(tags, "CineRate") or number(tags, "RecommendedDisplayFrameRate")
    if 0 < rate < 1e4:
        made["frame_rate_hz"] = round(rate, 3)
    made |= _scale(tags, place)
    kind = text(tags, "TransducerType").upper()
    if kind:
        made["probe"] = PROBES.get(kind, "other")
    if 0 < number(tags, "TransducerFrequency") < 1e6:
        made["probe_frequency_khz"] = number(tags, "TransducerFrequency")
    maker = text(tags, "Manufacturer").lower()
    if maker:
        words = maker.replace(",", " ").replace("-", " ").split()
        made["scanner"] = next((name for name in MAKERS if name in words), "other")
        model = f"{maker} {text(tags, 'ManufacturerModelName').lower()}"
        made["scanner_code"] = hashlib.sha256(model.encode()).hexdigest()[:8]
    return made


def _scale(tags: Any, place: Any) -> dict[str, float]:
    """Spacing of pixels and depth of the region, mm."""
    spacing: list[float] = []
    if place is not None:
        units = [number(place, f"PhysicalUnits{axis}Direction") for axis in "XY"]
        if units == [CENTIMETRES, CENTIMETRES]:
            spacing = [abs(number(place, f"PhysicalDelta{axis}")) * 10 for axis in "XY"]
    else:
        try:
            spacing = [float(value) for value in reversed(tags.get("PixelSpacing") or ())]
        except (TypeError, ValueError):
            spacing = []
    if len(spacing) != 2 or not all(0 < value < 10 for value in spacing):
        return {}
    made = {"spacing_x_mm": round(spacing[0], 6), "spacing_y_mm": round(spacing[1], 6)}
    if place is not None:
        _, top, _, bottom = _box(place)
        made["depth_mm"] = round((bottom - top + 1) * spacing[1], 3)
    return made
