"""MS-SSIM where single precision is not enough: near means of zero, and in flat bright areas."""

from __future__ import annotations

import numpy as np
import pytest
from kinds import KINDS, Frames, unlike_pair
from sewar import msssim
from test_parity import ENGINES

from lusgan_core.measures.pairs.fine_scales import FineFrames, flatness, mend, structure_means
from lusgan_core.measures.pairs.formulas import evaluate
from lusgan_core.measures.pairs.frameset import FrameSet
from lusgan_core.measures.pairs.runners import KernelRunner
from lusgan_core.registry import installed
from speckle import speckle

TERMS = frozenset({"msssim"})


def values(engine: str, a: Frames, b: Frames, mended: bool) -> np.ndarray:
    """MS-SSIM of all pairs by an engine, with the finishing step or without."""
    made = ENGINES[engine](TERMS, "0.4.10")
    frames = [FrameSet(f).block(0, len(f)) for f in (a, b)]
    if mended:
        runner = KernelRunner([installed().pair_metric("msssim")], made, 1, "0.4.10")
        return runner.values(*map(runner.prepare, frames))["msssim"]
    first, second = map(made.prepare, frames)
    return evaluate("msssim", made.terms(first, second, TERMS), first.sums, second.sums, "0.4.10")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("scale", [0, 1])
def test_a_mean_near_zero_is_computed_again(engine, scale):
    """A value off by over 1e-6 in single precision is sewar's to 1e-9 in the end."""
    a, b = unlike_pair(np.random.default_rng(scale), scale)
    wanted = float(np.real(msssim(a, b)))
    assert abs(values(engine, a[None], b[None], mended=False)[0, 0] - wanted) > 1e-6
    assert abs(values(engine, a[None], b[None], mended=True)[0, 0] - wanted) < 1e-9


@pytest.mark.parametrize("engine", ENGINES)
def test_flat_areas_far_apart_are_computed_again(engine):
    """Halves of two flat levels: in single precision numba is off by 3e-5, torch by 4e-7."""
    a, b = KINDS["halves"](np.random.default_rng(1), 3)
    wanted = np.array([[np.real(msssim(x, y)) for y in b] for x in a])
    assert np.abs(values(engine, a, b, mended=True) - wanted).max() < 1e-9


def test_means_in_double_are_those_of_sewar():
    """With the product of the other scales, the value of a colour pair comes out to 1e-12."""
    a, b = (f[0] for f in KINDS["colour"](np.random.default_rng(0), 1))
    made = ENGINES["torch"](TERMS, "0.4.10")
    first, second = made.prepare(a[None]), made.prepare(b[None])
    terms = made.terms(first, second, TERMS)
    terms["msssim"][0, 0, :2] = structure_means(a, b)
    value = evaluate("msssim", terms, first.sums, second.sums, "0.4.10")[0, 0]
    assert abs(value - float(np.real(msssim(a, b)))) < 1e-12


def test_ordinary_pairs_are_left_alone():
    """Of speckled frames hardly a pair is computed again, which would cost twenty times as much."""
    frames = np.stack(speckle(8, 192, 192, 5))[..., None]
    made = ENGINES["torch"](TERMS, "0.4.10")
    prepared = made.prepare(frames)
    means = made.terms(prepared, prepared, TERMS)["msssim"]
    both = FineFrames(frames, flatness(frames))
    assert mend(means, both, both) <= 3
