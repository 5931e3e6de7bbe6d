"""The all-pairs engine for GPUs: torch for products of matrices, Triton for windows.

What is fused, and why so, is described in `kernels`. SCC needs neither: of windows that are brought
to mean 0 and length 1 beforehand, a pair's correlations are one product of matrices. The terms that
only colour, VIF or old versions need are left to the torch engine.

Shapes: n and m frames of the two blocks, C channels, H height, W width.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
import triton
from numpy.typing import NDArray
from torch import Tensor

from lusgan_core.measures.pairs.formulas import C1, C2, WINDOW, Compat
from lusgan_core.measures.pairs.torch_engine.engine import TorchEngine, full_precision
from lusgan_core.measures.pairs.torch_engine.frames import COARSE, SCALES, TAPS
from lusgan_core.measures.pairs.triton_engine import kernels
from lusgan_core.measures.pairs.triton_engine.frames import TILE, TritonFrames, prepare

KINDS = {"rase": kernels.RASE, "uqi": kernels.UQI, "ssim": kernels.SSIM}
SIDES = {"rase": 8, "uqi": 8, "ssim": 11}
OWN = frozenset({*KINDS, "scc", "msssim"})
"""Terms that are not left to the torch engine."""
STRIP = 8
"""Rows of windows that a program of `window_sums` adds up, in single precision."""
COLUMNS = 256
"""Columns that a program of `structure_sums` takes at most."""
NEAR = 16
"""First frames whose programs run side by side."""
DEPTH = 1024
"""Products of SCC that are added up in single precision; their sums are added up in double."""
FEATURES = 1 << 28
"""Bytes of normalised windows made at once, of each side."""


class TritonEngine:
    """Terms of pairs by Triton kernels and torch on one GPU; an `Engine`.

    Args:
        terms: Names of the terms that will be wanted, see `formulas`.
        compat: Version of sewar whose values are wanted.
        device: Device of torch.
    """

    def __init__(self, terms: frozenset[str], compat: Compat, device: str) -> None:
        self.wanted = terms
        self.compat = compat
        self.rows = 512
        self.own = terms & OWN
        self.others = terms - OWN
        self.torch = TorchEngine(self.others, compat, device)
        self.name = f"triton {triton.__version__} and {self.torch.name}"

    def bytes_per_frame(self, height: int, width: int, channels: int) -> int:
        """See Engine.bytes_per_frame."""
        bytes_each = {"rase": 10, "uqi": 10, "ssim": 10, "scc": 12, "msssim": 16}
        size = height * width * channels * sum(bytes_each[term] for term in self.own)
        return size + self.torch.bytes_per_frame(height, width, channels)

    @torch.no_grad()
    def prepare(self, frames: NDArray[np.uint8]) -> TritonFrames:
        """See Engine.prepare."""
        return prepare(frames, self.own, self.others, self.compat, self.torch.device)

    def release(self, frames: TritonFrames) -> None:
        """See Engine.release; torch keeps memory for later by itself."""

    @torch.no_grad()
    @full_precision()
    def terms(
        self, a: TritonFrames, b: TritonFrames, wanted: frozenset[str]
    ) -> dict[str, NDArray[Any]]:
        """See Engine.terms."""
        with current(self.torch.device):
            made: dict[str, Tensor] = {term: _windows(term, a, b) for term in wanted & KINDS.keys()}
            if "scc" in wanted:
                made["scc"] = _correlations(a, b)
            if "msssim" in wanted:
                made["msssim"] = torch.stack([_structure(s, a, b) for s in range(SCALES)], dim=-1)
        found: dict[str, NDArray[Any]] = {term: part.cpu().numpy() for term, part in made.items()}
        others = wanted & self.others
        if others and a.rest is not None and b.rest is not None:
            found |= self.torch.terms(a.rest, b.rest, others)
        return found


def current(device: torch.device) -> AbstractContextManager[Any]:
    """Make a device the current one, on which Triton launches whatever its arguments' device is."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _windows(term: str, a: TritonFrames, b: TritonFrames) -> Tensor:
    """RASE, UQI or SSIM of all pairs, (n, m) double."""
    names = ("pixels", f"{term}.one", f"{term}.two")
    first, second = ([frames.parts[name] for name in names] for frames in (a, b))
    n, m = len(a), len(b)
    height, width, channels = a.shape
    tall, wide = first[1].shape[2:]
    together = channels if term == "rase" else 1
    strips = -(-tall // STRIP)
    out = torch.empty(strips, channels // together, n, m, device=first[0].device)
    grid = (triton.cdiv(n, TILE) * triton.cdiv(m, TILE), strips, channels // together)
    steps = [part.stride(3) for part in (*first, *second)]
    side = SIDES[term]
    kernels.window_sums[grid](
        *(*first, *second, out, n, m, width, height * width, tall, wide, STRIP, *steps),
        KIND=KINDS[term],
        SIDE=side,
        K=triton.next_power_of_2(side * side),
        TOGETHER=together,
        BM=TILE,
        BN=TILE,
        num_warps=8,
    )
    total = out.sum(dim=(0, 1), dtype=torch.float64)
    # A window of RASE has the root of the sum of 64 squared errors and of all channels.
    return total / (tall * wide * (WINDOW * channels**0.5 if term == "rase" else channels))


def _structure(scale: int, a: TritonFrames, b: TritonFrames) -> Tensor:
    """Mean contrast-structure at a scale (at the last, SSIM) of all pairs, (n, m) double."""
    names = (f"x@{scale}", f"mean@{scale}", f"variance@{scale}", "centre")
    first, second = ([frames.parts[name] for name in names] for frames in (a, b))
    n, m = len(a), len(b)
    channels, height, width = first[0].shape[1:]
    tall, wide = height - 10, width - 10
    columns = max(16, min(COLUMNS, triton.next_power_of_2(wide)))
    together = 2 if scale < COARSE else max(2, 128 // columns)
    parts = (triton.cdiv(wide, columns), channels)
    out = torch.empty(*parts, n, m, dtype=torch.float64, device=first[0].device)
    window = torch.from_numpy(np.array([*TAPS, C1, C2])).to(first[1])
    kernels.structure_sums[(n * triton.cdiv(m, together), *parts)](
        *(*first, *second, window, out, n, m, height, width),
        *(channels * height * width, channels * tall * wide),
        LIGHT=scale == SCALES - 1,
        G=together,
        W=columns,
        NEAR=NEAR,
        num_warps=max(1, together * columns // 64),
    )
    return out.sum(dim=(0, 1)) / (tall * wide * channels)


def _correlations(a: TritonFrames, b: TritonFrames) -> Tensor:
    """SCC of all pairs, (n, m) double."""
    n, m = len(a), len(b)
    height, width, channels = a.shape
    total = torch.zeros(n, m, dtype=torch.float64, device=a.parts["high"].device)
    rows = max(1, FEATURES // (max(n, m) * width * WINDOW**2 * 4))
    for channel in range(channels):
        for top in range(0, height, rows):
            stop = min(top + rows, height)
            x, y = (_normalised(frames, channel, top, stop) for frames in (a, b))
            total += torch.bmm(x, y.transpose(1, 2)).sum(dim=0, dtype=torch.float64)
    return total / (height * width * channels)


def _normalised(frames: TritonFrames, channel: int, top: int, stop: int) -> Tensor:
    """Windows of some rows less their mean, over their length: (pieces, N, `DEPTH`) float32."""
    high, mean, inverse = (frames.parts[name][:, channel] for name in ("high", "mean", "inverse"))
    windows = high[:, top : stop + WINDOW - 1].unfold(1, WINDOW, 1).unfold(2, WINDOW, 1)
    centred = windows - mean[:, top:stop, :, None, None]
    features = centred.mul_(inverse[:, top:stop, :, None, None]).reshape(len(frames), -1)
    spare = -features.shape[1] % DEPTH
    if spare:
        features = torch.nn.functional.pad(features, (0, spare))
    return features.reshape(len(frames), -1, DEPTH).movedim(1, 0)
