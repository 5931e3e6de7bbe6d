"""A shard: the preprocessed images of one clip, in one HDF5 file that MATLAB opens too.

    /frames        (N, S, S) or (N, S, S, 3) uint8, one gzip chunk a frame
    /scores        (N,) int8, -1 where nobody scored the frame
    /source_frame  (N,) int32, the frame's number in the clip, from 0

The fan and the map from source to output pixels are attributes of ``frames``, provenance is
attributes of the file. MATLAB sees axes reversed: ``permute(h5read(f, '/frames'), [2 1 3])``.

One chunk a frame makes reading one score cheap: compressed chunks are fetched as they are and
inflated by isal, which is faster than the way through HDF5's filters. Compression is zlib's at
level 1: on fans, higher levels save 2% and cost 20%, lzf is closed to MATLAB, and isal's own
compressor would be five times faster but gives other bytes on other processors.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from lusgan_core.domain import Fan, Record, ScoreCount
from lusgan_core.errors import StoreError
from lusgan_core.preprocessing.geometry import Affine

FORMAT = 1
"""Version of the layout, kept in the attribute ``format``."""

_InflateError: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # its stub says value


_OF_HDF5 = (errno.EINVAL, errno.ENOEXEC)
"""Error numbers that HDF5 leaves behind, whatever is wrong with a file."""


class BrokenShardError(StoreError):
    """A file that can be read, and is no shard, or a damaged one."""


class ShardSummary(Record):
    """The content of a shard that `write_shard` wrote."""

    frames: int
    by_score: dict[int, ScoreCount]
    """Keyed by score, ``UNLABELLED`` for frames nobody scored.

    A digest covers that score's images alone: their shape, then for each its place among that
    score's images and its pixels.
    """


def write_shard(
    path: Path,
    images: Iterable[NDArray[np.uint8]],
    scores: Sequence[int],
    *,
    source_frames: Sequence[int] | None = None,
    fan: Fan | None = None,
    affine: Affine | None = None,
    attributes: dict[str, str | int | float],
) -> ShardSummary:
    """Write one clip's images to an HDF5 file; the same input gives the same bytes.

    Args:
        path: Where to write; an existing file is replaced.
        images: (S, S) or (S, S, 3) uint8 each, all of one shape; a buffer that the iterator reuses
            is fine.
        scores: Severity score of each image, ``UNLABELLED`` where nobody scored it.
        source_frames: Number of each image's frame in the clip; None stands for 0, 1, 2 ...
        fan: The fan in source pixels; None where there is none.
        affine: Leads from source pixels to those of the images; None where there is no source.
        attributes: Provenance, kept as attributes of the file.

    Returns:
        Number and digest of the images of each score.

    Raises:
        ValueError: The numbers of images, scores or source frames differ, there is no image, or an
            image is of another shape or type.
    """
    count = len(scores)
    numbers = range(count) if source_frames is None else source_frames
    if len(numbers) != count:
        raise ValueError(f"{len(numbers)} source frame numbers for {count} scores")
    stream = iter(images)
    first = next(stream, None)
    if first is None or count == 0:
        raise ValueError(f"a shard needs at least one image; got {count} scores")
    digests = _ScoreDigests(first.shape)
    with h5py.File(path, "w", libver=("earliest", "v108")) as file:
        dataset = file.create_dataset(
            "frames",
            shape=(count, *first.shape),
            dtype=np.uint8,
            chunks=(1, *first.shape),
            compression="gzip",
            compression_opts=1,
        )
        written = 0
        for image in _chain(first, stream):
            if written == count:
                raise ValueError(f"more images than the {count} scores")
            if image.shape != first.shape or image.dtype != np.uint8:
                raise ValueError(
                    f"image {written} is {image.shape} {image.dtype}, expected {first.shape} uint8"
                )
            dataset[written] = image
            digests.add(scores[written], image)
            written += 1
        if written < count:
            raise ValueError(f"{written} images for {count} scores")
        file.create_dataset("scores", data=np.asarray(scores, np.int8))
        file.create_dataset("source_frame", data=np.asarray(numbers, np.int32))
        for prefix, record in (("fan", fan), ("affine", affine)):
            if record is not None:
                _write_attributes(
                    dataset, {f"{prefix}_{k}": v for k, v in record.model_dump().items()}
                )
        _write_attributes(file, {**attributes, "format": FORMAT})
    return ShardSummary(frames=count, by_score=digests.counts())


def read_shard_frames(
    file: BinaryIO | Path, score: int | None = None, out: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Read the images of one score, or all of them, in order.

    Args:
        file: The shard.
        score: Severity score, or ``UNLABELLED``; None reads all images.
        out: Where to read them to: uint8, C-contiguous, of the result's shape; None makes an array.

    Returns:
        (n, S, S) or (n, S, S, 3) uint8; it is ``out`` where that is given.

    Raises:
        StoreError: The file is not a shard, or is damaged.
        ValueError: ``out`` is of another shape, type or layout.
    """
    with _opened(file) as shard:
        dataset = shard["frames"]
        scores = shard["scores"][:]
        wanted = np.arange(len(scores)) if score is None else np.flatnonzero(scores == score)
        shape = (len(wanted), *dataset.shape[1:])
        if out is None:
            out = np.empty(shape, np.uint8)
        elif out.shape != shape or out.dtype != np.uint8 or not out.flags.c_contiguous:
            raise ValueError(f"out is {out.shape} {out.dtype}, expected {shape} uint8, contiguous")
        direct = _is_plain_gzip(dataset)
        for image, index in zip(out, wanted.tolist(), strict=True):
            if direct:
                _inflate_chunk(dataset, index, image)
            else:
                dataset.read_direct(image, np.s_[index])
        return out


