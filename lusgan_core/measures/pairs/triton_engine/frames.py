"""Frames as the Triton engine keeps them on the GPU. Parts by name, N in front:

    pixels                 (N, C, H, W) float16, frames innermost in memory; so are the next two
    TERM.one, TERM.two     RASE's (N, 1, H - 8, W - 8), UQI's and SSIM's (N, C, ...) maps, see
                           `kernels`
    high, mean, inverse    SCC's Laplacian (N, C, H + 7, W + 7), zero around; its windows' means,
                           and 8 / root of their spread, (N, C, H, W); float32
    x@S, mean@S, variance@S, centre    MS-SSIM's scale S, as in `torch_engine.frames`; the images
                           of the fine scales are float16, which is exact for them

Shapes: N frames, C channels, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lusgan_core.measures.pairs.formulas import WINDOW, Compat, FrameSums, join_sums
from lusgan_core.measures.pairs.torch_engine.frame_statistics import (
    box,
    frame_sums,
    laplacians,
    modes_of,
    rase_weights,
)
from lusgan_core.measures.pairs.torch_engine.frames import (
    COARSE,
    Parts,
    TorchFrames,
    chunk_of,
    pyramid,
    send,
)
from lusgan_core.measures.pairs.torch_engine.frames import prepare as prepare_rest

TILE = 64
"""Frames of each side that a program of `window_sums` takes; it reads all of them."""
WINDOWED = ("rase", "uqi", "ssim")


@dataclass(frozen=True)
class TritonFrames:
    """A block of frames, prepared."""

    sums: FrameSums
    parts: Parts
    rest: TorchFrames | None
    """What the torch engine keeps of them; None if it computes no term."""
    shape: tuple[int, int, int]

    def __getitem__(self, block: slice) -> TritonFrames:
        parts = {name: part[block] for name, part in self.parts.items()}
        rest = self.rest[block] if self.rest is not None else None
        return TritonFrames(self.sums[block], parts, rest, self.shape)

    def __len__(self) -> int:
        return len(self.sums.sums)


def prepare(
    frames: NDArray[np.uint8],
    own: frozenset[str],
    others: frozenset[str],
    compat: Compat,
    device: torch.device,
) -> TritonFrames:
    """Compute everything that depends on one frame only.

    Args:
        frames: (N, H, W, C) uint8.
        own: Names of the terms that Triton's kernels will compute, see `formulas`.
        others: Names of the terms that the torch engine will compute.
        compat: Version of sewar whose values are wanted.
        device: Device that the parts are made and kept on.

    Returns:
        The prepared frames.
    """
    parts: Parts = {}
    sums = []
    step = chunk_of(frames.shape[1:], device)
    for start in range(0, len(frames), step):
        planes = send(frames[start : start + step], device)
        sums.append(frame_sums(planes, own | others, compat))
        for name, part in _prepare_some(planes, own, compat).items():
            if name not in parts:
                parts[name] = _room(name, len(frames), part)
            parts[name][start : start + step] = part
    rest = prepare_rest(frames, others, compat, device) if others else None
    return TritonFrames(join_sums(sums), parts, rest, frames.shape[1:])


def _room(name: str, count: int, like: Tensor) -> Tensor:
    """Allocate a part of all frames; windows read on beyond the last frame of a block."""
    if name != "pixels" and not name.startswith(WINDOWED):
        return like.new_empty(count, *like.shape[1:])
    ahead = (-(-count // TILE) + 1) * TILE
    return like.new_zeros(*like.shape[1:], ahead).movedim(-1, 0)[:count]


def _prepare_some(planes: Tensor, own: frozenset[str], compat: Compat) -> Parts:
    parts: Parts = {}
    if own & set(WINDOWED):
        parts["pixels"] = planes.half()
    if own & {"uqi", "ssim"}:
        parts |= _window_moments(planes, own)
    if "rase" in own:
        squares = box(planes.to(torch.int32).square(), WINDOW)[..., :-1, :-1]
        parts["rase.one"] = squares.sum(dim=1, keepdim=True).float()
        parts["rase.two"] = rase_weights(planes, compat)[:, None].float()
    if "scc" in own:
        high = torch.nn.functional.pad(laplacians(planes), (4, 3, 4, 3)).double()
        sums, squares = box(high, WINDOW), box(high * high, WINDOW)
        spread = WINDOW**2 * squares - sums**2
        inverse = torch.where(spread > 0, WINDOW * spread.clamp_min(1).rsqrt(), 0.0)
        parts |= {"high": high.float(), "mean": (sums / WINDOW**2).float()}
        parts["inverse"] = inverse.float()
    if "msssim" in own:
        centre = modes_of(planes).double()
        found = pyramid(planes - centre[:, None, None, None])
        for scale in range(COARSE):
            found[f"x@{scale}"] = found[f"x@{scale}"].half()
        parts |= found | {"centre": centre}
    return parts


def _window_moments(planes: Tensor, own: frozenset[str]) -> Parts:
    # Sums, and spreads in sewar's way: for UQI a factor of 64 is missing, for SSIM all is 121-fold.
    whole = planes.to(torch.int32)
    parts = {}
    if "uqi" in own:
        sums, squares = (box(v, WINDOW)[..., :-1, :-1].double() for v in (whole, whole.square()))
        parts["uqi.one"], parts["uqi.two"] = sums, squares - sums.square() / WINDOW**4
    if "ssim" in own:
        sums, squares = (box(v, 11).double() for v in (whole, whole.square()))
        parts["ssim.one"], parts["ssim.two"] = sums, 121 * squares - sums.square()
    return {name: part.float() for name, part in parts.items()}
