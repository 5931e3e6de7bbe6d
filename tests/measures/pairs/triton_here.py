"""Compares Triton's kernels, interpreted, with the torch engine and sewar; run by test_triton.

Triton reads TRITON_INTERPRET when it is imported, so this needs a process of its own.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["TRITON_INTERPRET"] = "1"
sys.path.append(str(Path(__file__).parents[2]))

import numpy as np
from test_parity import REFERENCE, assert_equal, expected

from lusgan_core.measures.pairs.engines import make_engine
from lusgan_core.measures.pairs.formulas import evaluate, terms_of
from lusgan_core.measures.pairs.torch_engine.engine import TorchEngine
from lusgan_core.measures.pairs.triton_engine.engine import TritonEngine
from speckle import speckle


def against_sewar(names: list[str], a: np.ndarray, b: np.ndarray) -> None:
    """Values of all pairs within the parity tolerances of sewar, and of the torch engine's."""
    frames = [f if f.ndim == 4 else f[..., None] for f in (a, b)]
    terms = frozenset().union(*(terms_of(name, frames[0].shape[3], "0.4.10") for name in names))
    engine = make_engine(terms, "0.4.10", "cpu", None, 0, "triton")
    assert isinstance(engine, TritonEngine)
    assert engine.name.startswith("triton")
    plain = TorchEngine(terms, "0.4.10")
    made = []
    for each in (engine, plain):
        first, second = (each.prepare(f) for f in frames)
        found = each.terms(first, second, terms)
        made.append([evaluate(n, found, first.sums, second.sums, "0.4.10") for n in names])
    for name, values, torchs in zip(names, *made, strict=True):
        assert_equal(name, values, expected(REFERENCE[name], a, b))
        assert_equal(name, values, torchs)


def slices_are_their_frames(a: np.ndarray, b: np.ndarray) -> None:
    """A slice of prepared frames is those frames, whatever lies before and behind them."""
    terms = frozenset({"rase", "scc"})
    engine = TritonEngine(terms, "0.4.10", "cpu")
    first, second = engine.prepare(a[..., None]), engine.prepare(b[..., None])
    whole, some = engine.terms(first, second, terms), engine.terms(first[1:2], second[2:], terms)
    for term in terms:
        np.testing.assert_allclose(some[term], whole[term][1:2, 2:], rtol=1e-6)


def main() -> None:
    rng = np.random.default_rng(5)
    a = list(speckle(2, 20, 21, 1))
    noise = rng.integers(0, 256, a[0].shape, dtype=np.uint8)
    near = a[0].copy()
    near[13, 13] += 1
    first = np.stack([*a, noise, np.full_like(noise, 9), np.zeros_like(noise)])
    others = [a[0], near, 255 - noise, np.full_like(noise, 200), np.zeros_like(noise)]
    second = np.stack([*speckle(1, 20, 21, 2), *others])
    names = ["mse", "psnr", "psnrb", "ergas", "sam", "rase", "scc", "ssim", "uqi"]
    against_sewar(names, first, second)
    slices_are_their_frames(first[:3], second)
    against_sewar(names, *rng.integers(0, 256, (2, 2, 17, 12, 3), dtype=np.uint8))
    large = speckle(2, 176, 177, 3)
    against_sewar(["msssim"], large[:1], np.stack([255 - large[0], large[1]]))


if __name__ == "__main__":
    main()
