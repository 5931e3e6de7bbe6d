"""RASE, UQI, SSIM and MS-SSIM's contrast and structure of all pairs, for GPUs, in Triton.

Only one number for each pair and strip of the frame is written to memory. There are two kernels.

`window_sums`, for uniform windows: the sum of products over one window, of many first frames with
many second ones, is a small product of matrices (frames x pixels of the window x frames), which is
what tensor cores do. Pixels are integers, exact in half precision, and their sums stay below 2^24,
exact in single. Frames lie innermost in memory, so that the pixels of one place are side by side.

`structure_sums`, for MS-SSIM's Gaussian: sums of real numbers, too delicate for tensor cores, so
products of pixels are filtered across by eleven shifted loads and down by a filter that carries ten
partial results from row to row in registers. A program takes a few second frames, which share
what it loads of the first one.

Every number is made in one order that depends on its pair alone.

Shapes: n and m first and second frames, K pixels of a window, BM, BN frames of a program's tile,
G second frames and W columns of a program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import triton
import triton.language as tl

F = TypeVar("F")
jitted = cast("Callable[[F], Any]", triton.jit)
"""Compiled for the GPU at hand when first launched; typed, which triton's own is not."""

RASE, UQI, SSIM = range(3)


@jitted
def probe(out: tl.tensor) -> None:
    """Store 1: whether Triton can compile and launch here at all."""
    tl.store(out, 1)


@jitted
def _window_values(
    s: tl.tensor,
    one_a: tl.tensor,
    two_a: tl.tensor,
    one_b: tl.tensor,
    two_b: tl.tensor,
    KIND: tl.constexpr,
) -> tl.tensor:
    """The metric of one window, (BM, BN), from the sum of products and maps (BM, 1), (1, BN).

    RASE: one is the sum of squares, two the first frame's 100 / mean. UQI and SSIM: one is the sum,
    two the spread (see `frames` and `numba_engine.window_kernels`).
    """
    if KIND == 0:  # RASE
        return tl.sqrt(one_a + one_b - 2 * s) * two_a
    if KIND == 1:  # UQI: 1 where both frames are black
        both = one_a * one_b
        top = 4 * (s - both / 4096) * both
        bottom = (two_a + two_b) * (one_a * one_a + one_b * one_b)
        return tl.where(bottom > 0, top / tl.where(bottom > 0, bottom, 1.0), 1.0)
    # SSIM, in sums over 121 pixels instead of means; the covariance is exact
    c1 = 6.5025 * 14641
    c2 = 58.5225 * 14641
    exact = s.to(tl.int32) * 121 - one_a.to(tl.int32) * one_b.to(tl.int32)
    light = (2 * one_a * one_b + c1) / (one_a * one_a + one_b * one_b + c1)
    return light * ((2 * exact.to(tl.float32) + c2) / (two_a + two_b + c2))


