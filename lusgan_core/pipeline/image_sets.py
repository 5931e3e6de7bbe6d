"""Reads frames from the files that people keep them in: images, arrays, clips, shards.

A folder of images, one image, a ``.npy`` array, a clip (``.mat``), or a shard (``.h5``) or a folder
of shards. Large sets are not held in memory: arrays are mapped, images are decoded when a block of
them is asked for.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from lusgan_core.errors import ConfigError
from lusgan_core.measures.pairs.frameset import Frames, FrameSet
from lusgan_core.pipeline.image_files import IMAGES, ImageFrames, Shape, pages_of, spell

SHARDS = (".h5", ".hdf5")
KINDS = (*IMAGES, ".npy", ".mat", *SHARDS)
NUMBER = re.compile(r"[\s_.#()-]*\d*\)?(\.[A-Za-z]+)?$")
"""The part of a frame's name that does not tell its clip: the number at its end, the suffix."""


def load_frames(path: Path, say: Callable[[str], None] | None = None) -> FrameSet:
    """Frames of a file or folder, with their names, and groups where several files hold many.

    In a folder all images, or all arrays, clips or shards, count, in the order of their names,
    down through its subfolders and linked folders. The group of an image is the folder it lies in,
    that of any other frame the file it comes from; a page of an image is a frame ``file#page``.

    Args:
        path: The file or folder.
        say: Gets a line on what was left out of a folder, if anything was.

    Returns:
        The frames.

    Raises:
        ConfigError: Something is missing, empty, unreadable, truncated, of another kind or of
            several sizes; the message names the file.
    """
    if not path.exists():
        raise ConfigError(f"{path} does not exist: expected a file or a folder of frames")
    if path.is_file():
        return _load_files([path], path.parent)
    left_out: Counter[str] = Counter()
    files = sorted(_files(path, frozenset(), left_out))
    spoken = ", ".join(f"{kind} {count:,}" for kind, count in left_out.most_common())
    if not files:
        beside = f" beside what is none ({spoken})" if spoken else ""
        raise ConfigError(f"{path} holds no frames{beside}; known are {', '.join(KINDS)}")
    if left_out and say is not None:
        total = left_out.total()
        files_are = "file that is no image" if total == 1 else "files that are no images"
        say(f"{path}: left out {total:,} {files_are} ({spoken})")
    return _load_files(files, path)


def _files(folder: Path, above: frozenset[Path], left_out: Counter[str]) -> Iterator[Path]:
    """Files of known kinds below a folder; counts all others by what they are."""
    try:
        real, entries = folder.resolve(), sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be read: {error.strerror}") from error
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith("."):
            left_out["hidden"] += 1
        elif entry.is_dir():
            if path.resolve() in above | {real}:
                left_out["links in a circle"] += 1
            else:
                yield from _files(path, above | {real}, left_out)
        elif not entry.is_file():
            left_out["dangling links" if entry.is_symlink() else "special files"] += 1
        elif path.suffix.lower() in KINDS:
            yield path
        else:
            left_out[printable(path.suffix.lower()) or "without a suffix"] += 1


