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

from lusgan_core.api import Exporter, ExportFolder, NoOptions, Samples

if TYPE_CHECKING:
    from lusgan_core.api import Frame

FILE_FRAMES = 2000
"""Most frames in one file: it is put together in memory."""
LAYOUT = 1
"""Attribute ``format``: frames and scores lie as in a shard, so `lusgan pairs` reads them."""


class Hdf5Export:
    """A set of frames on its way into HDF5 files."""

    def __init__(self, folder: ExportFolder, samples: Samples, options: NoOptions) -> None:
        """Start without a frame.

        Args:
            folder: Where the files go.
            samples: Whose frames they are.
            options: There are none.
        """
        self._folder, self._samples = folder, samples
        self._frames: list[Frame] = []
        self._facts: list[dict[str, Any]] = []
        self._names: list[str] = []
        self._added = 0

    def add(self, frame: Frame) -> None:
        """Take the next frame, (H, W) or (H, W, 3) uint8; a full file is written."""
        self._frames.append(frame)
        self._facts.append(self._samples.facts(self._added, frame))
        self._added += 1
        if len(self._frames) == FILE_FRAMES:
            self._write()

    def finish(self) -> list[str]:
        """Write the frames that are left; returns the names of all files."""
        if self._frames:
            self._write()
        return self._names

    def _write(self) -> None:
        self._names.append(f"frames-{len(self._names):03d}.h5")
        self._folder.put(self._names[-1], hdf5_bytes(self._frames, self._samples, self._facts))
        self._frames, self._facts = [], []


def hdf5_bytes(frames: list[Frame], samples: Samples, facts: list[dict[str, Any]]) -> bytes:
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
