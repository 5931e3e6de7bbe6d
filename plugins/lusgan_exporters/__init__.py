"""The file formats of synthetic frames that come with lusgan: one file for each."""

from __future__ import annotations

from collections.abc import Sequence

from lusgan_core.api import Exporter, hookimpl
from lusgan_exporters import dicom, hdf5, mat, parquet, png

LUSGAN_API = 2


@hookimpl
def register_exporters() -> Sequence[Exporter]:
    """Offer the built-in exporters."""
    return [png.EXPORTER, mat.EXPORTER, hdf5.EXPORTER, parquet.EXPORTER, dicom.EXPORTER]
