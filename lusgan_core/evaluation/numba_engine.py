"""The all-pairs engine for the CPU: kernels compiled by numba, a thread a core.

It computes what `formulas` calls dot, rase, scc, uqi, ssim, msssim; the few terms that only colour,
VIF or old versions need are left to the torch engine. Each thread takes first frames and holds
them against all second ones; every pair is computed alone and in the same order of additions,
so that neither blocks nor threads can change a bit of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from lusgan_core.evaluation import prepare_kernels as ready
from lusgan_core.evaluation import pyramid_kernels as scales
from lusgan_core.evaluation import window_kernels as windows
from lusgan_core.evaluation.formulas import C1, C2, Compat, FrameSums
from lusgan_core.evaluation.single import frame_sums, gaussian, rase_shares
from lusgan_core.evaluation.strips import Layout, bands_of
from lusgan_core.evaluation.structure_kernel import structure_sums
from lusgan_core.evaluation.torch_engine import TorchEngine, TorchFrames

SCALES = 5
COARSE = 2
"""From this scale on (0 is full size), MS-SSIM is in double precision."""
KINDS = {"rase": windows.RASE, "scc": windows.SCC, "uqi": windows.UQI, "ssim": windows.SSIM}
GROUP_ROWS = 8
"""First frames that a thread takes at once."""
_TAPS = [*gaussian(11, 1.5)[:6], C1, C2]
GAUSS64 = tuple(np.float64(tap) for tap in _TAPS)
GAUSS32 = tuple(np.float32(tap) for tap in _TAPS)
"""Taps of MS-SSIM's window and SSIM's constants, as the kernels take them."""
OWN = frozenset({*KINDS, "dot", "msssim"})
"""Terms that are compiled."""


@dataclass(frozen=True)
class NumbaFrames:
    """A block of frames, prepared: by name an array with N in front."""

    sums: FrameSums
    parts: dict[str, NDArray[Any]]
    rest: TorchFrames | None
    """What the torch engine keeps of them, where it has a part."""
    shape: tuple[int, int, int]

    def __getitem__(self, block: slice) -> NumbaFrames:
        parts = {name: part[block] for name, part in self.parts.items()}
        rest = self.rest[block] if self.rest is not None else None
        return NumbaFrames(self.sums[block], parts, rest, self.shape)

    def __len__(self) -> int:
        return len(self.sums.sums)


class NumbaEngine:
    """Terms of pairs by compiled kernels, in ``threads`` threads (all cores if None)."""

    def __init__(self, terms: frozenset[str], compat: Compat, threads: int | None = None) -> None:
        self.wanted = terms
        self.compat = compat
        self.threads = threads or _cores()
        others = terms - OWN - {"blocking"}
        self.torch = TorchEngine(others, compat) if others else None
        self.name = f"numba {numba.__version__} (cpu, {_spell_threads(self.threads)})"
        if self.torch is not None:
            self.name += f", {', '.join(sorted(others))} by {self.torch.name}"
        self.pool = ThreadPoolExecutor(self.threads, thread_name_prefix="lusgan-pairs")

    def bytes_per_frame(self, height: int, width: int, channels: int) -> int:
        """Memory that one prepared frame takes, roughly."""
        image = Layout(height, width).image_size * channels
        size = 0
        if self.wanted & {"rase", "uqi", "ssim"}:
            size += 2 * image
        maps = {"rase": 4, "scc": 10, "uqi": 8, "ssim": 8, "msssim": 17, "dot": 1}
        size += sum(maps[t] * image for t in self.wanted if t in maps)
        if self.torch is not None:
            size += self.torch.bytes_per_frame(height, width, channels)
        return size

    def prepare(self, frames: NDArray[np.uint8]) -> NumbaFrames:
        """Everything that depends on one frame only, for (N, H, W, C) uint8."""
        planes = np.ascontiguousarray(np.moveaxis(frames, 3, 1))
        parts: dict[str, NDArray[Any]] = {}
        if "dot" in self.wanted:
            parts["pixels"] = planes.reshape(*planes.shape[:2], -1)
        self._prepare_windows(planes, parts)
        if "msssim" in self.wanted:
            self._prepare_scales(planes, parts)
        rest = self.torch.prepare(frames) if self.torch is not None else None
        sums = frame_sums(frames, self.wanted, self.compat)
        return NumbaFrames(sums, parts, rest, frames.shape[1:])

    def _prepare_windows(self, planes: NDArray[np.uint8], parts: dict[str, NDArray[Any]]) -> None:
        count, channels, height, width = planes.shape
        layout, one = Layout(height, width), (count, channels)
        strips, rows = layout.strips, layout.rows
        if self.wanted & {"rase", "uqi", "ssim"}:
            parts["image"] = np.zeros((*one, layout.image_size), np.int16)
            self._share(count, ready.fill_images, planes, strips, rows, out=(parts["image"],))
        if "rase" in self.wanted:
            weights = np.empty((count, 1, layout.map_size(height - 8)), np.float32)
            shares = rase_shares(channels, self.compat)
            self._share(count, ready.fill_weights, planes, shares, strips, out=(weights,))
            parts["rase.one"] = parts["rase.two"] = weights
        for term, side, trim in (("uqi", 8, 1), ("ssim", 11, 0)):
            if term in self.wanted:
                maps = self._maps(parts, term, one, layout, height - side + 1 - trim)
                self._share(count, ready.fill_moments, planes, side, trim, strips, out=maps)
        if "scc" in self.wanted:
            parts["high"] = np.zeros((*one, layout.image_size), np.int16)
            maps = self._maps(parts, "scc", one, layout, height)
            out = (parts["high"], *maps)
            self._share(count, ready.fill_laplacians, planes, strips, rows, out=out)

    def _maps(
        self,
        parts: dict[str, NDArray[Any]],
        term: str,
        one: tuple[int, int],
        layout: Layout,
        height: int,
    ) -> tuple[NDArray[np.float32], ...]:
        for which in ("one", "two"):
            parts[f"{term}.{which}"] = np.empty((*one, layout.map_size(height)), np.float32)
        return parts[f"{term}.one"], parts[f"{term}.two"]

    def _prepare_scales(self, planes: NDArray[np.uint8], parts: dict[str, NDArray[Any]]) -> None:
        count, channels = planes.shape[:2]
        centre = np.empty(count)
        self._share(count, scales.centres, planes, out=(centre,))
        images = planes - centre[:, None, None, None]
        parts["centre"] = centre
        for scale in range(SCALES):
            height, width = images.shape[2:]
            if scale == SCALES - 1:
                mean, variance = (
                    np.empty((count, channels, height - 10, width - 10)) for _ in "12"
                )
                self._share(count, scales.fill_coarsest, images, GAUSS64, out=(mean, variance))
                found = (images, mean, variance)
            else:
                layout, kind = Layout(height, width), np.float64 if scale >= COARSE else np.float32
                x = np.zeros((count, channels, layout.image_size), kind)
                size = layout.map_size(height - 10)
                mean, variance = (np.empty((count, channels, size), kind) for _ in "12")
                found = (x, mean, variance)
                where = (layout.strips, layout.rows)
                self._share(count, scales.fill_scale, images, GAUSS64, *where, out=found)
                below = np.empty((count, channels, -(-height // 2), -(-width // 2)))
                self._share(count, scales.halve_all, images, out=(below,))
                images = below
            names = ("x", "mean", "variance")
            parts |= {f"{n}@{scale}": part for n, part in zip(names, found, strict=True)}

    def _share(
        self, count: int, fill: Callable[..., None], *given: Any, out: tuple[NDArray[Any], ...]
    ) -> None:
        """Let the threads fill ``out``, each for some of the frames."""
        edges = np.linspace(0, count, min(self.threads, count) + 1).astype(int).tolist()
        parts = zip(edges[:-1], edges[1:], strict=True)
        jobs = [self.pool.submit(fill, *given, first, last, *out) for first, last in parts]
        for job in jobs:
            job.result()

    def terms(
        self, a: NumbaFrames, b: NumbaFrames, wanted: frozenset[str]
    ) -> dict[str, NDArray[Any]]:
        """The wanted terms of all n x m pairs, as `formulas` defines them."""
        n, m, channels = len(a), len(b), a.shape[2]
        found: dict[str, NDArray[Any]] = {t: np.zeros((n, m)) for t in wanted & KINDS.keys()}
        if "dot" in wanted:
            found["dot"] = np.zeros((n, m, channels), np.int64)
        if "msssim" in wanted:
            found["msssim"] = np.zeros((n, m, SCALES))
        rows = min(GROUP_ROWS, -(-n // self.threads))
        starts = range(0, n, rows)
        jobs = [
            self.pool.submit(
                _compute, a[i : i + rows], b, {t: v[i : i + rows] for t, v in found.items()}
            )
            for i in starts
        ]
        for job in jobs:
            job.result()
        others = wanted - OWN
        if others and self.torch is not None and a.rest is not None and b.rest is not None:
            found |= self.torch.terms(a.rest, b.rest, others)
        return found


def _compute(a: NumbaFrames, b: NumbaFrames, found: dict[str, NDArray[Any]]) -> None:
    """All compiled terms of some first frames against all second ones, into ``found``."""
    height, width, channels = a.shape
    layout = Layout(height, width)
    for term, out in found.items():
        if term == "dot":
            windows.dot_sums(a.parts["pixels"], b.parts["pixels"], out)
        elif term == "msssim":
            _compute_scales(a, b, out)
        else:
            kind = KINDS[term]
            side, lead = windows.SIDES[kind], windows.LEADS[kind]
            places = {"rase": (-8, -8), "uqi": (-8, -8), "scc": (0, 0), "ssim": (-10, -10)}[term]
            tall, wide = height + places[0], width + places[1]
            planes = 1 if term == "rase" else channels
            names = ("high" if term == "scc" else "image", f"{term}.one", f"{term}.two")
            first, second = ([f.parts[name] for name in names] for f in (a, b))
            for c in range(planes):
                where = (c, layout.strips, layout.rows, bands_of(tall), lead, side)
                windows.window_sums(kind, *first, *second, *where, out)
            out /= tall * wide * (8 * channels**0.5 if term == "rase" else channels)


def _compute_scales(a: NumbaFrames, b: NumbaFrames, out: NDArray[np.float64]) -> None:
    height, width, channels = a.shape
    names = ("x", "mean", "variance")
    for scale in range(SCALES):
        first, second = ([f.parts[f"{n}@{scale}"] for n in names] for f in (a, b))
        found = np.zeros(out.shape[:2])
        if scale == SCALES - 1:
            first, second = [*first, a.parts["centre"]], [*second, b.parts["centre"]]
            scales.coarsest_sums(*first, *second, GAUSS64, found)
        else:
            layout, taps = Layout(height, width), GAUSS64 if scale >= COARSE else GAUSS32
            for c in range(channels):
                where = (c, layout.strips, layout.rows, bands_of(height - 10))
                structure_sums(*first, *second, *where, taps, found)
        out[:, :, scale] = found / ((height - 10) * (width - 10) * channels)
        height, width = -(-height // 2), -(-width // 2)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _spell_threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"
