"""Statistics of single frames, as in `pairs.frame_statistics`, but in torch and on its device.

Thus frames travel to a GPU as they are, and nothing but a few sums of each comes back. Sums are
exact: integers, or integers in double precision.

Shapes: N frames, C channels, H height, W width; planes are (N, C, H, W) uint8.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lusgan_core.measures.pairs.formulas import WINDOW, Compat, FrameSums
from lusgan_core.measures.pairs.frame_statistics import rase_shares


def frame_sums(planes: Tensor, terms: frozenset[str], compat: Compat) -> FrameSums:
    """Compute the statistics of frames that terms need.

    Args:
        planes: (N, C, H, W) uint8.
        terms: Names of terms, see `formulas`; ``blocking`` and ``zeros`` cost extra.
        compat: Version of sewar whose values are wanted.

    Returns:
        Statistics of the N frames, as NumPy arrays.
    """
    count, _, height, width = planes.shape
    whole = planes.to(torch.int32)
    blocking = np.full(count, np.nan)
    zero_windows = np.zeros(count, np.int64)
    if "blocking" in terms:
        first = planes[:, 0] if compat == "0.4.6" else whole[:, 0]
        blocking = _blocking_effects(first)
    if "zeros" in terms:
        zero_windows = zero_maps(planes).sum(dim=(-2, -1)).cpu().numpy()
    return FrameSums(
        pixels=height * width,
        sums=whole.sum(dim=(2, 3)).cpu().numpy(),
        squares=whole.square().sum(dim=(2, 3)).cpu().numpy(),
        maximum=whole.amax(dim=(1, 2, 3)).to(torch.int64).cpu().numpy(),
        blocking=blocking,
        zero_windows=zero_windows,
    )


def _blocking_effects(images: Tensor) -> NDArray[np.float64]:
    """PSNR-B's blocking effect factors of (N, H, W), see `pairs.frame_statistics.blocking_effect`.

    Of uint8 images differences and squares wrap modulo 256, as in the old version.
    """
    _, height, width = images.shape
    right, down = images[:, :, :-1] - images[:, :, 1:], images[:, :-1] - images[:, 1:]
    columns, rows = (right * right).sum(dim=1), (down * down).sum(dim=2)
    edge = WINDOW - 1
    at_edges = columns[:, edge::WINDOW].sum(dim=1) + rows[:, edge::WINDOW].sum(dim=1)
    inside = columns.sum(dim=1) + rows.sum(dim=1) - at_edges
    edges_across, edges_down = height * (width / WINDOW) - 1, width * (height / WINDOW) - 1
    edges = edges_across + edges_down
    others = height * (width - 1) - edges_across + width * (height - 1) - edges_down
    excess = at_edges.double() / edges - inside.double() / others
    effects = math.log2(WINDOW) / math.log2(min(height, width)) * excess
    return np.asarray(effects.clamp_min(0).cpu().numpy(), np.float64)


def box(x: Tensor, side: int) -> Tensor:
    """Sum over all square windows that lie inside an image, by doubling: errors do not run on.

    Args:
        x: (..., H, W).
        side: Side of a window, pixels.

    Returns:
        Sums (..., H - side + 1, W - side + 1), in the type of ``x``.
    """
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


def zero_maps(planes: Tensor) -> Tensor:
    """Which of RASE's windows of (N, C, H, W) are zero in every channel: (N, H - 8, W - 8)."""
    lit = (planes != 0).any(dim=1).to(torch.int32)
    return box(lit, WINDOW)[:, :-1, :-1] == 0


def rase_weights(planes: Tensor, compat: Compat) -> Tensor:
    """Compute 100 / mean of each of RASE's windows; 0 where it is black.

    sewar leaves out the last row and column of windows.

    Args:
        planes: (N, C, H, W) uint8.
        compat: Version of sewar whose values are wanted.

    Returns:
        Weights (N, H - 8, W - 8) float64.
    """
    shares = torch.from_numpy(rase_shares(planes.shape[1], compat)).to(planes.device)
    sums = box(planes.to(torch.int32), WINDOW)[..., :-1, :-1].double()
    mean = (sums * shares[:, None, None]).sum(dim=1) / WINDOW**2
    return torch.where(mean > 0, 100.0 / mean, 0.0)


def laplacians(planes: Tensor) -> Tensor:
    """SCC's high-pass (N, C, H, W) int32: 8 times a pixel less its neighbours, edges replicated.

    sewar's is twice that; the correlation does not notice.
    """
    padded = torch.nn.functional.pad(planes.float(), (1, 1, 1, 1), mode="replicate")
    return 9 * planes.to(torch.int32) - box(padded.to(torch.int32), 3)


def modes_of(planes: Tensor) -> Tensor:
    """Each frame's commonest grey level, the lowest of several, (N,) int64; 0 for a fan on black.

    Centred there, flat regions become exact zeros, and single precision has nothing to cancel.
    """
    count = len(planes)
    offsets = 256 * torch.arange(count, device=planes.device)
    places = planes.flatten(1) + offsets[:, None]
    return torch.bincount(places.flatten(), minlength=256 * count).view(count, 256).argmax(dim=1)


def halve(x: Tensor) -> Tensor:
    """MS-SSIM's next scale of (N, C, H, W): means of pixels 2k - 1 and 2k, the edge replicated.

    With three channels, a channel takes in half of the one before it, as sewar's do.
    """
    for dim in (2, 3, 1) if x.shape[1] > 1 else (2, 3):
        size = x.shape[dim]
        before = torch.cat([x.narrow(dim, 0, 1), x.narrow(dim, 0, size - 1)], dim)
        x = (x + before) / 2
    return x[..., ::2, ::2].contiguous()
