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

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lusgan_core.measures.pairs.formulas import C2, WINDOW, Compat, FrameSums, join_sums
from lusgan_core.measures.pairs.frame_statistics import gaussian, vif_taps
from lusgan_core.measures.pairs.torch_engine.frame_statistics import (
    box,
    frame_sums,
    halve,
    laplacians,
    modes_of,
    rase_weights,
    zero_maps,
)

SCALES = 5
COARSE = 2
"""From this scale on (0 is full size), MS-SSIM is in double precision."""
CHUNK_PIXELS = 1 << 20
"""Pixels prepared at once, which bounds the memory; on a GPU, eight times as many."""
VIF_NOISE, VIF_EPS = 2.0, 1e-10
TAPS = gaussian(11, 1.5)
"""Taps of MS-SSIM's window."""

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
    """Compute everything that depends on one frame only.

    Args:
        frames: (N, H, W, C) uint8.
        wanted: Names of the terms that will be wanted, see `formulas`.
        compat: Version of sewar whose values are wanted.
        device: Device that the parts are made and kept on.

    Returns:
        The prepared frames.
    """
    chunks, sums = [], []
    step = chunk_of(frames.shape[1:], device)
    for start in range(0, len(frames), step):
        planes = send(frames[start : start + step], device)
        chunks.append(_prepare_some(planes, wanted, compat))
        sums.append(frame_sums(planes, wanted, compat))
    names = list(chunks[0])
    parts = {name: torch.cat([chunk.pop(name) for chunk in chunks]) for name in names}
    return TorchFrames(join_sums(sums), parts, frames.shape[1:])


def chunk_of(shape: tuple[int, ...], device: torch.device) -> int:
    """Choose how many frames to prepare at once.

    Args:
        shape: (H, W, C) of a frame.
        device: Device that they are prepared on.

    Returns:
        Number of frames, at least 1.
    """
    pixels = CHUNK_PIXELS if device.type == "cpu" else 8 * CHUNK_PIXELS
    return max(1, pixels // int(np.prod(shape)))


def send(frames: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Copy frames to a device, as planes.

    Args:
        frames: (N, H, W, C) uint8; may be a memory map.
        device: Device to copy to.

    Returns:
        Planes (N, C, H, W) uint8, contiguous.
    """
    whole = torch.from_numpy(np.array(frames)).to(device)  # a copy: a memory map is read-only
    return whole.permute(0, 3, 1, 2).contiguous()


def _prepare_some(planes: Tensor, wanted: frozenset[str], compat: Compat) -> Parts:
    parts: Parts = {}
    if "dot" in wanted:
        parts["low"] = planes.flatten(2).float() - 128
    if "rase" in wanted:
        parts["weight"] = rase_weights(planes, compat).float()
    if wanted & {"rase", "uqi", "ssim", "angles"}:
        parts["x"] = planes.float()
    if "zeros" in wanted:
        parts["zero"] = zero_maps(planes).flatten(1).float()
    if "scc" in wanted:
        high = torch.nn.functional.pad(laplacians(planes), (4, 3, 4, 3))
        parts["high"] = high.float()
        parts |= _normalised(high.double())
    if wanted & {"uqi", "ssim"}:
        parts |= _window_moments(planes.double(), wanted)
    if wanted & {"msssim", "vif"}:
        parts["centre"] = modes_of(planes).double()
        centred = planes - parts["centre"][:, None, None, None]
        if "msssim" in wanted:
            parts |= pyramid(centred)
        if "vif" in wanted:
            parts |= _vif_scales(centred)
    return parts


def pyramid(x: Tensor) -> Parts:
    """Image, mean and variance + C2 / 2 of MS-SSIM's scales of centred planes (N, C, H, W) double.

    Scales before `COARSE` are in single precision.
    """
    parts: Parts = {}
    for scale in range(SCALES):
        kind = torch.float64 if scale >= COARSE else torch.float32
        mean = blur(x, TAPS)
        variance = blur(x * x, TAPS) - mean * mean + C2 / 2
        found = {"x": x, "mean": mean, "variance": variance}
        parts |= {f"{name}@{scale}": part.to(kind) for name, part in found.items()}
        x = halve(x) if scale < SCALES - 1 else x
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


def _vif_scales(x: Tensor) -> Parts:
    """The image, blurred mean and variance of each of VIF's four scales, and its denominator."""
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


def blur(x: Tensor, taps: NDArray[np.float64]) -> Tensor:
    """Filter with a separable window where it lies inside.

    Args:
        x: (..., H, W).
        taps: Taps of the window in either direction, (T,).

    Returns:
        (..., H - T + 1, W - T + 1), in the type of ``x``.
    """
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
