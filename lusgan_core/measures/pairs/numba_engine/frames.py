"""Frames as the compiled engine keeps them, and their preparation: a few at a time, in threads."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.measures.pairs.formulas import C1, C2, Compat, FrameSums, join_sums
from lusgan_core.measures.pairs.frame_statistics import frame_sums, gaussian, rase_shares, vif_taps
from lusgan_core.measures.pairs.numba_engine import information_kernels as information
from lusgan_core.measures.pairs.numba_engine import prepare_kernels as kernels
from lusgan_core.measures.pairs.numba_engine import pyramid_kernels as pyramid
from lusgan_core.measures.pairs.numba_engine.angle_kernel import fill_lengths
from lusgan_core.measures.pairs.numba_engine.simd_layout import Layout, room

SCALES = 5
FINE = 2
"""MS-SSIM's scales in single precision, laid out in strips; the rest are as they are, in double."""
CHUNK = 16
"""Frames that a thread prepares at once."""
WINDOWED = {"rase": 8, "uqi": 8, "ssim": 10, "scc": 0}
"""Terms with maps over windows, and how much smaller than the frame a map is."""
_TAPS = [*gaussian(11, 1.5)[:6], C1, C2]
GAUSS64 = tuple(np.float64(tap) for tap in _TAPS)
GAUSS32 = tuple(np.float32(tap) for tap in _TAPS)
"""Taps 0..5 of MS-SSIM's window, then SSIM's constants, as the kernels take them."""
VIF_TAPS = [information.half_taps(vif_taps(scale)) for scale in range(4)]
"""Taps of VIF's windows at its four scales, up to the middle one."""

Parts = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class NumbaFrames:
    """A block of frames, prepared: by name an array with N in front.

    ``pixels`` (N, C, H W) uint8; ``image`` and ``high`` (the Laplacian) in strips; ``TERM.one``
    and ``TERM.two`` the maps of a term; ``x@S``, ``mean@S``, ``variance@S`` those of MS-SSIM's
    scale S; ``vif_x@S``, ``vif_mean@S``, ``vif_var@S`` those of VIF's, ``vif_den`` (N, C) its
    denominator; ``length`` (N, H W) of pixels' colours.
    """

    sums: FrameSums
    parts: Parts
    rest: Any
    """What the torch engine keeps of them; None if it computes no term."""
    shape: tuple[int, int, int]

    def __getitem__(self, block: slice) -> NumbaFrames:
        parts = {name: part[block] for name, part in self.parts.items()}
        rest = self.rest[block] if self.rest is not None else None
        return NumbaFrames(self.sums[block], parts, rest, self.shape)

    def __len__(self) -> int:
        return len(self.sums.sums)


