"""The all-pairs engine for the CPU: kernels compiled by numba, with a thread for each core.

It computes all terms of `formulas` but ``zeros``, which only the oldest RASE needs and which is
left to the torch engine. Each thread takes some first frames and compares them with all second
ones; every pair is computed alone and in the same order of additions, so that neither blocks nor
threads can change a bit of its value.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from lusgan_core.measures.pairs.formulas import Compat
from lusgan_core.measures.pairs.numba_engine import window_kernels as windows
from lusgan_core.measures.pairs.numba_engine.angle_kernel import angle_sums
from lusgan_core.measures.pairs.numba_engine.frames import (
    FINE,
    GAUSS32,
    GAUSS64,
    SCALES,
    VIF_TAPS,
    WINDOWED,
    NumbaFrames,
    Parts,
    allocate,
    fine_factor,
    prepare,
    scale_shapes,
)
from lusgan_core.measures.pairs.numba_engine.information_kernels import information_sums
from lusgan_core.measures.pairs.numba_engine.pyramid_kernels import coarse_sums
from lusgan_core.measures.pairs.numba_engine.simd_layout import CELL, Layout, bands_of, room
from lusgan_core.measures.pairs.numba_engine.structure_kernel import structure_sums
from lusgan_core.measures.pairs.runners import Engine

Array = NDArray[Any]

KINDS = {"rase": windows.RASE, "scc": windows.SCC, "uqi": windows.UQI, "ssim": windows.SSIM}
SUMMED = frozenset({*KINDS, "vif", "angles"})
"""Terms that are one number a pair."""
OWN = SUMMED | {"dot", "msssim", "blocking"}
"""Terms that it computes without torch."""
REACH = 14
"""Strips beyond a band that its windows need, at most: 4 to the left, 10 to the right."""
ROWS, COLUMNS = 32, 64
"""First frames that a thread takes at once, and second ones that it compares them with.

