"""Frames as the torch engine keeps them, and what it filters them with.

Everything that depends on one frame only is computed once, in double precision, and kept in
single where that is enough. Parts of a block, by name, N in front:

    low                     pixels - 128, flat            weight      RASE's 100 / mean
    x                       pixels                        zero        RASE's black windows, flat
    high, inverse, drift    SCC's Laplacian, 1 / root of its windows' spread, sum / root
    sum8, square8, spread8  UQI's windows                 mean11, var11    SSIM's windows
    x@S, mean@S, variance@S, centre                       MS-SSIM's scale S, commonest grey level
    vif_x@S, vif_mean@S, vif_var@S, vif_den               VIF's scale S, its denominator

Shapes: N frames, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lusgan_core.evaluation.formulas import C2, WINDOW, Compat, FrameSums, join_sums
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
CHUNK = 16
"""Frames prepared at once, which bounds the memory that takes."""
VIF_NOISE, VIF_EPS = 2.0, 1e-10
TAPS = gaussian(11, 1.5)
"""Of MS-SSIM's window."""

Parts = dict[str, Tensor]


@dataclass(frozen=True)
class TorchFrames:
    """A block of frames, prepared: sums, and by name a tensor with N in front."""

    sums: FrameSums
    parts: dict[str, Tensor]
    shape: tuple[int, int, int]

    def __getitem__(self, block: slice) -> TorchFrames:
        parts = {name: part[block] for name, part in self.parts.items()}
        return TorchFrames(self.sums[block], parts, self.shape)


def prepare(
    frames: NDArray[np.uint8], wanted: frozenset[str], compat: Compat, device: torch.device
) -> TorchFrames:
    """Everything that depends on one frame only, for (N, H, W, C) uint8."""
    chunks, sums = [], []
    for start in range(0, len(frames), CHUNK):
        some = frames[start : start + CHUNK]
        chunks.append(_prepare_some(some, wanted, compat, device))
        sums.append(frame_sums(some, wanted, compat))
    names = list(chunks[0])
    parts = {name: torch.cat([chunk.pop(name) for chunk in chunks]) for name in names}
    return TorchFrames(join_sums(sums), parts, frames.shape[1:])


def _prepare_some(
    frames: NDArray[np.uint8], wanted: frozenset[str], compat: Compat, device: torch.device
) -> Parts:
    def send(part: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(part)).to(device)

    planes = np.ascontiguousarray(np.moveaxis(frames, 3, 1)).astype(np.int64)
    parts: Parts = {}
    if "dot" in wanted:
        low = (planes - 128).reshape(*planes.shape[:2], -1)
        parts["low"] = send(low.astype(np.float32))
    if "rase" in wanted:
        parts["weight"] = send(rase_weights(frames, compat).astype(np.float32))
    if wanted & {"rase", "uqi", "ssim", "angles"}:
        parts["x"] = send(planes.astype(np.float32))
    if "zeros" in wanted:
        zero = np.stack([zero_map(frame).ravel() for frame in frames])
        parts["zero"] = send(zero.astype(np.float32))
    if "scc" in wanted:
        high = np.pad(laplacian(planes), [(0, 0), (0, 0), (4, 3), (4, 3)])
        parts["high"] = send(high.astype(np.float32))
        parts |= _normalised(send(high.astype(np.float64)))
    if wanted & {"uqi", "ssim"}:
        parts |= _window_moments(send(planes.astype(np.float64)), wanted)
    if wanted & {"msssim", "vif"}:
        centre = np.array([mode_of(frame) for frame in frames], np.float64)
        centred = planes - centre[:, None, None, None]
        parts["centre"] = send(centre)
        if "msssim" in wanted:
            parts |= _pyramid(np.moveaxis(centred, 1, 3), send)
        if "vif" in wanted:
            parts |= _vif_scales(send(centred))
    return parts


def _pyramid(images: NDArray[np.float64], send: Callable[[NDArray[Any]], Tensor]) -> Parts:
    # Of each scale: the centred image, its blurred mean, and variance + C2 / 2.
    parts: Parts = {}
    for scale in range(SCALES):
        kind = torch.float64 if scale >= COARSE else torch.float32
        x = send(np.moveaxis(images, 3, 1))
        mean = blur(x, TAPS)
        variance = blur(x * x, TAPS) - mean * mean + C2 / 2
        found = {"x": x, "mean": mean, "variance": variance}
        parts |= {f"{name}@{scale}": part.to(kind) for name, part in found.items()}
        images = halve(images) if scale < SCALES - 1 else images
    return parts


def _normalised(high: Tensor) -> Parts:
    # SCC's windows: 1 / sqrt(64 sum(h^2) - sum(h)^2), 0 where flat, and sum(h) times it.
    sums, squares = box(high, WINDOW), box(high * high, WINDOW)
    spread = WINDOW**2 * squares - sums**2
    inverse = torch.where(spread > 0, spread.clamp_min(1).rsqrt(), 0.0)
    return {"inverse": inverse.float(), "drift": (sums * inverse).float()}


def _window_moments(x: Tensor, wanted: frozenset[str]) -> Parts:
    parts = {}
    if "uqi" in wanted:  # sewar takes window means for sums: a factor of 64 is missing throughout
        sums, squares = (box(v, WINDOW)[..., :-1, :-1] for v in (x, x * x))
        parts["sum8"], parts["square8"] = sums.float(), sums.square().float()
        parts["spread8"] = (squares - sums.square() / WINDOW**4).float()
    if "ssim" in wanted:
        mean = box(x, 11) / 121
        parts["mean11"], parts["var11"] = mean, box(x * x, 11) / 121 - mean.square()
    return parts


def vif_taps(scale: int) -> NDArray[np.float64]:
    """Taps of VIF's window at a scale of 0 .. 3: 17, 9, 5 and 3 of them."""
    side = 2 ** (4 - scale) + 1
    return gaussian(side, side / 5)


def _vif_scales(x: Tensor) -> Parts:
    """Of VIF's four scales: the image, its blurred mean and variance; and the denominator."""
    parts: Parts = {}
    below = torch.zeros(x.shape[:2], dtype=x.dtype, device=x.device)
    for scale in range(4):
        taps = vif_taps(scale)
        if scale:
            x = blur(x, taps)[..., ::2, ::2].contiguous()
        mean = blur(x, taps)
        variance = (blur(x * x, taps) - mean * mean).clamp_min(0)
        signal = torch.where(variance >= VIF_EPS, variance, 0.0)
        below += torch.log10(1 + signal / VIF_NOISE).sum(dim=(-2, -1))
        parts |= {f"vif_x@{scale}": x, f"vif_mean@{scale}": mean, f"vif_var@{scale}": variance}
    return parts | {"vif_den": below}


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
