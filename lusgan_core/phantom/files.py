"""Writes the files of a clip in the format of a hospital's MATLAB, the same bytes every time.

MATLAB has two formats: v5, in which variables are zlib-compressed (scipy writes it), and v7.3,
which is HDF5 with a header in front, reversed axes and a ``MATLAB_class`` attribute. Both put the
date into their header; here it is a fixed text, so that equal clips have equal digests.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Literal

import cv2
import h5py
import numpy as np
import scipy.io
from numpy.typing import NDArray

from lusgan_core.phantom.scanner import Scanner, fan_mask

HEADER_BYTES = 128
"""Header of any MATLAB file: 116 bytes of text, 8 of subsystem offset, version, byte order."""
HEADER_TEXT = "MATLAB {} MAT-file, Platform: PHANTOM, Created on: Thu Jan  1 00:00:00 1970"
USER_BLOCK_BYTES = 512
"""Bytes before the HDF5 part of a v7.3 file."""
V5_LIMIT_BYTES = 2**31
"""Variables of v5 are smaller; MATLAB too requires v7.3 from there on."""


def write_clip(
    path: Path, frames: NDArray[np.uint8], name: str, *, v73: bool, wide_chunks: bool = False
) -> None:
    """Write frames as a .mat file with one variable: H x W x 3 x N, three equal channels.

    Args:
        path: Where to write.
        frames: (N, H, W) uint8.
        name: Name of the variable.
        v73: Whether to write v7.3 rather than v5, as happens anyway from 2 GiB on.
        wide_chunks: Whether a chunk of a v7.3 file holds all three channels of a frame, rather than
            one.
    """
    # MATLAB stores columns first: its (H, W, 3, N) is (N, 3, W, H) here, byte for byte.
    stored = np.repeat(frames.transpose(0, 2, 1)[:, None], 3, axis=1)
    if v73 or stored.nbytes >= V5_LIMIT_BYTES:
        chunks = (1, 3 if wide_chunks else 1, *stored.shape[2:])
        _write_v73(path, stored, name, "uint8", chunks)
    else:
        _write_v5(path, stored.T, name)


def write_scores(path: Path, scores: list[int], name: str, *, v73: bool) -> None:
    """Write a score matrix as a .mat file with one variable: 3 x M doubles.

    Row k (from 0) of a column is 1 where the score is above k, so that each column sums to its
    score: 000, 100, 110, 111.

    Args:
        path: Where to write.
        scores: M scores, 0..3.
        name: Name of the variable.
        v73: Whether to write v7.3 rather than v5.
    """
    matrix = (np.asarray(scores)[None, :] > np.arange(3)[:, None]).astype(np.float64)
    if v73:
        _write_v73(path, np.ascontiguousarray(matrix.T), name, "double", None)
    else:
        _write_v5(path, matrix, name)


def write_mask(path: Path, scanner: Scanner, kind: Literal["box", "fan"]) -> None:
    """Write the region to keep as a PNG picture.

    Args:
        path: Where to write.
        scanner: Gives the fan and the size of the frame.
        kind: ``fan`` writes the fan in grey; ``box`` its filled bounding box, as RGBA.
    """
    region = fan_mask(scanner).astype(np.uint8) * 255
    if kind == "fan":
        image = region
    else:
        x, y, width, height = cv2.boundingRect(region)
        image = np.zeros((*region.shape, 4), np.uint8)
        image[y : y + height, x : x + width, :3] = 255
        image[..., 3] = 255
    path.write_bytes(cv2.imencode(".png", image)[1].tobytes())


def write_movie_decoy(path: Path) -> None:
    """Write a file that looks like a movie beside a clip: an AVI's header without content."""
    path.write_bytes(b"RIFF" + struct.pack("<I", 4) + b"AVI ")


def write_table_decoy(path: Path) -> None:
    """Write a table like the one at the top of the hospital's tree, which belongs to no clip."""
    _write_v5(path, np.arange(12, dtype=np.float64).reshape(3, 4), "SanMatteo")


def _write_v5(path: Path, array: NDArray[np.generic], name: str) -> None:
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {name: array}, do_compression=True)
    buffer.seek(0)
    buffer.write(HEADER_TEXT.format("5.0").ljust(116).encode())  # in place of today's date
    path.write_bytes(buffer.getbuffer())


def _write_v73(
    path: Path,
    array: NDArray[np.generic],
    name: str,
    matlab_class: str,
    chunks: tuple[int, ...] | None,
) -> None:
    """Write an array whose axes are reversed already; gzip where it is chunked."""
    gzip = {"compression": "gzip", "compression_opts": 3} if chunks else {}
    with h5py.File(path, "w", userblock_size=USER_BLOCK_BYTES) as file:
        data = file.create_dataset(name, data=array, chunks=chunks, track_times=False, **gzip)
        data.attrs["MATLAB_class"] = np.bytes_(matlab_class)
    text = (HEADER_TEXT.format("7.3") + " HDF5 schema 1.00 .").ljust(116).encode()
    header = text + bytes(8) + struct.pack("<H", 0x0200) + b"IM"
    with path.open("r+b") as raw:
        raw.write(header.ljust(USER_BLOCK_BYTES, b"\0"))
