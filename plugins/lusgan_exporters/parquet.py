"""Frames in parquet files that Hugging Face's ``datasets`` open: ``frames-000.parquet`` and so on.

A row is a frame: ``image``, a struct of the bytes of a PNG file and its name, ``label``, the score
as a class, and a column for each fact of the frame.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from lusgan_core.api import MODEL_MADE, SCORES, Exporter, ExportFolder, NoOptions, Samples
from lusgan_exporters.png import png_bytes

if TYPE_CHECKING:
    from lusgan_core.api import Frame

FILE_FRAMES = 1000
"""Most frames in one file: it is put together in memory."""
GROUP_FRAMES = 100
"""Frames in a row group, which readers load at once."""
TYPES = {
    "synthetic": "bool",
    "score": "int64",
    "patient": "string",
    "clip": "int64",
    "model": "string",
    "weights": "string",
    "seed": "int64",
    "number": "int64",
    "digest": "string",
    "source_type": "string",
}
"""Facts of a frame, with their types: names that arrow and ``datasets`` have in common."""


class ParquetExport:
    """A set of frames on its way into parquet files."""

    def __init__(self, folder: ExportFolder, samples: Samples, options: NoOptions) -> None:
        """Start without a frame.

        Args:
            folder: Where the files go.
            samples: Whose frames they are.
            options: There are none.
        """
        self._folder, self._samples = folder, samples
        self._rows: list[dict[str, Any]] = []
        self._names: list[str] = []
        self._added = 0

    def add(self, frame: Frame) -> None:
        """Take the next frame, (H, W) or (H, W, 3) uint8; a full file is written."""
        kind = "synthetic" if self._samples.synthetic else "real"
        image = {
            "bytes": png_bytes(frame, self._samples, self._added),
            "path": f"{kind}-score-{self._samples.score}-{self._added:06d}.png",
        }
        facts = self._samples.facts(self._added, frame)
        self._rows.append({"image": image, "label": self._samples.score, **facts})
        self._added += 1
        if len(self._rows) == FILE_FRAMES:
            self._write()

    def finish(self) -> list[str]:
        """Write the frames that are left; returns the names of all files."""
        if self._rows:
            self._write()
        return self._names

    def _write(self) -> None:
        self._names.append(f"frames-{len(self._names):03d}.parquet")
        self._folder.put(self._names[-1], parquet_bytes(self._rows, self._samples))
        self._rows = []


def parquet_bytes(rows: list[dict[str, Any]], samples: Samples) -> bytes:
    """Make one parquet file.

    Args:
        rows: Its rows: ``image``, ``label`` and the facts of each frame.
        samples: The set that they are of.

    Returns:
        The file's content. Images are not compressed again, so their XMP stands at its beginning.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    types = {name: getattr(pa, kind + "_" * (kind == "bool"))() for name, kind in TYPES.items()}
    schema = pa.schema([("image", image), ("label", pa.int64()), *types.items()])
    said = {"Description": samples.statement, "huggingface": json.dumps(features())}
    if samples.synthetic:
        said["DigitalSourceType"] = MODEL_MADE
    table = pa.Table.from_pylist(rows, schema=schema.with_metadata(said))
    out = io.BytesIO()
    pq.write_table(
        table, out, compression="none", use_dictionary=False, row_group_size=GROUP_FRAMES
    )
    return out.getvalue()


def features() -> dict[str, Any]:
    """What ``datasets`` reads from the file's metadata: which column is an image, which a class."""
    columns: dict[str, Any] = {
        "image": {"_type": "Image"},
        "label": {"names": [f"score-{score}" for score in SCORES], "_type": "ClassLabel"},
    }
    columns |= {name: {"dtype": kind, "_type": "Value"} for name, kind in TYPES.items()}
    return {"info": {"features": columns}}


EXPORTER = Exporter(
    name="parquet",
    version="1",
    description="Parquet that Hugging Face's datasets open, images as PNG",
    open=ParquetExport,
)
