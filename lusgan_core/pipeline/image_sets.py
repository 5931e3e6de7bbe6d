"""Reads frames from the files that people keep them in: images, arrays, clips, shards.

A folder of images, one image, a ``.npy`` array, a clip (``.mat``), or a shard (``.h5``) or a folder
of shards. Large sets are not held in memory: arrays are mapped, images are decoded when a block of
them is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from lusgan_core.errors import ConfigError
from lusgan_core.measures.pairs.frameset import Frames, FrameSet

IMAGES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
SHARDS = (".h5", ".hdf5")
KINDS = (*IMAGES, ".npy", ".mat", *SHARDS)
NUMBER = re.compile(r"[\s_.#()-]*\d*\)?(\.[A-Za-z]+)?$")
"""The part of a frame's name that does not tell its clip: the number at its end, the suffix."""

Shape = tuple[int, ...]


def load_frames(path: Path) -> FrameSet:
    """Frames of a file or folder, with their names, and groups where several files hold many.

    In a folder all images, or all arrays, clips or shards, count, in the order of their names,
    down through its subfolders. The group of an image is the folder it lies in, that of any other
    frame the file it comes from. Raises ConfigError for what is missing, empty, unreadable,
    truncated, of another kind or of several sizes; the message names the file.
    """
    if not path.exists():
        raise ConfigError(f"{path} does not exist: expected a file or a folder of frames")
    if path.is_file():
        return _load_files([path], path.parent)
    files = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix.lower() in KINDS)
    files = [
        p for p in files if not any(part.startswith(".") for part in p.relative_to(path).parts)
    ]
    if not files:
        raise ConfigError(f"{path} holds no frames; known are {', '.join(KINDS)}")
    return _load_files(files, path)


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
    names = [path.relative_to(root).as_posix() for path in files]
    if kinds == {"images"}:
        images = _ImageFiles(files, _sizes(files))
        groups = [path.parent.relative_to(root).as_posix() for path in files]
        return FrameSet(images, groups if len(set(groups)) > 1 else None, names)
    arrays = [_read(path) for path in files]
    _same([array.shape[1:] for array in arrays], files)
    labels = [name for name, a in zip(names, arrays, strict=True) for _ in range(len(a))]
    numbered = [f"{name}#{i}" for name, a in zip(names, arrays, strict=True) for i in range(len(a))]
    if not labels:
        raise ConfigError(f"{root} holds no frame")
    frames: Frames = arrays[0] if len(arrays) == 1 else _Chain(tuple(arrays))
    return FrameSet(frames, labels if len(arrays) > 1 else None, numbered)


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in IMAGES:
        return "images"
    if suffix in SHARDS:
        return "shards"
    if suffix in (".npy", ".mat"):
        return {".npy": "arrays", ".mat": "clips"}[suffix]
    raise ConfigError(f"{path} is no file of frames; known are {', '.join(KINDS)}")


def _sizes(files: Sequence[Path]) -> Shape:
    """The one shape of all images, from their headers."""
    shapes = []
    for path in files:
        try:
            with Image.open(path) as image:
                grey = _grey(image)
                shapes.append(
                    (image.height, image.width) if grey else (image.height, image.width, 3)
                )
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise ConfigError(f"{path} cannot be read as an image: {error}") from error
    _same(shapes, files)
    return shapes[0]


def _grey(image: Image.Image) -> bool:
    if image.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        raise OSError(f"its pixels are {image.mode}, expected 8 bits a channel")
    return image.mode in ("1", "L", "LA")


def _same(shapes: Sequence[Shape], files: Sequence[Path]) -> None:
    for shape, path in zip(shapes, files, strict=True):
        if shape != shapes[0]:
            raise ConfigError(
                f"frames differ in size: {files[0]} has {_spell(shapes[0])}, {path} has "
                f"{_spell(shape)}; bring them to one size"
            )


def _spell(shape: Shape) -> str:
    return " x ".join(map(str, shape[:2])) + (" RGB" if len(shape) > 2 else " grey")


@dataclass(frozen=True)
class _ImageFiles:
    """Images, decoded a block at a time."""

    files: Sequence[Path]
    shape: Shape

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, block: slice) -> NDArray[np.uint8]:
        files = self.files[block]
        frames = np.empty((len(files), *self.shape), np.uint8)
        for frame, path in zip(frames, files, strict=True):
            try:
                with Image.open(path) as image:
                    frame[...] = image.convert("L" if len(self.shape) == 2 else "RGB")
            except (OSError, ValueError, SyntaxError) as error:
                raise ConfigError(f"{path} cannot be decoded: {error}") from error
        return frames


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
    try:
        if path.suffix == ".npy":
            frames: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
            if frames.dtype != np.uint8 or frames.ndim not in (3, 4):
                raise ValueError(
                    f"it holds {frames.dtype} shaped {frames.shape}, expected uint8 shaped "
                    "(N, H, W) or (N, H, W, 3)"
                )
            return frames
        if path.suffix == ".mat":
            return _read_clip(path)
        from lusgan_core.preprocessing.shard import read_shard_frames

        return read_shard_frames(path)
    except (OSError, ValueError, KeyError, EOFError) as error:  # ClipError, StoreError too
        raise ConfigError(f"{path} cannot be read: {error}") from error


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
