"""Both engines against sewar, pair by pair."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import sewar
import sewar_old

from lusgan_core.measures.pairs.engines import COMPILED_TERMS
from lusgan_core.measures.pairs.formulas import KERNELS, evaluate, terms_of
from lusgan_core.measures.pairs.numba_engine.engine import OWN, NumbaEngine
from lusgan_core.measures.pairs.torch_engine.engine import TorchEngine

RELATIVE = {"mse": 0.0, "rmse": 1e-12, "psnr": 1e-9, "psnrb": 1e-9, "ergas": 1e-9, "rase": 1e-6}
ABSOLUTE = {"scc": 1e-6, "ssim": 1e-6, "uqi": 1e-6, "msssim": 1e-6, "vif": 1e-6, "sam": 1e-9}
REFERENCE = {name: getattr(sewar, {"vif": "vifp"}.get(name, name)) for name in KERNELS}
OLD = REFERENCE | {name: getattr(sewar_old, name) for name in ("rase", "sam", "psnrb", "msssim")}
ENGINES = {"torch": TorchEngine, "numba": lambda terms, compat: NumbaEngine(terms, compat, 2)}

Reference = dict[str, Callable[[np.ndarray, np.ndarray], float]]


REMEMBERED: dict[tuple, np.ndarray] = {}


def expected(function: Callable, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The reference's values of all pairs, computed once for both engines."""
    key = (function, a.shape, b.shape, a.tobytes(), b.tobytes())
    if key not in REMEMBERED:
        REMEMBERED[key] = compute(function, a, b)
    return REMEMBERED[key]


def compute(function: Callable, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The reference's values of all pairs."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        values = [[np.real(np.ravel(function(x, y))[0]) for y in b] for x in a]
    return np.array(values, float)


def assert_equal(name: str, values: np.ndarray, wanted: np.ndarray) -> None:
    """Finite values within the metric's tolerance, inf and NaN in the same places."""
    assert (np.isnan(values) == np.isnan(wanted)).all(), f"{name}: NaN elsewhere"
    finite = np.isfinite(wanted)
    assert (values[~finite & ~np.isnan(wanted)] == wanted[~finite & ~np.isnan(wanted)]).all()
    error = np.abs(values[finite] - wanted[finite])
    if name in RELATIVE:
        assert (error <= RELATIVE[name] * np.abs(wanted[finite])).all(), f"{name}: {error.max()}"
    else:
        assert (error <= ABSOLUTE[name]).all(), f"{name}: {error.max()}"


def compare(
    engine: str, a: np.ndarray, b: np.ndarray, compat: str, reference: Reference, names: list[str]
) -> None:
    """All kernels of an engine at once against the reference."""
    frames = [f if f.ndim == 4 else f[..., None] for f in (a, b)]
    channels = frames[0].shape[3]
    terms = frozenset().union(*(terms_of(name, channels, compat) for name in names))
    made = ENGINES[engine](terms, compat)
    first, second = (made.prepare(f) for f in frames)
    found = made.terms(first, second, terms)
    for name in names:
        values = evaluate(name, found, first.sums, second.sums, compat)
        assert_equal(name, values, expected(reference[name], a, b))


@pytest.fixture(scope="module")
def names() -> list[str]:
    """The kernels that an engine computes itself: all of them."""
    return list(KERNELS)


@pytest.mark.parametrize("engine", ENGINES, scope="module")
class TestParity:
    def test_grey_frames_give_sewars_values(self, engine, names, zoo):
        """On speckle, noise, constant, black, inverted, near and same frames, inf and NaN too."""
        compare(engine, *zoo, "0.4.10", REFERENCE, names)

    def test_colour_frames_give_sewars_values(self, engine, names, colour):
        """With channels that differ, sewar's mixing of them included."""
        compare(engine, *colour, "0.4.10", REFERENCE, names)

    def test_old_grey_values_are_those_of_sewar_046(self, engine, names, zoo):
        """RASE, SAM, PSNR-B and MS-SSIM as the report had them, the others unchanged."""
        compare(engine, *zoo, "0.4.6", OLD, names)

    def test_old_colour_values_are_those_of_sewar_046(self, engine, names, colour):
        """In colour, where the old RASE smooths across channels."""
        compare(engine, *colour, "0.4.6", OLD, [n for n in names if n != "vif"])

    def test_wide_frames_give_sewars_values(self, engine, names, zoo):
        """For frames whose width is no multiple of anything the layout likes, cut from the zoo."""
        a, b = zoo[0][:3, :179], zoo[1][:3, :179]
        compare(engine, a, b, "0.4.10", REFERENCE, names)

    def test_small_frames_give_sewars_values(self, engine, names, small):
        """Down to 17 pixels a side, for the metrics that take them."""
        a, b = small[:3, :17, :19], small[3:6, :17, :19]
        wanted = [n for n in names if KERNELS[n].min_size <= 17]
        compare(engine, a, b, "0.4.10", REFERENCE, wanted)


def test_a_pair_has_the_same_bits_in_any_block(zoo):
    """Alone or among others, in one thread or three: a compiled value depends on its pair alone."""
    terms = frozenset({"dot", "rase", "scc", "uqi", "ssim", "msssim", "vif"})
    one, three = NumbaEngine(terms, "0.4.10", 1), NumbaEngine(terms, "0.4.10", 3)
    a, b = (one.prepare(frames[..., None]) for frames in zoo)
    whole, alone = three.terms(a, b, terms), one.terms(a[1:2], b[2:3], terms)
    for term in terms:
        assert (whole[term][1, 2] == alone[term][0, 0]).all()


def test_the_numba_engine_compiles_what_the_choice_counts_on():
    """The terms for which the compiled engine is chosen are terms that it computes itself."""
    assert COMPILED_TERMS <= OWN