def scale_shapes(height: int, width: int) -> list[tuple[int, int]]:
    """Work out the sizes of MS-SSIM's five scales; each halves the one before, rounding up.

    Args:
        height: Height of a frame, pixels.
        width: Width of a frame, pixels.

    Returns:
        (height, width) of each scale, the frame's own first.
    """
    shapes = [(height, width)]
    for _ in range(SCALES - 1):
        height, width = -(-height // 2), -(-width // 2)
        shapes.append((height, width))
    return shapes


def vif_shapes(height: int, width: int) -> list[tuple[int, int]]:
    """Work out the sizes of VIF's four scales; each is filtered inside and halved, rounding up.

    Args:
        height: Height of a frame, pixels.
        width: Width of a frame, pixels.

    Returns:
        (height, width) of each scale, the frame's own first.
    """
    shapes = [(height, width)]
    for taps in VIF_TAPS[1:]:
        lost = 2 * (len(taps) - 1)
        height, width = -(-(height - lost) // 2), -(-(width - lost) // 2)
        shapes.append((height, width))
    return shapes


def fine_factor(scale: int, channels: int) -> int:
    """The factor that makes the pixels of a fine scale integers.

    Halving divides by 4, in colour by 8.

    Args:
        scale: Number of the scale, 0 for full size.
        channels: 1 for grey, 3 for RGB.

    Returns:
        4^scale or 8^scale.
    """
    return int((4 if channels == 1 else 8) ** scale)


def prepare(
    frames: NDArray[np.uint8],
    terms: frozenset[str],
    compat: Compat,
    pool: Executor,
    spare: Parts,
) -> tuple[FrameSums, Parts]:
    """Compute all that the kernels need of single frames.

    Args:
        frames: (N, H, W, C) uint8.
        terms: Names of the terms that will be wanted, see `formulas`.
        compat: Version of sewar whose values are wanted.
        pool: Threads that prepare a few frames each.
        spare: Parts of other frames of the same size that are no longer needed, or none;
            overwritten if they hold enough frames.

    Returns:
        Statistics of the frames, and the parts by name, see `NumbaFrames`.
    """
    count, height, width, channels = frames.shape
    if spare and min(map(len, spare.values())) >= count:
        parts = {name: part[:count] for name, part in spare.items()}
    else:
        parts = allocate(terms, count, channels, height, width)
    jobs = []
    for first in range(0, count, CHUNK):
        some = {name: part[first : first + CHUNK] for name, part in parts.items()}
        jobs.append(pool.submit(_fill, frames[first : first + CHUNK], terms, compat, some))
    return join_sums([job.result() for job in jobs]), parts


def allocate(terms: frozenset[str], count: int, channels: int, height: int, width: int) -> Parts:
    """Allocate all parts of frames; images are zero, the rest is not initialised.

    Args:
        terms: Names of the terms that will be wanted, see `formulas`.
        count: Number of frames, N.
        channels: 1 for grey, 3 for RGB.
        height: Height of a frame, pixels.
        width: Width of a frame, pixels.

    Returns:
        Arrays by name, N in front, see `NumbaFrames`.
    """
    one, layout = (count, channels), Layout(height, width)
    parts: Parts = {}
    if terms & {"dot", "angles"}:
        parts["pixels"] = room((*one, height * width), np.uint8)
    if terms & {"rase", "uqi", "ssim"}:
        parts["image"] = room((*one, layout.image_size), np.int16, zero=True)
    if "scc" in terms:
        parts["high"] = room((*one, layout.image_size), np.int16, zero=True)
    for term in terms & WINDOWED.keys():
        size = layout.map_size(height - WINDOWED[term])
        if term == "rase":  # weights of the first frame, for all channels together
            parts["rase.one"] = parts["rase.two"] = room((count, 1, size), np.float32)
        else:
            parts |= {f"{term}.{n}": room((*one, size), np.float32) for n in ("one", "two")}
    if "msssim" in terms:
        parts["centre"] = np.empty(count)
        for scale, (tall, wide) in enumerate(scale_shapes(height, width)):
            image: tuple[int, ...] = (tall, wide)
            places: tuple[int, ...] = (tall - 10, wide - 10)
            kind: tuple[Any, Any] = (np.float64, np.float64)
            if scale < FINE:
                fine = Layout(tall, wide)
                image, places = (fine.image_size,), (fine.map_size(tall - 10),)
                kind = (np.int16, np.float32)
            parts[f"x@{scale}"] = room((*one, *image), kind[0], zero=True)
            for name in ("mean", "variance"):
                parts[f"{name}@{scale}"] = room((*one, *places), kind[1])
    if "angles" in terms:
        parts["length"] = np.empty((count, height * width))
    if "vif" in terms:
        parts["vif_den"] = np.empty(one)
        for scale, (tall, wide) in enumerate(vif_shapes(height, width)):
            lost = 2 * (len(VIF_TAPS[scale]) - 1)
            parts[f"vif_x@{scale}"] = np.empty((*one, tall, wide))
            for name in ("vif_mean", "vif_var"):
                parts[f"{name}@{scale}"] = np.empty((*one, tall - lost, wide - lost))
    return parts


def _fill(
    frames: NDArray[np.uint8], terms: frozenset[str], compat: Compat, parts: Parts
) -> FrameSums:
    """Prepare a few frames, in one thread."""
    planes = np.array(np.moveaxis(frames, 3, 1), order="C")  # a copy: kernels take no memory map
    _, channels, height, width = planes.shape
    strips = Layout(height, width).strips
    if "pixels" in parts:
        parts["pixels"][:] = planes.reshape(*planes.shape[:2], -1)
    if "image" in parts:
        kernels.fill_images(planes, strips, parts["image"])
    if "rase" in terms:
        kernels.fill_weights(planes, rase_shares(channels, compat), strips, parts["rase.one"])
    if "uqi" in terms:
        kernels.fill_moments(planes, 8, 1, strips, parts["uqi.one"], parts["uqi.two"])
    if "ssim" in terms:
        kernels.fill_moments(planes, 11, 0, strips, parts["ssim.one"], parts["ssim.two"])
    if "scc" in terms:
        maps = parts["scc.one"], parts["scc.two"]
        kernels.fill_laplacians(planes, strips, parts["high"], *maps)
    if "msssim" in terms:
        _fill_scales(planes, parts)
    if "angles" in terms:
        fill_lengths(parts["pixels"], parts["length"])
    if "vif" in terms:
        _fill_information(planes, parts)
    return frame_sums(frames, terms, compat)


def _fill_scales(planes: NDArray[np.uint8], parts: Parts) -> None:
    # Frame by frame: the fine scales in double pass through two arrays that are made once, as
    # fresh memory costs more than what is computed in it. The coarse ones are made in place.
    count, channels, height, width = planes.shape
    shapes = scale_shapes(height, width)
    passing = [np.empty((1, channels, *shape)) for shape in shapes[:FINE]]
    for i in range(count):
        one = {name: part[i : i + 1] for name, part in parts.items()}
        images = passing[0]
        pyramid.centre(planes[i : i + 1], one["centre"], images)
        for scale, (tall, wide) in enumerate(shapes):
            if scale > 0:
                below = passing[scale] if scale < FINE else one[f"x@{scale}"]
                pyramid.halve(images, below)
                images = below
            mean, variance = one[f"mean@{scale}"], one[f"variance@{scale}"]
            if scale < FINE:
                how = (GAUSS64, float(fine_factor(scale, channels)), Layout(tall, wide).strips)
                pyramid.fill_fine(images, *how, one[f"x@{scale}"], mean, variance)
            else:
                pyramid.fill_coarse(images, GAUSS64, mean, variance)


def _fill_information(planes: NDArray[np.uint8], parts: Parts) -> None:
    images = parts["vif_x@0"]
    parts["vif_den"][:] = 0
    pyramid.centre(planes, np.empty(len(planes)), images)
    for scale, taps in enumerate(VIF_TAPS):
        if scale > 0:
            below = parts[f"vif_x@{scale}"]
            information.shrink(images, taps, below)
            images = below
        maps = parts[f"vif_mean@{scale}"], parts[f"vif_var@{scale}"]
        information.fill_scale(images, taps, *maps, parts["vif_den"])
