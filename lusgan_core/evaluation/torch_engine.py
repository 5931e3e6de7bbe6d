"""The all-pairs engine in torch alone: for any device, and for jobs too small to compile for.

One frame of the first set is held against a batch of the second at a time. Window sums are exact
or nearly so in single precision, because every frame is centred on its commonest grey level;
MS-SSIM's three coarse scales, SSIM, VIF and all totals are in double.

Shapes: B batch of second frames, C channels, H height, W width, n and m frames of the two blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lusgan_core.evaluation.formulas import C1, C2, WINDOW, Compat, FrameSums
from lusgan_core.evaluation.single import (
    frame_sums,
    gaussian,
    halve,
    laplacian,
    mode_of,
    rase_weights,
    zero_map,
)

SCALES = 5
COARSE = 2
"""From this scale on (0 is full size), MS-SSIM is in double precision."""
EXACT = 1024
"""Products of two numbers in -128..127 that single precision sums exactly, in any order."""
BATCH_BYTES = 64 << 20
"""Size of the largest temporary array; a batch is cut to it."""
Term = Callable[["TorchEngine", "dict[str, Tensor]", "dict[str, Tensor]"], Tensor]
"""A term of one first frame against a batch of second ones, by the names of their parts."""

VIF_NOISE, VIF_EPS = 2.0, 1e-10


@dataclass(frozen=True)
class TorchFrames:
    """A block of frames, prepared: sums, and by name a tensor with N in front."""

    sums: FrameSums
    parts: dict[str, Tensor]
    shape: tuple[int, int, int]

    def __getitem__(self, block: slice) -> TorchFrames:
        parts = {name: part[block] for name, part in self.parts.items()}
        return TorchFrames(self.sums[block], parts, self.shape)


class TorchEngine:
    """Terms of pairs by torch operations on one device."""

    def __init__(self, terms: frozenset[str], compat: Compat, device: str = "cpu") -> None:
        self.wanted = terms
        self.compat = compat
        self.rows = 16
        self.device = torch.device(device)
        self.name = f"torch {torch.__version__.split('+')[0]} ({self._hardware()})"
        self.batch_bytes = BATCH_BYTES if self.device.type == "cpu" else 8 * BATCH_BYTES
        self.taps = gaussian(11, 1.5)

    def _hardware(self) -> str:
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return self.device.type

    def bytes_per_frame(self, height: int, width: int, channels: int) -> int:
        """Memory that one prepared frame takes, roughly."""
        floats = {"dot": 1, "rase": 2, "zeros": 1, "scc": 3, "ssim": 5, "msssim": 5, "uqi": 4}
        floats |= {"vif": 9, "angles": 1}
        return 4 * height * width * channels * sum(floats.get(t, 0) for t in self.wanted)

    @torch.no_grad()
    def prepare(self, frames: NDArray[np.uint8]) -> TorchFrames:
        """Everything that depends on one frame only, for (N, H, W, C) uint8."""
        planes = np.ascontiguousarray(np.moveaxis(frames, 3, 1))
        wide = planes.astype(np.int64)
        parts: dict[str, NDArray[Any]] = {}
        single, double = np.float32, np.float64
        if "dot" in self.wanted:
            parts["low"] = (wide - 128).reshape(*planes.shape[:2], -1).astype(single)
        if "rase" in self.wanted:
            parts["weight"] = rase_weights(frames, self.compat).astype(single)
        if self.wanted & {"rase", "uqi", "ssim", "angles"}:
            parts["x"] = planes.astype(single)
        if "zeros" in self.wanted:
            parts["zero"] = np.stack([zero_map(f).ravel() for f in frames]).astype(single)
        if "scc" in self.wanted:
            parts["high"] = np.pad(laplacian(wide), [(0, 0), (0, 0), (4, 3), (4, 3)]).astype(single)
        if "msssim" in self.wanted or "vif" in self.wanted:
            centre = np.array([mode_of(f) for f in frames], double)
            parts["centre"] = centre
            parts["y0"] = wide - centre[:, None, None, None]
        tensors = {name: self._send(part) for name, part in parts.items()}
        if "scc" in self.wanted:
            tensors |= _normalised(tensors["high"].double())
        if self.wanted & {"uqi", "ssim"}:
            tensors |= _window_moments(tensors["x"].double(), self.wanted)
        if "msssim" in self.wanted:
            tensors |= self._pyramid(np.moveaxis(parts["y0"], 1, 3))
        if "vif" in self.wanted:
            tensors |= _vif_scales(tensors["y0"])
        tensors.pop("y0", None)
        return TorchFrames(frame_sums(frames, self.wanted, self.compat), tensors, frames.shape[1:])

    def _send(self, part: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(part)).to(self.device)

    def _pyramid(self, images: NDArray[np.float64]) -> dict[str, Tensor]:
        # Of each scale: the centred image, its blurred mean, and variance + C2 / 2.
        parts: dict[str, Tensor] = {}
        for scale in range(SCALES):
            kind = torch.float64 if scale >= COARSE else torch.float32
            x = self._send(np.moveaxis(images, 3, 1))
            mean = blur(x, self.taps)
            variance = blur(x * x, self.taps) - mean * mean + C2 / 2
            found = {"x": x, "mean": mean, "variance": variance}
            parts |= {f"{name}@{scale}": part.to(kind) for name, part in found.items()}
            images = halve(images) if scale < SCALES - 1 else images
        return parts

    @torch.no_grad()
    def terms(
        self, a: TorchFrames, b: TorchFrames, wanted: frozenset[str]
    ) -> dict[str, NDArray[Any]]:
        """The wanted terms of all n x m pairs, as `formulas` defines them."""
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
        # One first frame against all second ones, in batches; halved while memory does not do.
        height, width, channels = a.shape
        count, done = len(b.sums.sums), []
        size = max(1, self.batch_bytes // (8 * height * width * channels))
        start = 0
        first = {name: part[i] for name, part in a.parts.items()}
        while start < count:
            second = {name: part[start : start + size] for name, part in b.parts.items()}
            try:
                done.append(PAIRWISE[term](self, first, second))
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
                size //= 2
                self.batch_bytes //= 2
                torch.cuda.empty_cache()
                continue
            start += size
        return torch.cat(done)

    def _rase(self, a: dict[str, Tensor], b: dict[str, Tensor]) -> Tensor:
        errors = (a["x"] - b["x"]).square().sum(dim=1)
        roots = box(errors, WINDOW)[:, :-1, :-1].sqrt() * a["weight"]
        channels, windows = a["x"].shape[0], a["weight"].numel()
        return roots.sum(-1).double().sum(-1) / float(WINDOW * channels**0.5 * windows)

    def _scc(self, a: dict[str, Tensor], b: dict[str, Tensor]) -> Tensor:
        products = box(a["high"] * b["high"], WINDOW) * WINDOW**2
        maps = products * (a["inverse"] * b["inverse"]) - a["drift"] * b["drift"]
        return maps.sum(-1).double().mean(dim=(-2, -1)) / maps.shape[-1]

    def _uqi(self, a: dict[str, Tensor], b: dict[str, Tensor]) -> Tensor:
        both = a["sum8"] * b["sum8"]
        top = 4 * (box(a["x"] * b["x"], WINDOW)[..., :-1, :-1] - both / WINDOW**4) * both
        squares = a["square8"] + b["square8"]
        bottom = (a["spread8"] + b["spread8"]) * squares
        maps = torch.where(squares > 0, top / bottom, 1.0)
        return maps.sum(-1).double().mean(dim=(-2, -1)) / maps.shape[-1]

    def _ssim(self, a: dict[str, Tensor], b: dict[str, Tensor]) -> Tensor:
        products = box(a["x"] * b["x"], 11).double() / 121
        both = a["mean11"] * b["mean11"]
        top = (2 * both + C1) * (2 * (products - both) + C2)
        squares = a["mean11"].square() + b["mean11"].square() + C1
        return (top / (squares * (a["var11"] + b["var11"] + C2))).mean(dim=(-3, -2, -1))

    def _msssim(self, a: dict[str, Tensor], b: dict[str, Tensor]) -> Tensor:
        values = []
        for s in range(SCALES):
            mean_a, mean_b = a[f"mean@{s}"], b[f"mean@{s}"]
            covariance = blur(a[f"x@{s}"] * b[f"x@{s}"], self.taps) - mean_a * mean_b
            maps = (2 * covariance + C2) / (a[f"variance@{s}"] + b[f"variance@{s}"])
            if s == SCALES - 1:
                light_a, light_b = mean_a + a["centre"], mean_b + b["centre"][:, None, None, None]
                squares = light_a.square() + light_b.square()
                maps = maps * (2 * light_a * light_b + C1) / (squares + C1)
            values.append(maps.sum(-1).double().mean(dim=(-2, -1)) / maps.shape[-1])
        return torch.stack(values, dim=-1)

    def _vif(self, a: dict[str, Tensor], b: dict[str, Tensor]) -> Tensor:
        top: Tensor | float = 0.0
        for scale in range(4):
            taps = _vif_taps(scale)
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

    def _angles(self, a: dict[str, Tensor], b: dict[str, Tensor]) -> Tensor:
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


def box(x: Tensor, side: int) -> Tensor:
    """Sums over windows of side x side inside (..., H, W), by doubling: no running error."""
    for dim in (-1, -2):
        total: Tensor | None = None
        power, length, taken = x, 1, 0
        while taken < side:
            if side & length:
                size = x.shape[dim] - side + 1
                part = power.narrow(dim, taken, size)
                total = part if total is None else total + part
                taken += length
            if taken < side:
                size = power.shape[dim] - length
                power = power.narrow(dim, 0, size) + power.narrow(dim, length, size)
                length *= 2
        assert total is not None
        x = total
    return x


def blur(x: Tensor, taps: NDArray[np.float64]) -> Tensor:
    """(..., H, W) filtered with taps x taps where the window lies inside."""
    side = len(taps)
    height, width = x.shape[-2] - side + 1, x.shape[-1] - side + 1
    if x.device.type == "cpu":  # shifted sums: three times as fast as a product or a convolution
        for dim, size in ((-1, width), (-2, height)):
            total = x.narrow(dim, 0, size) * taps[0]
            for i in range(1, side):
                total.add_(x.narrow(dim, i, size), alpha=float(taps[i]))
            x = total
        return x
    down, across = _band(x, taps, x.shape[-2]), _band(x, taps, x.shape[-1])
    return down @ (x @ across.T)


def _band(x: Tensor, taps: NDArray[np.float64], size: int) -> Tensor:
    band = np.zeros((size - len(taps) + 1, size))
    for i, tap in enumerate(taps):
        np.fill_diagonal(band[:, i:], tap)
    return torch.from_numpy(band).to(x)


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


def _normalised(high: Tensor) -> dict[str, Tensor]:
    # SCC's windows: 1 / sqrt(64 sum(h^2) - sum(h)^2), 0 where flat, and sum(h) times it.
    sums, squares = box(high, WINDOW), box(high * high, WINDOW)
    spread = WINDOW**2 * squares - sums**2
    inverse = torch.where(spread > 0, spread.clamp_min(1).rsqrt(), 0.0)
    return {"inverse": inverse.float(), "drift": (sums * inverse).float()}


def _window_moments(x: Tensor, wanted: frozenset[str]) -> dict[str, Tensor]:
    parts = {}
    if "uqi" in wanted:  # sewar takes window means for sums: a factor of 64 is missing throughout
        sums, squares = (box(v, WINDOW)[..., :-1, :-1] for v in (x, x * x))
        parts["sum8"], parts["square8"] = sums.float(), sums.square().float()
        parts["spread8"] = (squares - sums.square() / WINDOW**4).float()
    if "ssim" in wanted:
        mean = box(x, 11) / 121
        parts["mean11"], parts["var11"] = mean, box(x * x, 11) / 121 - mean.square()
    return parts


def _vif_taps(scale: int) -> NDArray[np.float64]:
    side = 2 ** (4 - scale) + 1
    return gaussian(side, side / 5)


def _vif_scales(x: Tensor) -> dict[str, Tensor]:
    """Of VIF's four scales: the image, its blurred mean and variance; and the denominator."""
    parts: dict[str, Tensor] = {}
    below = torch.zeros(x.shape[:2], dtype=x.dtype, device=x.device)
    for scale in range(4):
        taps = _vif_taps(scale)
        if scale:
            x = blur(x, taps)[..., ::2, ::2].contiguous()
        mean = blur(x, taps)
        variance = (blur(x * x, taps) - mean * mean).clamp_min(0)
        signal = torch.where(variance >= VIF_EPS, variance, 0.0)
        below += torch.log10(1 + signal / VIF_NOISE).sum(dim=(-2, -1))
        parts |= {f"vif_x@{scale}": x, f"vif_mean@{scale}": mean, f"vif_var@{scale}": variance}
    return parts | {"vif_den": below}
