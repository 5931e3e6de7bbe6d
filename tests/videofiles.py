"""Writes videos and tables of labels, for tests."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray


def moving(count: int = 6, height: int = 64, width: int = 80, seed: int = 3) -> NDArray[np.uint8]:
    """Return frames (N, H, W) uint8 of blurred speckle that moves."""
    rng = np.random.default_rng(seed)
    wide = cv2.GaussianBlur(rng.integers(0, 256, (height, width + 64), np.uint8), (5, 5), 0)
    return np.stack([wide[:, k % 64 : k % 64 + width] for k in range(count)])


def video(
    frames: NDArray[np.uint8], codec: str = "FFV1", suffix: str = ".avi", rate: float = 25.0
) -> bytes:
    """Write a video of frames (N, H, W) or (N, H, W, 3), red first; FFV1 loses nothing."""
    height, width = frames.shape[1:3]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"video{suffix}"
        code = cv2.VideoWriter.fourcc(*codec)
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, rate, (width, height))
        assert writer.isOpened(), f"no encoder for {codec}"
        for frame in frames:
            colours = frame if frame.ndim == 3 else frame[..., None].repeat(3, axis=2)
            writer.write(np.ascontiguousarray(colours[..., ::-1]))
        writer.release()
        return path.read_bytes()


def decoded(data: bytes, suffix: str = ".avi") -> NDArray[np.uint8]:
    """Return the frames that OpenCV decodes, (N, H, W, 3), red first."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"video{suffix}"
        path.write_bytes(data)
        opened, frames = cv2.VideoCapture(str(path)), []
        while True:
            there, frame = opened.read()
            if not there:
                return np.stack(frames)[..., ::-1]
            frames.append(frame)


def table(*rows: Sequence[object], separator: str = ",") -> bytes:
    """Write a CSV file."""
    return "\n".join(separator.join(map(str, row)) for row in rows).encode()
