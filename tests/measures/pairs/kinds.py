"""Kinds of frames at which a metric may go wrong, each made by chance: for the parity campaign."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from lusgan_core.measures.pairs.fine_scales import structure_means
from speckle import speckle

Frames = NDArray[np.uint8]
Maker = Callable[[np.random.Generator, int], tuple[Frames, Frames]]


def to_grey(values: NDArray[np.float64]) -> Frames:
    """Numbers as grey levels, cut off at both ends."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _ultrasound(rng: np.random.Generator, n: int) -> tuple[Frames, Frames]:
    frames = np.stack(speckle(2 * n, 181, 192, int(rng.integers(1 << 30))))
    return frames[:n], frames[n:]


def _noise(rng: np.random.Generator, n: int) -> tuple[Frames, Frames]:
    frames = rng.integers(0, 256, (2 * n, 176, 190), dtype=np.uint8)
    return frames[:n], frames[n:]


def _extremes(rng: np.random.Generator, n: int) -> tuple[Frames, Frames]:
    """Black and white blocks: large flat areas as far apart as grey levels can be."""
    frames = []
    for _ in range(2 * n):
        side = int(rng.integers(1, 80))
        blocks = rng.choice(np.array([0, 255], np.uint8), (192 // side + 1, 192 // side + 1))
        frames.append(np.kron(blocks, np.ones((side, side), np.uint8))[:192, :192])
    return np.stack(frames[:n]), np.stack(frames[n:])


def _halves(rng: np.random.Generator, n: int) -> tuple[Frames, Frames]:
    """A dark and a light half, each flat: what is centred on one is far from the other."""
    columns = np.arange(200)
    cuts, low = rng.integers(20, 180, 2 * n), rng.integers(0, 100, 2 * n)
    frames = [np.where(columns < cut, d, 255 - d) for cut, d in zip(cuts, low, strict=True)]
    whole = np.stack([np.broadcast_to(frame, (180, 200)) for frame in frames]).astype(np.uint8)
    return whole[:n], whole[n:]


def _faint(rng: np.random.Generator, n: int) -> tuple[Frames, Frames]:
    """Bright frames with a contrast of one or two levels."""
    levels = rng.integers(0, 250, (2 * n, 1, 1))
    frames = (levels + rng.integers(0, 3, (2 * n, 178, 179))).astype(np.uint8)
    return frames[:n], frames[n:]


def _unlike(rng: np.random.Generator, n: int) -> tuple[Frames, Frames]:
    """Pairs whose contrast-structure has a mean near zero at one of the two finest scales."""
    pairs = [unlike_pair(rng, scale=i % 2) for i in range(n)]
    return np.stack([a for a, _ in pairs]), np.stack([b for _, b in pairs])


def unlike_pair(rng: np.random.Generator, scale: int) -> tuple[Frames, Frames]:
    """Two frames of like structure and opposite grain, in the ratio at which both cancel.

    The ratio is bisected until the mean of contrast-structure at a scale (0 or 1) is as near to
    zero as grey levels allow, about 1e-7.
    """
    structure = gaussian_filter(rng.normal(size=(180, 192)), 6) * 300
    grain = rng.normal(size=(180, 192)) * 20
    a = to_grey(128 + structure + grain)
    low, high = 0.0, 8.0
    for _ in range(40):
        ratio = (low + high) / 2
        b = to_grey(128 + structure - ratio * grain)
        mean = structure_means(a[..., None], b[..., None])[scale]
        low, high = (ratio, high) if mean > 0 else (low, ratio)
    return a, b


def _colour(rng: np.random.Generator, n: int) -> tuple[Frames, Frames]:
    planes = np.stack(speckle(6 * n, 177, 180, int(rng.integers(1 << 30))))
    frames = np.moveaxis(planes.reshape(2 * n, 3, 177, 180), 1, -1).copy()
    frames[-1] = 255 - frames[0]
    return frames[:n], frames[n:]


def _tiny(rng: np.random.Generator, n: int) -> tuple[Frames, Frames]:
    height, width = rng.integers(11, 40, 2)
    frames = rng.integers(0, 256, (2 * n, height, width), dtype=np.uint8)
    return frames[:n], frames[n:]


def _odd(rng: np.random.Generator, n: int) -> tuple[Frames, Frames]:
    height, width = (176 + 2 * int(k) + 1 for k in rng.integers(0, 60, 2))
    frames = np.stack(speckle(2 * n, height, width, int(rng.integers(1 << 30))))
    return frames[:n], frames[n:]


def _huge(rng: np.random.Generator, n: int) -> tuple[Frames, Frames]:
    n = max(1, n // 4)
    frames = np.stack(speckle(2 * n, 640, 830, int(rng.integers(1 << 30))))
    return frames[:n], frames[n:]


def _near(rng: np.random.Generator, n: int) -> tuple[Frames, Frames]:
    """The same frames again: as they are, with a pixel changed, stretched, darkened, blurred."""
    first = np.stack(speckle(n, 181, 190, int(rng.integers(1 << 30))))
    second = first.copy()
    for k, frame in enumerate(second):
        if k % 4 == 1:
            frame[90, 90] ^= 1
        elif k % 4 == 2:
            frame[:] = to_grey(frame * 1.6)
        elif k % 4 == 3:
            frame[:] = frame // 3
    return first, second


def _bare(rng: np.random.Generator, n: int) -> tuple[Frames, Frames]:
    """Black, white and grey frames, a single lit pixel, ramps and bowls."""
    y, x = np.mgrid[0:180, 0:184]
    dot = np.zeros((180, 184))
    dot[tuple(rng.integers(20, 160, 2))] = 255
    bowl = ((x - 90) ** 2 + (y - 90) ** 2) / 70
    level = np.full_like(dot, rng.integers(1, 255))
    bare = [dot * 0, dot * 0 + 255, level, dot, x * 1.3, 255 - y * 1.3, bowl, 255 - bowl]
    frames = np.stack([to_grey(values) for values in bare])
    chosen = rng.permutation(len(frames))
    return frames[chosen[:n]], frames[chosen[::-1][:n]]


KINDS: dict[str, Maker] = {
    "ultrasound": _ultrasound,
    "noise": _noise,
    "extremes": _extremes,
    "halves": _halves,
    "faint": _faint,
    "unlike": _unlike,
    "colour": _colour,
    "tiny": _tiny,
    "odd": _odd,
    "huge": _huge,
    "near": _near,
    "bare": _bare,
}
"""By name: makes n first and n second frames."""
