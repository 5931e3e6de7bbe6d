"""Computes the values of metrics from what an engine measures on pairs of frames.

An engine computes *terms*, sums over the pixels or windows of a pair that several metrics share;
this module turns them into values, by sewar's definitions. sewar is two different things: up to
0.4.8 RASE is 64 times too large (and NaN or infinite, up to 0.4.6, where a window of the first
frame is all zero), SAM is one angle over the whole image, PSNR-B's block differences wrap modulo
256 and MS-SSIM is complex; from 0.4.9 on all of that is fixed. ``compat`` says which is meant:
``0.4.10``, or ``0.4.6`` for all the old ways together (of the complex MS-SSIM the modulus).

Terms, for n first and m second frames of H x W pixels and C channels:

    dot      (n, m, C)  sum over pixels of x y, exact, int64
    rase     (n, m)     mean over 8 x 8 windows of 100 RMSE(window) / mean of x in the window
    zeros    (n, m)     number of 8 x 8 windows in which both frames are all zero
    scc      (n, m)     mean over windows of the correlation of the Laplacians
    ssim     (n, m)     mean SSIM, uniform 11 x 11 windows
    msssim   (n, m, 5)  mean contrast-structure at scales 1..4, mean SSIM at scale 5
    uqi      (n, m)     mean universal quality index, 8 x 8 windows
    vif      (n, m)     pixel-based visual information fidelity
    angles   (n, m)     mean spectral angle of a pixel, radians

Sources: PSNR-B Yim and Bovik 2011; RASE Gonzalez-Audicana 2004; SCC Zhou 1998; ERGAS Wald 2000;
SAM Yuhas 1992; UQI Wang and Bovik 2002; SSIM Wang 2004; MS-SSIM Wang 2003; VIF Sheikh and Bovik
2006; each in sewar's reading of it, which `value` of the metric computes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lusgan_core.errors import ConfigError

Compat = Literal["0.4.10", "0.4.6"]
COMPAT: tuple[Compat, ...] = ("0.4.10", "0.4.6")

SCALE_WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])
"""Exponents of MS-SSIM's five scales (Wang 2003)."""
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
"""Constants of SSIM for 8-bit frames."""
WINDOW = 8
"""Side of the windows of RASE, SCC and UQI, and of PSNR-B's blocks, pixels."""

Floats = NDArray[np.float64]
Terms = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class FrameSums:
    """Statistics of N single frames: sums over pixels, (N,) or (N, C)."""

    pixels: int
    sums: NDArray[np.int64]
    squares: NDArray[np.int64]
    maximum: NDArray[np.int64]
    blocking: Floats
    """PSNR-B's blocking effect factor of the first channel (NaN if not asked for)."""
    zero_windows: NDArray[np.int64]
    """Number of all-zero 8 x 8 windows (0 if not asked for)."""

    def __getitem__(self, block: slice) -> FrameSums:
        parts = {f.name: getattr(self, f.name) for f in fields(self)[1:]}
        return FrameSums(self.pixels, **{k: v[block] for k, v in parts.items()})


def join_sums(parts: Sequence[FrameSums]) -> FrameSums:
    """Join the statistics of several blocks."""
    names = [f.name for f in fields(FrameSums)[1:]]
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return FrameSums(parts[0].pixels, **joined)


@dataclass(frozen=True)
class Kernel:
    """A built-in metric: the terms it is made of and how, and the smallest frame it takes."""

    value: Callable[[Terms, FrameSums, FrameSums, Compat], Floats]
    terms: Callable[[int, Compat], frozenset[str]]
    """From the number of channels and the version."""
    min_size: int = 1


def terms_of(kernel: str, channels: int, compat: Compat) -> frozenset[str]:
    """Look up the terms that a kernel needs.

    Args:
        kernel: Name of the kernel, a key of `KERNELS`.
        channels: 1 for grey, 3 for RGB.
        compat: Version of sewar whose values are wanted.

    Returns:
        Names of terms, as in the module's docstring.
    """
    return KERNELS[kernel].terms(channels, compat)