Measured: with so many, the bands of them that a kernel reads in turn stay in the last-level cache;
with fewer rows, memory sets the pace and a pair takes a fifth longer.
"""


class NumbaEngine:
    """Terms of pairs by compiled kernels, in several threads; an `Engine`.

    Args:
        terms: Names of the terms that will be wanted, see `formulas`.
        compat: Version of sewar whose values are wanted.
        threads: Number of threads; None for all cores.
    """

    def __init__(self, terms: frozenset[str], compat: Compat, threads: int | None = None) -> None:
        self.wanted = terms
        self.compat = compat
        self.threads = threads or _cores()
        self.rows = ROWS * self.threads
        others = terms - OWN
        self.torch = _torch_engine(others, compat) if others else None
        self.name = f"numba {numba.__version__} (cpu, {_spell_threads(self.threads)})"
        if self.torch is not None:
            self.name += f", {', '.join(sorted(others))} by {self.torch.name}"
        self.spare: Parts = {}
        self.pool = ThreadPoolExecutor(self.threads, thread_name_prefix="lusgan-pairs")

    def bytes_per_frame(self, height: int, width: int, channels: int) -> int:
        """See Engine.bytes_per_frame; exact but for terms that torch computes."""
        parts = allocate(self.wanted, 1, channels, height, width)
        size = sum(part.nbytes for part in parts.values())
        rest = self.torch.bytes_per_frame(height, width, channels) if self.torch else 0
        return size + rest

    def prepare(self, frames: NDArray[np.uint8]) -> NumbaFrames:
        """See Engine.prepare."""
        spare, self.spare = self.spare, {}
        sums, parts = prepare(frames, self.wanted, self.compat, self.pool, spare)
        rest = self.torch.prepare(frames) if self.torch is not None else None
        return NumbaFrames(sums, parts, rest, frames.shape[1:])

    def release(self, frames: NumbaFrames) -> None:
        """See Engine.release; the memory is kept for the next block.

        New memory costs more: the system hands it out page by page, each zeroed, which takes three
        times as long as preparing a frame.
        """
        self.spare = frames.parts

    def terms(
        self, a: NumbaFrames, b: NumbaFrames, wanted: frozenset[str]
    ) -> dict[str, NDArray[Any]]:
        """See Engine.terms."""
        n, m, channels = len(a), len(b), a.shape[2]
        found: dict[str, NDArray[Any]] = {
            t: np.zeros((n, m)) for t in wanted & {*KINDS, "vif", "angles"}
        }
        if "dot" in wanted:
            found["dot"] = np.zeros((n, m, channels), np.int64)
        if "msssim" in wanted:
            found["msssim"] = np.zeros((n, m, SCALES))
        rows = min(ROWS, -(-n // self.threads))
        jobs = []
        for i in range(0, n, rows):
            some = {term: out[i : i + rows] for term, out in found.items()}
            jobs.append(self.pool.submit(_compute, a[i : i + rows], b, some))
        for job in jobs:
            job.result()
        others = wanted - OWN
        if others and self.torch is not None and a.rest is not None and b.rest is not None:
            found |= self.torch.terms(a.rest, b.rest, others)
        return found


def _torch_engine(terms: frozenset[str], compat: Compat) -> Engine:
    from lusgan_core.measures.pairs.torch_engine.engine import TorchEngine  # seconds to import

    return TorchEngine(terms, compat)


def _compute(a: NumbaFrames, b: NumbaFrames, found: dict[str, NDArray[Any]]) -> None:
    """Compute all compiled terms of some first frames and all second ones, into ``found``."""
    for term, out in found.items():
        for j in range(0, len(b), COLUMNS):
            some = b[j : j + COLUMNS]
            # Kernels fill arrays without gaps, so not a part of the whole.
            part = np.zeros((len(a), len(some), *out.shape[2:]), out.dtype)
            if term == "dot":
                windows.dot_sums(a.parts["pixels"], some.parts["pixels"], part)
            elif term == "msssim":
                _compute_scales(a, some, part)
            elif term == "vif":
                _compute_information(a, some, part)
            elif term == "angles":
                first, second = (f.parts["pixels"] for f in (a, some))
                lengths = a.parts["length"], some.parts["length"]
                angle_sums(first, lengths[0], second, lengths[1], np.empty(256), part)
            else:
                _compute_windows(term, a, some, part)
            out[:, j : j + COLUMNS] = part


def _compute_windows(term: str, a: NumbaFrames, b: NumbaFrames, out: NDArray[np.float64]) -> None:
    height, width, channels = a.shape
    kind, layout = KINDS[term], Layout(height, width)
    tall, wide = height - WINDOWED[term], width - WINDOWED[term]
    names = ("high" if term == "scc" else "image", f"{term}.one", f"{term}.two")
    first, second = _three(a, *names), _three(b, *names)
    where = (layout.strips, bands_of(tall), windows.LEADS[kind], windows.SIDES[kind])
    band = room(((layout.strips + REACH) * CELL,), np.int32)
    work = (band, room(band.shape, np.int32), room((CELL,), np.float32))
    for channel in range(1 if term == "rase" else channels):
        windows.window_sums(kind, channel, *where, *first, *second, *work, out)
        if term == "scc":
            windows.subtract_products(first[2], second[2], channel, out)
    # A window of RASE has the root of the sum of 64 squared errors and of all channels.
    out /= tall * wide * (8 * channels**0.5 if term == "rase" else channels)


def _compute_scales(a: NumbaFrames, b: NumbaFrames, out: NDArray[np.float64]) -> None:
    height, width, channels = a.shape
    for scale, (tall, wide) in enumerate(scale_shapes(height, width)):
        names = (f"x@{scale}", f"mean@{scale}", f"variance@{scale}")
        first, second = _three(a, *names), _three(b, *names)
        found = np.zeros(out.shape[:2])
        if scale < FINE:
            squared = fine_factor(scale, channels) ** 2
            taps = tuple(np.float32(tap / squared) for tap in GAUSS64[:6])
            strips = Layout(tall, wide).strips
            where, size = (strips, bands_of(tall - 10)), (strips + REACH) * CELL
            work = (room((size,), np.float32), room((CELL,), np.float32))
            for channel in range(channels):
                structure_sums(channel, *where, taps, GAUSS32, *first, *second, *work, found)
        else:
            centres = a.parts["centre"], b.parts["centre"]
            coarse_sums(scale == SCALES - 1, GAUSS64, *centres, *first, *second, found)
        out[:, :, scale] = found / ((tall - 10) * (wide - 10) * channels)


def _compute_information(a: NumbaFrames, b: NumbaFrames, out: NDArray[np.float64]) -> None:
    height, width, channels = a.shape
    work = np.empty((height + 4, width))
    for channel in range(channels):
        found = np.zeros(out.shape)
        for scale, taps in enumerate(VIF_TAPS):
            names = (f"vif_x@{scale}", f"vif_mean@{scale}", f"vif_var@{scale}")
            first, second = _three(a, *names), _three(b, *names)
            information_sums(channel, taps, *first, *second, work, found)
        with np.errstate(divide="ignore", invalid="ignore"):
            out += found / a.parts["vif_den"][:, channel, None]
    out /= channels


def _three(frames: NumbaFrames, image: str, one: str, two: str) -> tuple[Array, Array, Array]:
    """An image and its two maps, as kernels take them."""
    return frames.parts[image], frames.parts[one], frames.parts[two]


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _spell_threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"
