"""The all-pairs engine in torch alone: for any device, and for jobs too small to compile for.

One frame of the first set is compared with a batch of the second at a time. Window sums are exact
or nearly so in single precision, because every frame is centred on its commonest grey level;
MS-SSIM's three coarse scales, SSIM, VIF and all totals are in double.

Shapes: B batch of second frames, C channels, H height, W width, n and m frames of the two blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lusgan_core.measures.pairs.formulas import C1, C2, WINDOW, Compat
from lusgan_core.measures.pairs.frame_statistics import vif_taps
from lusgan_core.measures.pairs.torch_engine.frame_statistics import box
from lusgan_core.measures.pairs.torch_engine.frames import (
    SCALES,
    TAPS,
    VIF_EPS,
    VIF_NOISE,
    Parts,
    TorchFrames,
    blur,
    prepare,
)

EXACT = 1024
"""Number of products of numbers in -128..127 that single precision sums exactly in any order."""
Term = Callable[["TorchEngine", Parts, Parts], Tensor]
"""A term of one first frame against a batch of second ones, by the names of their parts."""


@contextmanager
def full_precision() -> Iterator[None]:
    """Keep products of float32 matrices in full precision, whatever the process has set."""
    backends: Any = torch.backends
    settings = [backends.cuda.matmul, backends.mkldnn.matmul]
    before = [setting.fp32_precision for setting in settings]
    try:
        for setting in settings:
            setting.fp32_precision = "ieee"
        yield
    finally:
        for setting, value in zip(settings, before, strict=True):
            setting.fp32_precision = value


class TorchEngine:
    """Terms of pairs by torch operations on one device; an `Engine`.

    Args:
        terms: Names of the terms that will be wanted, see `formulas`.
        compat: Version of sewar whose values are wanted.
        device: Device of torch.
    """

    def __init__(self, terms: frozenset[str], compat: Compat, device: str = "cpu") -> None:
        self.wanted = terms
        self.compat = compat
        self.rows = 16
        self.device = torch.device(device)
        self.name = f"torch {torch.__version__.split('+')[0]} ({self._hardware()})"
        # Size of a temporary array, which second frames are batched to: a CPU's must fit its cache.
        self.batch_bytes = (4 if self.device.type == "cpu" else 256) << 20

    def _hardware(self) -> str:
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return self.device.type

    def bytes_per_frame(self, height: int, width: int, channels: int) -> int:
        """See Engine.bytes_per_frame."""
        floats = {"dot": 1, "rase": 2, "zeros": 1, "scc": 3, "ssim": 5, "msssim": 5, "uqi": 4}
        floats |= {"vif": 9, "angles": 1}
        return 4 * height * width * channels * sum(floats.get(t, 0) for t in self.wanted)

    @torch.no_grad()
    def prepare(self, frames: NDArray[np.uint8]) -> TorchFrames:
        """See Engine.prepare."""
        return prepare(frames, self.wanted, self.compat, self.device)

    def release(self, frames: TorchFrames) -> None:
        """See Engine.release; torch keeps memory for later by itself."""

    @torch.no_grad()
    @full_precision()
    def terms(
        self, a: TorchFrames, b: TorchFrames, wanted: frozenset[str]
    ) -> dict[str, NDArray[Any]]:
        """See Engine.terms."""
        found: dict[str, NDArray[Any]] = {}
        if "dot" in wanted:
            found["dot"] = _dots(a, b)
        if "zeros" in wanted:
            found["zeros"] = (a.parts["zero"] @ b.parts["zero"].T).cpu().numpy()
        for name in sorted(wanted & PAIRWISE.keys()):
            rows = [self._row(name, a, i, b) for i in range(len(a.sums.sums))]
            found[name] = torch.stack(rows).cpu().numpy()
        return found

    def _row(self, term: str, a: TorchFrames, i: int, b: TorchFrames) -> Tensor:
        # One first frame against all second ones, in batches.
        height, width, channels = a.shape
        size = max(1, self.batch_bytes // (8 * height * width * channels))
        first = {name: part[i] for name, part in a.parts.items()}
        done = []
        for start in range(0, len(b.sums.sums), size):
            second = {name: part[start : start + size] for name, part in b.parts.items()}
            done.append(PAIRWISE[term](self, first, second))
        return torch.cat(done)

    def _rase(self, a: Parts, b: Parts) -> Tensor:
        errors = (a["x"] - b["x"]).square().sum(dim=1)
        roots = box(errors, WINDOW)[:, :-1, :-1].sqrt() * a["weight"]
        channels, windows = a["x"].shape[0], a["weight"].numel()
        return roots.sum(-1).double().sum(-1) / float(WINDOW * channels**0.5 * windows)

    def _scc(self, a: Parts, b: Parts) -> Tensor:
        products = box(a["high"] * b["high"], WINDOW) * WINDOW**2
        maps = products * (a["inverse"] * b["inverse"]) - a["drift"] * b["drift"]
        return maps.sum(-1).double().mean(dim=(-2, -1)) / maps.shape[-1]

    def _uqi(self, a: Parts, b: Parts) -> Tensor:
        both = a["sum8"] * b["sum8"]
        top = 4 * (box(a["x"] * b["x"], WINDOW)[..., :-1, :-1] - both / WINDOW**4) * both
        squares = a["square8"] + b["square8"]
        bottom = (a["spread8"] + b["spread8"]) * squares
        maps = torch.where(squares > 0, top / bottom, 1.0)
        return maps.sum(-1).double().mean(dim=(-2, -1)) / maps.shape[-1]

    def _ssim(self, a: Parts, b: Parts) -> Tensor:
        products = box(a["x"] * b["x"], 11).double() / 121
        both = a["mean11"] * b["mean11"]
        top = (2 * both + C1) * (2 * (products - both) + C2)
        squares = a["mean11"].square() + b["mean11"].square() + C1
        return (top / (squares * (a["var11"] + b["var11"] + C2))).mean(dim=(-3, -2, -1))

    def _msssim(self, a: Parts, b: Parts) -> Tensor:
        values = []
        for s in range(SCALES):
            mean_a, mean_b = a[f"mean@{s}"], b[f"mean@{s}"]
            covariance = blur(a[f"x@{s}"] * b[f"x@{s}"], TAPS) - mean_a * mean_b
            maps = (2 * covariance + C2) / (a[f"variance@{s}"] + b[f"variance@{s}"])
            if s == SCALES - 1:
                light_a, light_b = mean_a + a["centre"], mean_b + b["centre"][:, None, None, None]
                squares = light_a.square() + light_b.square()
                maps = maps * (2 * light_a * light_b + C1) / (squares + C1)
            values.append(maps.sum(-1).double().mean(dim=(-2, -1)) / maps.shape[-1])
        return torch.stack(values, dim=-1)

    def _vif(self, a: Parts, b: Parts) -> Tensor:
        top: Tensor | float = 0.0
        for scale in range(4):
            taps = vif_taps(scale)
            var_a, var_b = a[f"vif_var@{scale}"], b[f"vif_var@{scale}"]
            products = blur(a[f"vif_x@{scale}"] * b[f"vif_x@{scale}"], taps)
            covariance = products - a[f"vif_mean@{scale}"] * b[f"vif_mean@{scale}"]
            seen = (var_a >= VIF_EPS) & (var_b >= VIF_EPS)
            gain = torch.where(seen, covariance / (var_a + VIF_EPS), 0.0)
            rest = var_b - gain * covariance
            rest = torch.where(var_a >= VIF_EPS, rest, var_b)
            rest = torch.where(var_b >= VIF_EPS, rest, 0.0)
            rest = torch.where(gain < 0, var_b, rest).clamp_min(VIF_EPS)
            gain = gain.clamp_min(0)
            signal = torch.where(var_a >= VIF_EPS, var_a, 0.0)
            top = top + torch.log10(1 + gain**2 * signal / (rest + VIF_NOISE)).sum(dim=(-2, -1))
        return (top / a["vif_den"]).mean(dim=-1)

    def _angles(self, a: Parts, b: Parts) -> Tensor:
        x, y = a["x"].double(), b["x"].double()
        dots = (x * y).sum(dim=1)
        norms = x.square().sum(dim=0).sqrt() * y.square().sum(dim=1).sqrt()
        seen = norms > 0
        angles = torch.where(seen, torch.arccos((dots / norms).clamp(-1, 1)), 0.0)
        return angles.sum(dim=(-2, -1)) / seen.sum(dim=(-2, -1))


PAIRWISE: dict[str, Term] = {
    "rase": TorchEngine._rase,
    "scc": TorchEngine._scc,
    "uqi": TorchEngine._uqi,
    "ssim": TorchEngine._ssim,
    "msssim": TorchEngine._msssim,
    "vif": TorchEngine._vif,
    "angles": TorchEngine._angles,
}


def _dots(a: TorchFrames, b: TorchFrames) -> NDArray[np.int64]:
    """Exact products of every two frames, a channel at a time, (n, m, C)."""
    x, y = a.parts["low"], b.parts["low"]
    n, channels, pixels = x.shape
    total = torch.zeros(n, len(y), channels, dtype=torch.int64, device=x.device)
    for c in range(channels):
        for start in range(0, pixels, EXACT):
            part = x[:, c, start : start + EXACT] @ y[:, c, start : start + EXACT].T
            total[:, :, c] += part.to(torch.int64)
    sums = a.sums.sums[:, None] + b.sums.sums[None]
    dots: NDArray[np.int64] = total.cpu().numpy() + 128 * sums - 128 * 128 * pixels
    return dots
