"""Frames that a model made are kept out of the exams, if their file says so."""

from __future__ import annotations

import io
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from lusgan_core.api import Samples
from lusgan_core.errors import ClipError
from lusgan_core.ingestion.synthetic_mark import refuse_synthetic
from lusgan_core.preprocessing.shard import write_shard
from lusgan_core.testing.exporters import some_frames
from matfiles import MemorySource, as_clip, cine, matrix, v5, v73

TOLD = Samples(score=2, model="m", seed=7, count=3)
XMP = "<x><Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/TrainedAlgorithmicMedia</x>"


def png(**texts: str) -> bytes:
    text, out = PngImagePlugin.PngInfo(), io.BytesIO()
    for name, value in texts.items():
        text.add_itxt(name, value)
    Image.fromarray(some_frames(1)[0]).save(out, "PNG", pnginfo=text)
    return out.getvalue()


def shard(path: Path, **attributes: str) -> bytes:
    write_shard(path, some_frames(100), [2] * 100, attributes=attributes)
    return path.read_bytes()


def dicom() -> bytes:
    """A head of 132 bytes, and a derivation description."""
    return bytes(128) + b"DICM" + b"\x08\x00\x11\x21ST" + b"\x1b\x00" + TOLD.statement.encode()


@pytest.mark.parametrize("kind", ["text", "xmp", "hdf5", "mat v7.3", "dicom"])
def test_every_format_says_it_at_its_beginning(tmp_path: Path, kind: str) -> None:
    """Texts of PNG files, attributes of HDF5 and .mat files, and DICOM are found alike, whichever
    reader there is for them."""
    path = tmp_path / "shard.h5"
    data = {
        "text": lambda: png(Description=TOLD.statement),
        "xmp": lambda: png(**{"XML:com.adobe.xmp": XMP}),
        "hdf5": lambda: shard(path, Description=TOLD.statement),
        "mat v7.3": lambda: marked_v73(path),
        "dicom": dicom,
    }[kind]()
    with pytest.raises(ClipError, match="says that a model made its frames") as caught:
        refuse_synthetic(MemorySource({"P/E/clip": data}), as_clip("P/E/clip"))
    assert "P/E" not in str(caught.value)


def marked_v73(path: Path) -> bytes:
    with h5py.File(path, "w", userblock_size=512) as file:
        file.attrs["Description"] = TOLD.statement
        file["frames"] = np.zeros((3, 64, 64), np.uint8)
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["v5", "v7.3", "png", "hdf5"])
def test_files_without_a_mark_are_taken(tmp_path: Path, kind: str) -> None:
    """Real clips of every format, and words that are no mark."""
    data = {
        "v5": lambda: v5(matrix(cine())),
        "v7.3": lambda: v73(("film", cine())),
        "png": lambda: png(Description="Not synthetic: a frame by a scanner"),
        "hdf5": lambda: shard(tmp_path / "shard.h5", clip="1"),
    }[kind]()
    refuse_synthetic(MemorySource({"clip": data}), as_clip("clip"))
