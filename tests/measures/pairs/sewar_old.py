"""What sewar 0.4.6 computes where it differs from 0.4.10, written out anew in numpy and scipy."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter
from scipy.signal import convolve2d

WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])


def rase(a: np.ndarray, b: np.ndarray) -> float:
    """100 / mean in the window, the mean 64 times too small, times the RMSE; black windows: inf."""
    x, y = (np.atleast_3d(frame).astype(float) for frame in (a, b))
    mean = uniform_filter(x, 8).sum(axis=2) / x.shape[2] / 64
    errors = np.stack(
        [uniform_filter((x[..., c] - y[..., c]) ** 2, 8) for c in range(x.shape[2])], axis=2
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        values = 100 / mean * np.sqrt(errors.sum(axis=2) / x.shape[2])
    return float(values[4:-4, 4:-4].mean())


def sam(a: np.ndarray, b: np.ndarray) -> float:
    """One angle over the whole of each channel, averaged."""
    x, y = (
        np.atleast_3d(frame).astype(float).reshape(-1, np.atleast_3d(a).shape[2])
        for frame in (a, b)
    )
    with np.errstate(invalid="ignore"):
        norms = np.sqrt((x**2).sum(axis=0)) * np.sqrt((y**2).sum(axis=0))
        cosines = (x * y).sum(axis=0) / norms
    return float(np.arccos(np.clip(cosines, -1, 1)).mean())


def psnrb(a: np.ndarray, b: np.ndarray) -> float:
    """Block differences and their squares modulo 256; peak 1 where the second is nearly black."""
    x, y = np.atleast_3d(a)[..., 0], np.atleast_3d(b)[..., 0]
    height, width = y.shape
    across = ((y[:, :-1].astype(int) - y[:, 1:]) % 256) ** 2 % 256
    down = ((y[:-1].astype(int) - y[1:]) % 256) ** 2 % 256
    edge_c, edge_r = np.arange(width - 1) % 8 == 7, np.arange(height - 1) % 8 == 7
    edges = across[:, edge_c].sum() + down[edge_r].sum()
    inside = across[:, ~edge_c].sum() + down[~edge_r].sum()
    count_c, count_r = height * (width / 8) - 1, width * (height / 8) - 1
    edges = edges / (count_c + count_r)
    inside = inside / (height * (width - 1) - count_c + width * (height - 1) - count_r)
    effect = 0.0
    if edges > inside:
        effect = 3 / np.log2(min(height, width)) * (edges - inside)
    error = ((x.astype(float) - y) ** 2).mean() + effect
    peak = 255.0 if y.max() > 2 else 1.0
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(peak**2 / np.float64(error)))


def msssim(a: np.ndarray, b: np.ndarray) -> float:
    """The modulus of the complex value."""
    taps = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)
    window = np.outer(taps, taps) / taps.sum() ** 2
    x, y = (np.atleast_3d(frame).astype(float) for frame in (a, b))
    value = 1.0
    for scale in range(5):
        contrast, similar = [], []
        for c in range(x.shape[2]):
            p, q = x[..., c], y[..., c]
            blur = lambda v: convolve2d(v, window, "valid")  # noqa: E731
            m, n = blur(p), blur(q)
            cov, var = blur(p * q) - m * n, blur(p * p) - m * m + blur(q * q) - n * n
            cs = (2 * cov + 58.5225) / (var + 58.5225)
            contrast.append(cs.mean())
            similar.append((cs * (2 * m * n + 6.5025) / (m * m + n * n + 6.5025)).mean())
        value *= abs(np.mean(similar if scale == 4 else contrast)) ** WEIGHTS[scale]
        x, y = (uniform_filter(v, 2)[::2, ::2] for v in (x, y))
    return float(value)
