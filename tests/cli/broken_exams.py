"""Exams that are broken in every way that was thought of, next to clips that are good."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import h5py
import numpy as np

from matfiles import matrix, v5, v73

PATIENT = "4711"
"""Code of the patient whose exams are broken."""
SHAPE = (40, 48, 3, 4)
"""H, W, C, N of a good clip."""


def good(scores: int = 4) -> tuple[bytes, bytes]:
    """Return a clip and a score matrix that can be used."""
    return v5(matrix(fan())), labels(scores)


def fan(dtype: str = "uint8") -> np.ndarray:
    """Return a clip (H, W, C, N) that shows a bright triangle."""
    height, width, channels, count = SHAPE
    y, x = np.mgrid[:height, :width]
    inside = np.abs(x - width / 2) < y / 2
    frame = np.where(inside, 40 + 4 * y, 0).astype(dtype)
    return np.repeat(np.repeat(frame[:, :, None, None], channels, 2), count, 3)


def labels(count: int, value: float = 1) -> bytes:
    """Return a score matrix of ``count`` frames of score 1."""
    matrix_ = np.zeros((3, count))
    matrix_[0] = value
    return v5(matrix(matrix_, "Score_matrix"))


def mask(height: int = SHAPE[0], width: int = SHAPE[1], value: int = 255) -> bytes:
    """Return a PNG, transparent but for one rectangle."""
    image = np.zeros((height, width, 4), np.uint8)
    image[5:-5, 5:-5] = value
    return cv2.imencode(".png", image)[1].tobytes()


def unlike_channels() -> np.ndarray:
    clip = fan()
    clip[3:9, :, 2, 1] ^= 128
    return clip


def with_nan() -> np.ndarray:
    clip = fan("float64")
    clip[3, 4, :, 1] = np.nan
    return clip


def text_variable() -> bytes:
    return matrix(np.array([[104, 105]], np.uint16), number=4)


def plain_hdf5() -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as hdf5:
        hdf5["anything"] = np.zeros(3)
    return file.getvalue()


@dataclass(frozen=True)
class Broken:
    """A clip that cannot be used: its files, and what is said of it."""

    reason: str
    """A regular expression."""
    clip: Callable[[], bytes] = lambda: good()[0]
    scores: Callable[[], bytes] | None = lambda: good()[1]
    mask: Callable[[], bytes] | None = None


BROKEN: dict[str, Broken] = {
    "empty": Broken("^an empty file", lambda: b""),
    "truncated v5": Broken("truncated", lambda: good()[0][:-200]),
    "truncated v7.3": Broken("truncated|damaged", lambda: v73(("frames", fan()))[:-3000]),
    "a few bytes": Broken("too short", lambda: good()[0][:100]),
    "text": Broken(r"^not a \.mat file", lambda: b"patient notes, renamed\n" * 50),
    "foreign HDF5": Broken("MATLAB", plain_hdf5),
    "several variables": Broken(
        "^2 numeric variables", lambda: v5(matrix(fan()), matrix(fan(), "b"))
    ),
    "no variable": Broken("^no numeric variable", lambda: v5()),
    "text variable": Broken("^no numeric variable: only char", lambda: v5(text_variable())),
    "wrong rank": Broken("expected height x width", lambda: v5(matrix(fan()[..., 0, 0]))),
    "unlike channels": Broken("channels of frame 2 differ", lambda: v5(matrix(unlike_channels()))),
    "NaN": Broken("frame 2 holds values that are NaN", lambda: v5(matrix(with_nan()))),
    "no frames": Broken("holds no frame", lambda: v5(matrix(fan()[..., :0]))),
    "too large numbers": Broken("convert the clip", lambda: v5(matrix(fan("uint16") * 50))),
    "no score file": Broken("^no score file", scores=None),
    "scores of 2": Broken("^score file: .*other than 0 and 1", scores=lambda: labels(4, 2)),
    "sum above 3": Broken(
        "^score file: .*sums up to 4", scores=lambda: v5(matrix(np.ones((4, 4)), "s"))
    ),
    "more scores than frames": Broken(
        "^score file: .*5 columns for a clip of 4", scores=lambda: labels(5)
    ),
    "scores are text": Broken(r"^score file: not a \.mat file", scores=lambda: b"0 0 1 1\n" * 60),
    "mask of another size": Broken("mask has 30x31 .*expected 40x48", mask=lambda: mask(30, 31)),
    "empty mask": Broken("mask keeps nothing", mask=lambda: mask(value=0)),
    "mask is no picture": Broken("mask is no readable PNG", mask=lambda: b"not a picture"),
}
USABLE: dict[str, Callable[[], bytes]] = {
    "16-bit": lambda: v5(matrix(fan("uint16"))),
    "floats 0..1": lambda: v5(matrix(fan("float64") / 255)),
    "v7.3": lambda: v73(("frames", fan())),
}
"""Unusual, but fine."""
STRANGE = "P<i>\x1b[2J\\50%"
"""Code of a patient whose clip is fine."""
HOSTILE = "convex_<script>alert(1)<"
"""Start of a name that is HTML and steers a terminal."""


def write_broken(exams: Path) -> dict[str, str]:
    """Add the broken exams, and usable clips; returns a pattern of the reason for each file."""
    expected: dict[str, str] = {}
    places = [(exam, area) for exam in (1, 2) for area in range(1, 15)]
    contents = [*BROKEN.values(), *(Broken("", clip) for clip in USABLE.values())]
    for (exam, area), broken in zip(places, contents, strict=False):
        clip = clip_path(exams, exam, area)
        clip.write_bytes(broken.clip())
        if broken.scores:
            clip.with_name(f"{clip.stem}_score.mat").write_bytes(broken.scores())
        if broken.mask:
            (exams / "Binary-Masks" / f"{clip.stem}_mask.png").write_bytes(broken.mask())
        if broken.reason:
            expected[str(clip.relative_to(exams))] = broken.reason
    folder = clip_path(exams, 3, 1).parent
    for name, reason in (
        (f"convex_{PATIENT}_3_1.mat", ""),
        (f"convex_{PATIENT}_3_01.mat", "second clip of area 1"),
        (f"{HOSTILE}b>\x1b[2J\n_3.mat", "disagrees with the folders"),
    ):
        (folder / name).write_bytes(good()[0])
        if reason:
            expected[f"{PATIENT}/3/{name}"] = reason
        if not name.startswith(HOSTILE):
            (folder / name.replace(".mat", "_score.mat")).write_bytes(good()[1])
    strange = exams / STRANGE / "1"
    strange.mkdir(parents=True)
    (strange / f"convex_{STRANGE}_1_1.mat").write_bytes(good()[0])
    (strange / f"convex_{STRANGE}_1_1_score.mat").write_bytes(good()[1])
    (folder / "loop").symlink_to(exams, target_is_directory=True)
    return expected


def clip_path(exams: Path, exam: int, area: int) -> Path:
    """Return where a clip of the patient belongs; its folder is made."""
    folder = exams / PATIENT / str(exam)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"convex_{PATIENT}_{exam}_{area}.mat"