@jitted
def window_sums(
    x: tl.tensor,
    one_x: tl.tensor,
    two_x: tl.tensor,
    y: tl.tensor,
    one_y: tl.tensor,
    two_y: tl.tensor,
    out: tl.tensor,
    n: tl.tensor,
    m: tl.tensor,
    width: tl.tensor,
    pixels: tl.tensor,
    tall: tl.tensor,
    wide: tl.tensor,
    rows: tl.tensor,
    step_x: tl.tensor,
    step_one_x: tl.tensor,
    step_two_x: tl.tensor,
    step_y: tl.tensor,
    step_one_y: tl.tensor,
    step_two_y: tl.tensor,
    KIND: tl.constexpr,
    SIDE: tl.constexpr,
    K: tl.constexpr,
    TOGETHER: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
) -> None:
    """Sum the windows of a strip of rows and one channel, for a tile of pairs.

    Images are (C, H, W, frames) float16, maps (C, tall, wide, frames) float32. Frames beyond n and
    m are read as far as a tile goes, so there must be memory behind them. Programs are (tiles,
    strips, channels).

    Args:
        x: Images of the n first frames.
        one_x: Their first maps.
        two_x: Their second maps.
        y: Images of the m second frames.
        one_y: Their first maps.
        two_y: Their second maps.
        out: Sums, (strips, channels, n, m) float32; overwritten.
        n: Number of first frames.
        m: Number of second frames.
        width: Width of an image, W.
        pixels: Pixels of an image, H x W.
        tall: Height of a map.
        wide: Width of a map.
        rows: Rows of windows in a strip.
        step_x: Numbers from one place of x to the next.
        step_one_x: Numbers from one place of one_x to the next.
        step_two_x: Numbers from one place of two_x to the next.
        step_y: Numbers from one place of y to the next.
        step_one_y: Numbers from one place of one_y to the next.
        step_two_y: Numbers from one place of two_y to the next.
        KIND: ``RASE``, ``UQI`` or ``SSIM``.
        SIDE: Side of a window, pixels.
        K: Pixels of a window, rounded up to a power of two.
        TOGETHER: Channels that go into one window's sum.
        BM: First frames of a tile.
        BN: Second frames of a tile.
    """
    tiles = tl.cdiv(m, BN)
    i = (tl.program_id(0) // tiles) * BM + tl.arange(0, BM)
    j = (tl.program_id(0) % tiles) * BN + tl.arange(0, BN)
    strip = tl.program_id(1)
    channel = tl.program_id(2)
    k = tl.arange(0, K)
    inside = (k < SIDE * SIDE)[:, None]
    place = (k // SIDE) * width + k % SIDE
    place_x = place[:, None] * step_x + i[None, :]
    place_y = place[:, None] * step_y + j[None, :]
    total = tl.zeros([BM, BN], tl.float32)
    for row in range(strip * rows, tl.minimum(strip * rows + rows, tall)):
        line = tl.zeros([BM, BN], tl.float32)
        for column in range(wide):
            s = tl.zeros([BM, BN], tl.float32)
            for c in tl.static_range(TOGETHER):
                corner = (channel * TOGETHER + c).to(tl.int64) * pixels + row * width + column
                a = tl.load(x + corner * step_x + place_x, mask=inside, other=0.0)
                b = tl.load(y + corner * step_y + place_y, mask=inside, other=0.0)
                s = tl.dot(tl.trans(a), b, s)
            window = (channel.to(tl.int64) * tall + row) * wide + column
            one_a = tl.load(one_x + window * step_one_x + i)[:, None]
            two_a = tl.load(two_x + window * step_two_x + i)[:, None]
            one_b = tl.load(one_y + window * step_one_y + j)[None, :]
            two_b = tl.load(two_y + window * step_two_y + j)[None, :]
            line += _window_values(s, one_a, two_a, one_b, two_b, KIND)
        total += line
    block = (strip * tl.num_programs(2) + channel).to(tl.int64) * n
    where = (block + i[:, None]) * m + j[None, :]
    tl.store(out + where, total, mask=(i < n)[:, None] & (j < m)[None, :])


@jitted
def _filtered(state: tl.tensor, taps: tl.tensor, h: tl.tensor) -> tl.tensor:
    """Eleven rows filtered, the last of them ``h``, and the partial results for the next rows."""
    found = state[0] + taps[0] * h
    after: tl.tensor = ()
    for q in tl.static_range(9):
        after = after + (state[q + 1] + taps[q + 1] * h,)  # noqa: RUF005 - Triton adds tuples
    return found, after + (taps[10] * h,)  # noqa: RUF005


@jitted
def structure_sums(
    x: tl.tensor,
    mean_x: tl.tensor,
    var_x: tl.tensor,
    centre_x: tl.tensor,
    y: tl.tensor,
    mean_y: tl.tensor,
    var_y: tl.tensor,
    centre_y: tl.tensor,
    window: tl.tensor,
    out: tl.tensor,
    n: tl.tensor,
    m: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    frame: tl.tensor,
    places: tl.tensor,
    LIGHT: tl.constexpr,
    G: tl.constexpr,
    W: tl.constexpr,
    NEAR: tl.constexpr,
) -> None:
    """Sum contrast-structure over some columns of one channel, for a few pairs.

    Images are (frames, C, height, width), float16 or of the window's type; maps are (frames, C,
    height - 10, width - 10), of the window's type, in which all is computed. Programs are (n x m /
    G, columns / W, channels).

    Args:
        x: Images of the n first frames.
        mean_x: Their blurred means.
        var_x: Their variances + C2 / 2.
        centre_x: Grey levels that they are centred on, (n,).
        y: Images of the m second frames.
        mean_y: Their blurred means.
        var_y: Their variances + C2 / 2.
        centre_y: Grey levels that they are centred on, (m,).
        window: The eleven taps of the Gaussian, C1 and C2, (13,).
        out: Sums, (parts, n, m) float64, a part for each channel and group of columns; overwritten.
        n: Number of first frames.
        m: Number of second frames.
        height: Height of an image, pixels.
        width: Width of an image, pixels.
        frame: Numbers in an image, C x height x width.
        places: Numbers in a map, C x (height - 10) x (width - 10).
        LIGHT: Whether to sum all of SSIM, as the last scale needs it, instead of
            contrast-structure.
        G: Second frames of a program.
        W: Columns of a program.
        NEAR: First frames whose programs run one after another, so that what they read of second
            frames is still in the cache.
    """
    kind: tl.constexpr = window.dtype.element_ty
    groups = tl.cdiv(m, G)
    first = (tl.program_id(0) // (NEAR * groups)) * NEAR
    near = tl.minimum(n - first, NEAR)
    rest = tl.program_id(0) % (NEAR * groups)
    i = first + rest % near
    j = (rest // near) * G + tl.arange(0, G)[:, None]
    kept = tl.minimum(j, m - 1).to(tl.int64)
    tall, wide = height - 10, width - 10
    columns = tl.program_id(1) * W + tl.arange(0, W)[None, :]
    inside = columns < wide
    channel = tl.program_id(2).to(tl.int64)
    xs = x + i.to(tl.int64) * frame + channel * height * width + columns
    ys = y + kept * frame + channel * height * width + columns
    map_x = i.to(tl.int64) * places + channel * tall * wide + columns
    map_y = kept * places + channel * tall * wide + columns
    zero = tl.zeros([G, W], kind)
    taps: tl.tensor = ()
    state: tl.tensor = ()
    for q in tl.static_range(11):
        taps = taps + (tl.load(window + q),)  # noqa: RUF005
    for _ in tl.static_range(10):
        state = state + (zero,)  # noqa: RUF005
    c1, c2 = tl.load(window + 11), tl.load(window + 12)
    total = tl.zeros([G, W], tl.float64)
    for start in range(0, height, 16):
        line = zero  # a few rows in the kind's precision, all of them in double
        for row in range(start, tl.minimum(start + 16, height)):
            h = zero
            for q in tl.static_range(11):
                u = tl.load(xs + row * width + q, mask=inside, other=0).to(kind) * taps[q]
                v = tl.load(ys + row * width + q, mask=inside, other=0).to(kind)
                h += u * v
            product, state = _filtered(state, taps, h)
            ready = inside & (row >= 10)
            at = (row - 10) * wide
            mean_a = tl.load(mean_x + map_x + at, mask=ready, other=0)
            mean_b = tl.load(mean_y + map_y + at, mask=ready, other=0)
            var_a = tl.load(var_x + map_x + at, mask=ready, other=1)
            var_b = tl.load(var_y + map_y + at, mask=ready, other=1)
            value = (2 * (product - mean_a * mean_b) + c2) / (var_a + var_b)
            if LIGHT:
                mean_a += tl.load(centre_x + i)
                mean_b += tl.load(centre_y + kept)
                squares = mean_a * mean_a + mean_b * mean_b
                value *= (2 * mean_a * mean_b + c1) / (squares + c1)
            line += tl.where(ready, value, 0)
        total += line
    part = tl.program_id(1) * tl.num_programs(2) + tl.program_id(2)
    where = (part.to(tl.int64) * n + i) * m + j
    tl.store(out + where, tl.sum(total, axis=1)[:, None], mask=j < m)
