"""Statistics of single frames, in NumPy: exact sums, and the shapes of windows.

On (N, H, W, C) uint8 blocks, in integers or float64. Engines make the maps that they keep of frames
themselves: `torch_engine.frame_statistics` on any device, `prepare_kernels` and `pyramid_kernels`
on the CPU.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.measures.pairs.formulas import WINDOW, Compat, Floats, FrameSums

Frames = NDArray[np.uint8]
Ints = NDArray[np.int64]


def frame_sums(frames: Frames, terms: frozenset[str], compat: Compat) -> FrameSums:
    """Compute the statistics of frames that terms need.

    Args:
        frames: (N, H, W, C) uint8.
        terms: Names of terms, see `formulas`; ``blocking`` and ``zeros`` cost extra.
        compat: Version of sewar whose values are wanted.

    Returns:
        Statistics of the N frames.
    """
    count, height, width, _ = frames.shape
    blocking = np.full(count, np.nan)
    zero_windows = np.zeros(count, np.int64)
    if "blocking" in terms:
        wrapped = compat == "0.4.6"
        blocking = np.array([blocking_effect(frame[..., 0], wrapped) for frame in frames])
    if "zeros" in terms:
        zero_windows = np.array([zero_map(frame).sum() for frame in frames], np.int64)
    return FrameSums(
        pixels=height * width,
        sums=frames.sum(axis=(1, 2), dtype=np.int64),
        squares=np.square(frames, dtype=np.uint16).sum(axis=(1, 2), dtype=np.int64),
        maximum=frames.max(axis=(1, 2, 3)).astype(np.int64),
        blocking=blocking,
        zero_windows=zero_windows,
    )


def blocking_effect(frame: Frames, wrapped: bool = False) -> float:
    """PSNR-B's blocking effect factor (Yim and Bovik 2011, equations 7-13).

    Squared differences across the edges of 8 x 8 blocks against those inside them. The numbers of
    edges are sewar's.

    Args:
        frame: (H, W) uint8.
        wrapped: Whether differences and squares are modulo 256, as in sewar up to 0.4.8.

    Returns:
        The factor; 0 if the edges are no rougher than the insides.
    """
    height, width = frame.shape
    values: NDArray[Any] = frame if wrapped else frame.astype(np.int32)
    across = np.square(values[:, :-1] - values[:, 1:]).sum(axis=0, dtype=np.int64)
    down = np.square(values[:-1] - values[1:]).sum(axis=1, dtype=np.int64)
    at_edges = int(across[WINDOW - 1 :: WINDOW].sum() + down[WINDOW - 1 :: WINDOW].sum())
    inside = int(across.sum() + down.sum()) - at_edges
    edges_across, edges_down = height * (width / WINDOW) - 1, width * (height / WINDOW) - 1
    edges = edges_across + edges_down
    others = height * (width - 1) - edges_across + width * (height - 1) - edges_down
    excess = at_edges / edges - inside / others
    return max(0.0, float(math.log2(WINDOW) / math.log2(min(height, width)) * excess))


def window_sums(values: Ints, side: int = WINDOW) -> Ints:
    """Sum over all square windows that lie inside an image, exactly.

    Args:
        values: (..., H, W) integers.
        side: Side of a window, pixels.

    Returns:
        Sums (..., H - side + 1, W - side + 1) int64.
    """
    for axis in (-2, -1):
        total = np.cumsum(values, axis=axis, dtype=np.int64)
        shape = list(total.shape)
        shape[axis] = 1
        total = np.concatenate([np.zeros(shape, np.int64), total], axis=axis)
        size = total.shape[axis]
        ends = np.take(total, range(side, size), axis=axis)
        values = ends - np.take(total, range(size - side), axis=axis)
    return values


def zero_map(frame: Frames) -> NDArray[np.bool_]:
    """Which of RASE's windows of a frame (H, W, C) are zero in every channel: (H - 8, W - 8)."""
    lit = (frame != 0).any(axis=2).astype(np.int64)
    return np.asarray(window_sums(lit)[:-1, :-1] == 0)


def rase_shares(channels: int, compat: Compat) -> Floats:
    """Share of each channel in the mean of one of RASE's windows.

    The old version smooths across channels as well, with a window of 8 over 3 reflected channels.

    Args:
        channels: 1 for grey, 3 for RGB.
        compat: Version of sewar whose values are wanted.

    Returns:
        Shares (channels,) float64 that sum to 1.
    """
    if compat == "0.4.6":
        from scipy.ndimage import uniform_filter1d

        smoothed = uniform_filter1d(np.eye(channels), WINDOW, axis=0, mode="reflect")
        return np.asarray(smoothed.mean(axis=0), np.float64)
    return np.full(channels, 1 / channels)


def gaussian(side: int, sigma: float) -> Floats:
    """Make the taps of a Gaussian window; it is separable, so one axis is enough.

    Args:
        side: Number of taps, odd.
        sigma: Standard deviation, pixels.

    Returns:
        Taps (side,) float64 that sum to 1.
    """
    x = np.arange(side) - side // 2
    taps = np.exp(-(x**2) / (2 * sigma**2))
    return np.asarray(taps / taps.sum(), np.float64)


def vif_taps(scale: int) -> Floats:
    """Taps of VIF's window at a scale of 0..3: 17, 9, 5 and 3 of them (Sheikh and Bovik 2006)."""
    side = 2 ** (4 - scale) + 1
    return gaussian(side, side / 5)