def evaluate(kernel: str, terms: Terms, a: FrameSums, b: FrameSums, compat: Compat) -> Floats:
    """Compute a kernel's values from the terms of n x m pairs.

    Args:
        kernel: Name of the kernel, a key of `KERNELS`.
        terms: Terms by name, as in the module's docstring.
        a: Statistics of the n first frames.
        b: Statistics of the m second frames.
        compat: Version of sewar whose values are wanted.

    Returns:
        Values (n, m) float64; NaN and infinite where sewar's are.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return KERNELS[kernel].value(terms, a, b, compat)


def check_compat(compat: str) -> Compat:
    """The version of sewar that a name stands for; raises ConfigError for any other name."""
    for known in COMPAT:
        if compat == known:
            return known
    raise ConfigError(f"compat {compat!r} is no version of sewar known here: {', '.join(COMPAT)}")


def squared_errors(terms: Terms, a: FrameSums, b: FrameSums) -> NDArray[np.int64]:
    """Sum the squared differences of each channel, exactly: sum(x^2) + sum(y^2) - 2 sum(x y).

    Args:
        terms: Terms by name, ``dot`` among them.
        a: Statistics of the n first frames.
        b: Statistics of the m second frames.

    Returns:
        Sums (n, m, C) int64.
    """
    sums: NDArray[np.int64] = a.squares[:, None] + b.squares[None] - 2 * terms["dot"]
    return sums


def _mse(terms: Terms, a: FrameSums, b: FrameSums, compat: Compat) -> Floats:
    errors = squared_errors(terms, a, b)
    total: Floats = errors.sum(axis=2) / (a.pixels * errors.shape[2])
    return total


def _rmse(terms: Terms, a: FrameSums, b: FrameSums, compat: Compat) -> Floats:
    return np.sqrt(_mse(terms, a, b, compat))


def _psnr(terms: Terms, a: FrameSums, b: FrameSums, compat: Compat) -> Floats:
    # In dB; infinite for identical frames.
    decibels: Floats = 10 * np.log10(255.0**2 / _mse(terms, a, b, compat))
    return decibels


def _psnrb(terms: Terms, a: FrameSums, b: FrameSums, compat: Compat) -> Floats:
    # Of the first channel alone; the old version takes 1 as the peak of a nearly black frame.
    errors = squared_errors(terms, a, b)[:, :, 0] / a.pixels
    peak = np.full(len(b.maximum), 255.0)
    if compat == "0.4.6":
        peak = np.where(b.maximum > 2, 255.0, 1.0)
    decibels: Floats = 10 * np.log10(peak**2 / (errors + b.blocking))
    return decibels


def _ergas(terms: Terms, a: FrameSums, b: FrameSums, compat: Compat) -> Floats:
    errors = squared_errors(terms, a, b) / a.pixels
    means = (a.sums / a.pixels)[:, None]
    return np.asarray(25.0 * np.sqrt((errors / means**2).mean(axis=2)))


def _sam(terms: Terms, a: FrameSums, b: FrameSums, compat: Compat) -> Floats:
    if "angles" in terms:
        return np.asarray(terms["angles"], np.float64)
    dot = terms["dot"]
    if compat == "0.4.6":
        norms = np.sqrt(a.squares)[:, None] * np.sqrt(b.squares)[None]
        return np.asarray(np.arccos(np.clip(dot / norms, -1, 1)).mean(axis=2))
    # A grey pixel has a direction but no angle: 0 where any pixel is lit in both, else undefined.
    return np.where(dot[:, :, 0] > 0, 0.0, np.nan)


def _rase(terms: Terms, a: FrameSums, b: FrameSums, compat: Compat) -> Floats:
    if compat == "0.4.10":
        return np.asarray(terms["rase"], np.float64)
    # The old mean is divided by the window's area once too often, and by zero where a window of
    # the first frame is black: 100 / 0 is infinite, times an error of 0 undefined.
    value = terms["rase"] * WINDOW**2
    value = np.where(a.zero_windows[:, None] > 0, np.inf, value)
    return np.where(terms["zeros"] > 0, np.nan, value)


def _msssim(terms: Terms, a: FrameSums, b: FrameSums, compat: Compat) -> Floats:
    # Negative means are raised through the complex plane: modulus times the cosine of the angle.
    means = terms["msssim"]
    modulus = np.exp((np.log(np.abs(means)) * SCALE_WEIGHTS).sum(axis=2))
    if compat == "0.4.6":
        return np.asarray(modulus, np.float64)
    turns = ((means < 0) * SCALE_WEIGHTS).sum(axis=2)
    return np.asarray(modulus * np.cos(math.pi * turns), np.float64)


def _plain(term: str) -> Callable[[Terms, FrameSums, FrameSums, Compat], Floats]:
    return lambda terms, a, b, compat: np.asarray(terms[term], np.float64)


def _always(*terms: str) -> Callable[[int, Compat], frozenset[str]]:
    return lambda channels, compat: frozenset(terms)


def _sam_terms(channels: int, compat: Compat) -> frozenset[str]:
    return frozenset({"dot"} if channels == 1 or compat == "0.4.6" else {"angles"})


def _rase_terms(channels: int, compat: Compat) -> frozenset[str]:
    return frozenset({"rase", "zeros"} if compat == "0.4.6" else {"rase"})


_DOT = _always("dot")

KERNELS: dict[str, Kernel] = {
    "mse": Kernel(_mse, _DOT),
    "rmse": Kernel(_rmse, _DOT),
    "psnr": Kernel(_psnr, _DOT),
    "psnrb": Kernel(_psnrb, _always("dot", "blocking"), min_size=9),
    "ergas": Kernel(_ergas, _DOT),
    "sam": Kernel(_sam, _sam_terms),
    "rase": Kernel(_rase, _rase_terms, min_size=9),
    "scc": Kernel(_plain("scc"), _always("scc"), min_size=8),
    "uqi": Kernel(_plain("uqi"), _always("uqi"), min_size=9),
    "ssim": Kernel(_plain("ssim"), _always("ssim"), min_size=11),
    "msssim": Kernel(_msssim, _always("msssim"), min_size=176),
    "vif": Kernel(_plain("vif"), _always("vif"), min_size=41),
}
"""By the name that a `PairMetric` gives as its ``kernel``."""
