"""Frames in HDF5 files that Python and MATLAB open: ``frames-000.h5`` and so on.

    /frames     (N, H, W) or (N, H, W, 3) uint8, one gzip chunk a frame
    /scores     (N,) int8
    /number     (N,) int64, the frame's number in its seed; -1 for a real frame
    /clip       (N,) int64, the clip of a real frame among its patient's; -1 for a synthetic one
    /patient    (N,) text, the letter of a real frame's patient; - for a synthetic one
    /digest     (N,) text, sha256 of the frame's pixels

What all frames have in common (score, side, model, weights, seed, source type) are attributes of
the file. MATLAB sees axes reversed: ``permute(h5read(f, '/frames'), [2 1 3])``.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from lusgan_core.api import Exporter
from lusgan_exporters.numbered_files import NumberedFiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lusgan_core.api import Frame, Samples

LAYOUT = 1
"""Attribute ``format``: frames and scores lie as in a shard, so `lusgan pairs` reads them."""


class Hdf5Export(NumberedFiles[tuple["Frame", dict[str, Any]]]):
    """A set of frames on its way into HDF5 files."""

    suffix, file_frames = ".h5", 2000

    def row(self, frame: Frame, position: int) -> tuple[Frame, dict[str, Any]]:
        """A frame with what is told of it."""
        return frame, self._samples.facts(position, frame)

    def file_bytes(self, rows: list[tuple[Frame, dict[str, Any]]]) -> bytes:
        """The content of one file."""
        frames, facts = zip(*rows, strict=True)
        return hdf5_bytes(frames, self._samples, facts)


def hdf5_bytes(frames: Sequence[Frame], samples: Samples, facts: Sequence[dict[str, Any]]) -> bytes:
    """Make one HDF5 file; equal frames give equal bytes.

    Args:
        frames: (H, W) or (H, W, 3) uint8 each, all of one shape.
        samples: The set that they are of.
        facts: What is told of each of them.

    Returns:
        The file's content.
    """
    import h5py
    import numpy as np

    out, shape = io.BytesIO(), frames[0].shape
    with h5py.File(out, "w", libver=("earliest", "v108")) as file:
        told = {"Description": samples.statement, "side": samples.side}
        told |= {name: facts[0][name] for name in ("model", "weights", "source_type")}
        for name, text in told.items():  # first, so that they lie at the file's beginning
            file.attrs.create(name, *_texts([text], scalar=True))
        file.attrs["synthetic"] = int(samples.synthetic)
        file.attrs["score"] = samples.score
        if samples.synthetic:
            file.attrs["seed"] = samples.seed
        file.attrs["format"] = LAYOUT
        stored = file.create_dataset(
            "frames",
            shape=(len(frames), *shape),
            dtype=np.uint8,
            chunks=(1, *shape),
            compression="gzip",
            compression_opts=1,
        )
        for row, frame in enumerate(frames):
            stored[row] = frame
        file["scores"] = np.full(len(frames), samples.score, np.int8)
        for name in ("number", "clip"):
            file[name] = np.array([f[name] for f in facts], np.int64)
        for name in ("patient", "digest"):
            texts, _, kind = _texts([f[name] for f in facts])
            file.create_dataset(name, data=texts, dtype=kind)
    return out.getvalue()


def _texts(texts: list[str], *, scalar: bool = False) -> tuple[Any, Any, Any]:
    """Texts of a fixed length, which every version of MATLAB reads: values, shape, type."""
    import h5py
    import numpy as np

    encoded = [text.encode() for text in texts]
    kind = h5py.string_dtype("utf-8", max(1, *map(len, encoded)))
    values = np.array(encoded[0] if scalar else encoded, kind)
    return values, values.shape, kind


EXPORTER = Exporter(
    name="hdf5",
    version="1",
    description="HDF5, up to 2,000 frames a file, with what is told of each",
    open=Hdf5Export,
)
