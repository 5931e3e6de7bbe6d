"""Frames in parquet files that Hugging Face's ``datasets`` open: ``frames-000.parquet`` and so on.

A row is a frame: ``image``, a struct of the bytes of a PNG file and its name, ``label``, the score
as a class, and a column for each fact of the frame.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from lusgan_core.api import MODEL_MADE, SCORES, Exporter
from lusgan_exporters.numbered_files import NumberedFiles
from lusgan_exporters.png import png_bytes

if TYPE_CHECKING:
    from lusgan_core.api import Frame, Samples

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


class ParquetExport(NumberedFiles[dict[str, Any]]):
    """A set of frames on its way into parquet files."""

    suffix, file_frames = ".parquet", 1000

    def row(self, frame: Frame, position: int) -> dict[str, Any]:
        """A row of the table: the image, its class and the facts of the frame."""
        kind = "synthetic" if self._samples.synthetic else "real"
        image = {
            "bytes": png_bytes(frame, self._samples, position),
            "path": f"{kind}-score-{self._samples.score}-{position:06d}.png",
        }
        facts = self._samples.facts(position, frame)
        return {"image": image, "label": self._samples.score, **facts}

    def file_bytes(self, rows: list[dict[str, Any]]) -> bytes:
        """The content of one file."""
        return parquet_bytes(rows, self._samples)


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