def each_frame(
    file: BinaryIO | Path, score: int | None = None, digest: str = ""
) -> Iterator[NDArray[np.uint8]]:
    """Read the images of one score, or all of them, one by one, in bounded memory.

    Args:
        file: The shard.
        score: Severity score, or ``UNLABELLED``; None reads all images.
        digest: The digest of that score's images, as ``ScoreCount`` has it; empty for no check.

    Yields:
        (S, S) or (S, S, 3) uint8, a new array each.

    Raises:
        StoreError: The file is not a shard, or is damaged; or, after the last image, they are not
            those of the digest.
    """
    with _opened(file) as shard:
        dataset, scores = shard["frames"], shard["scores"][:]
        wanted = np.arange(len(scores)) if score is None else np.flatnonzero(scores == score)
        digests = _ScoreDigests(dataset.shape[1:])
        for index in wanted.tolist():
            image = dataset[index]
            digests.add(scores[index], image)
            yield image
        if digest and digest not in {found.digest for found in digests.counts().values()}:
            raise StoreError("a shard holds other images than it did: preprocess the exam again")


def frames_digest(frames: NDArray[np.uint8]) -> str:
    """Digest of the images of one score, (N, S, S) or (N, S, S, 3): that of ``ShardSummary``."""
    digests = _ScoreDigests(frames.shape[1:])
    for frame in frames:
        digests.add(0, frame)
    return digests.counts()[0].digest if len(frames) else ""


class _ScoreDigests:
    """A running count and sha256 for each score."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._head = np.asarray(shape, "<i8").tobytes()
        self._frames: dict[int, int] = {}
        self._hashes: dict[int, Any] = {}

    def add(self, score: int, image: NDArray[np.uint8]) -> None:
        place = self._frames.get(score, 0)
        if place == 0:
            self._hashes[score] = hashlib.sha256(self._head)
        self._hashes[score].update(place.to_bytes(8, "little"))
        self._hashes[score].update(np.ascontiguousarray(image))
        self._frames[score] = place + 1

    def counts(self) -> dict[int, ScoreCount]:
        return {
            score: ScoreCount(frames=self._frames[score], digest=self._hashes[score].hexdigest())
            for score in sorted(self._frames)
        }


def _chain(first: NDArray[np.uint8], rest: Iterator[NDArray[np.uint8]]) -> Iterator[Any]:
    yield first
    yield from rest


@contextmanager
def _opened(file: BinaryIO | Path) -> Iterator[h5py.File]:
    """Open a shard for reading; what HDF5 raises while it is open becomes a StoreError.

    It is not locked: objects of a store are replaced whole and never changed, and a network drive
    may have no locks. A file that cannot be read is told from one that is damaged.
    """
    try:
        if isinstance(file, Path):
            file.open("rb").close()  # HDF5 does not say why it cannot open a file
        with h5py.File(file, "r", locking=False) as shard:
            found = int(shard.attrs.get("format", 0))
            if found != FORMAT:
                raise BrokenShardError(
                    f"not a shard of layout {FORMAT} (found {found}); preprocess the exam again"
                )
            yield shard
    except StoreError:
        raise
    except (OSError, KeyError, RuntimeError, _InflateError) as error:
        if isinstance(error, OSError) and error.errno and error.errno not in _OF_HDF5:
            raise StoreError(f"a shard cannot be read: {os.strerror(error.errno)}") from None
        raise BrokenShardError(
            f"a shard cannot be read ({type(error).__name__}: {error}); "
            "delete it and preprocess the exam again"
        ) from error


def _is_plain_gzip(dataset: h5py.Dataset) -> bool:
    """Whether a chunk is one frame through zlib alone, so that isal can inflate it."""
    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    return filters == [h5py.h5z.FILTER_DEFLATE] and dataset.chunks == (1, *dataset.shape[1:])


def _inflate_chunk(dataset: h5py.Dataset, index: int, image: NDArray[np.uint8]) -> None:
    """Read one frame into ``image`` past HDF5's filters."""
    skipped, chunk = dataset.id.read_direct_chunk((index,) + (0,) * image.ndim)
    pixels = chunk if skipped else isal_zlib.decompress(chunk, bufsize=image.nbytes)
    if len(pixels) != image.nbytes:
        raise BrokenShardError(
            f"frame {index} of a shard holds {len(pixels)} bytes, expected {image.nbytes}; "
            "delete the shard and preprocess the exam again"
        )
    image.reshape(-1)[:] = np.frombuffer(pixels, np.uint8)


def _write_attributes(target: Any, attributes: dict[str, Any]) -> None:
    for name, value in sorted(attributes.items()):
        if isinstance(value, str):  # fixed length: no heap, and every version of MATLAB reads it
            data = value.encode()
            kind = h5py.string_dtype("utf-8", max(1, len(data)))
            target.attrs.create(name, np.array(data, kind), dtype=kind)
        else:
            target.attrs[name] = value