def printable(name: str) -> str:
    """A file's name as any file format takes it: bytes that are not UTF-8 become ``\\xNN``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def clips_of(frames: FrameSet) -> FrameSet:
    """The same frames, grouped by the clip that each is from, as its folder or name says.

    That is the sub-folder of an image, and the file of any other frame. Where images lie side by
    side, it is the name without the number at its end: ``p7-lung_0012.png`` is of ``p7-lung``.
    Raises ConfigError for frames without names.
    """
    if frames.groups is not None:
        return frames
    if frames.names is None:
        raise ConfigError("frames without names or sub-folders do not tell their clips")
    return replace(frames, groups=[NUMBER.sub("", name) for name in frames.names])


def _load_files(files: Sequence[Path], root: Path) -> FrameSet:
    kinds = {_kind(path) for path in files}
    if len(kinds) > 1:
        raise ConfigError(
            f"{root} mixes {' and '.join(sorted(kinds))}: put them into folders of their own"
        )
    names = [printable(path.relative_to(root).as_posix()) for path in files]
    if kinds == {"images"}:
        return _load_images(files, names)
    arrays = [_read(path) for path in files]
    _same([array.shape[1:] for array in arrays], files)
    labels = [name for name, a in zip(names, arrays, strict=True) for _ in range(len(a))]
    numbered = [f"{name}#{i}" for name, a in zip(names, arrays, strict=True) for i in range(len(a))]
    if not labels:
        raise ConfigError(f"{root} holds no frame")
    frames: Frames = arrays[0] if len(arrays) == 1 else _Chain(tuple(arrays))
    return FrameSet(frames, labels if len(arrays) > 1 else None, numbered)


def _load_images(files: Sequence[Path], names: Sequence[str]) -> FrameSet:
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # a PNG's EXIF may lie behind its pixels
        by_file = list(pool.map(pages_of, files))
    pages, labels, groups = [], [], []
    for found, name in zip(by_file, names, strict=True):
        several = len(found) > 1
        pages += found
        labels += [f"{name}#{number}" if several else name for _, number, _ in found]
        groups += [name if several else name.rpartition("/")[0] or "."] * len(found)
    _same([shape for _, _, shape in pages], [path for path, _, _ in pages])
    return FrameSet(ImageFrames(pages), groups if len(set(groups)) > 1 else None, labels)


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in IMAGES:
        return "images"
    if suffix in SHARDS:
        return "shards"
    if suffix in (".npy", ".mat"):
        return {".npy": "arrays", ".mat": "clips"}[suffix]
    raise ConfigError(f"{path} is no file of frames; known are {', '.join(KINDS)}")


def _same(shapes: Sequence[Shape], files: Sequence[Path]) -> None:
    for shape, path in zip(shapes, files, strict=True):
        if shape != shapes[0]:
            sizes = shape[:2] != shapes[0][:2]
            raise ConfigError(
                f"frames differ in {'size' if sizes else 'colour'}: {files[0]} has "
                f"{spell(shapes[0])}, {path} has {spell(shape)}; "
                + ("bring them to one size" if sizes else "save them all in grey, or all in RGB")
            )


@dataclass(frozen=True)
class _Chain:
    """Several arrays, one after another."""

    arrays: tuple[NDArray[np.uint8], ...]

    def __len__(self) -> int:
        return sum(map(len, self.arrays))

    def __getitem__(self, block: slice) -> NDArray[np.uint8]:
        start, stop, _ = block.indices(len(self))
        parts, before = [], 0
        for array in self.arrays:
            part = array[max(0, start - before) : max(0, stop - before)]
            if len(part):
                parts.append(part)
            before += len(array)
        empty = np.empty((0, *self.arrays[0].shape[1:]), np.uint8)
        return np.concatenate(parts) if parts else empty


def _read(path: Path) -> NDArray[np.uint8]:
    """All frames of an array, clip or shard: (N, H, W) or (N, H, W, 3)."""
    suffix = path.suffix.lower()
    try:
        if suffix == ".npy":
            return _read_array(path)
        if suffix == ".mat":
            return _read_clip(path)
        from lusgan_core.preprocessing.shard import read_shard_frames

        return read_shard_frames(path)
    except (OSError, ValueError, KeyError, EOFError) as error:  # ClipError, StoreError too
        raise ConfigError(f"{path} cannot be read: {error}") from error


def _read_array(path: Path) -> NDArray[np.uint8]:
    """Frames of a .npy file, mapped; one frame alone is (H, W) or (H, W, 3)."""
    with path.open("rb") as stream:
        if stream.read(len(npy.MAGIC_PREFIX)) != npy.MAGIC_PREFIX:
            raise ValueError("it is no .npy file: write it with numpy.save")
    try:
        frames: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        if "Python object" in str(error) or "pickle" in str(error):
            raise ValueError("it holds Python objects, expected uint8 grey levels") from error
        raise
    if frames.ndim == 2 or (frames.ndim == 3 and frames.shape[2] == 3):
        frames = frames[None]
    expected = frames.ndim == 3 or (frames.ndim == 4 and frames.shape[3] in (1, 3))
    if frames.dtype != np.uint8 or not expected:
        raise ValueError(
            f"it holds {frames.dtype} shaped {frames.shape}, expected uint8 shaped (N, H, W), "
            "(N, H, W, 3), or (H, W) or (H, W, 3) of one frame"
        )
    return frames[..., 0] if frames.ndim == 4 and frames.shape[3] == 1 else frames


def _read_clip(path: Path) -> NDArray[np.uint8]:
    """All frames of a .mat clip, wherever it lies: (N, H, W). Raises ClipError."""
    from lusgan_core.domain import ClipFiles, SourceObject
    from lusgan_core.ingestion.clip import open_clip
    from lusgan_core.ingestion.readers import choose_readers
    from lusgan_core.store.source import FolderSource

    found = SourceObject(key=path.name, size=path.stat().st_size, digest="")
    files = ClipFiles(patient="", exam="", area=0, reader="mat", name=path.stem, clip=found)
    with open_clip(FolderSource(path.parent), files, choose_readers({"mat": {}})) as clip:
        return np.stack(list(clip.frames()))
