"""The built-in metrics against their contract, against sewar itself, and against formulas."""

from __future__ import annotations

import math
import warnings
from importlib.metadata import version
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from sewar import full_ref

from lusgan_core.api import ConfigError
from lusgan_core.registry import installed
from lusgan_core.testing import PairMetricContract
from lusgan_core.testing.pair_metrics import noisy, sample_frames

Frame = NDArray[np.uint8]
NAMES = (
    *("mse", "rmse", "psnr", "psnrb", "rase", "sam"),
    *("scc", "ssim", "msssim", "uqi", "ergas", "vif"),
)


class TestContract(PairMetricContract):
    """Every built-in metric keeps the contract."""

    @pytest.fixture(autouse=True, params=NAMES)
    def choose(self, request: pytest.FixtureRequest) -> None:
        self.record = installed().pair_metric(request.param)


def value(name: str, a: Frame, b: Frame) -> float:
    return installed().pair_metric(name).value(a, b)


def test_units_and_bounds_are_those_of_the_formulas() -> None:
    """Reports label values with the units, and axes end at the bounds; both follow by hand."""
    squares, any_size = (0.0, 255.0**2), (0.0, math.inf)
    records = [installed().pair_metric(name) for name in NAMES]
    assert {record.name: (record.unit, record.bounds) for record in records} == {
        "mse": ("squared grey levels", squares),
        "rmse": ("grey levels", (0.0, 255.0)),
        "psnr": ("dB", any_size),
        "psnrb": ("dB", (-math.inf, math.inf)),
        "rase": ("%", any_size),
        "sam": ("rad", (0.0, math.pi / 2)),
        "scc": ("", (-1.0, 1.0)),
        "ssim": ("", (-1.0, 1.0)),
        "msssim": ("", (-1.0, 1.0)),
        "uqi": ("", (-1.0, 1.0)),
        "ergas": ("", any_size),
        "vif": ("", any_size),
    }


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_values_are_sewars(name: str, channels: int) -> None:
    """Each metric gives, bit for bit, what sewar 0.4.10 gives, NaN and infinity included."""
    assert version("sewar") == "0.4.10"
    metric = installed().pair_metric(name)
    if channels not in metric.channels:
        pytest.skip("not for this many channels")
    frames = sample_frames(max(64, metric.min_size), channels)
    function = getattr(full_ref, {"vif": "vifp"}.get(name, name))
    pairs = [*pairwise(frames.values()), (frames["noise"], frames["noise"])]
    for a, b in [*pairs, *(pair[::-1] for pair in pairs)]:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            expected = function(a, b)
        expected = expected[0] if isinstance(expected, tuple) else expected
        np.testing.assert_equal(metric.value(a, b), float(np.real(expected)))


@pytest.mark.parametrize("name", NAMES)
def test_grey_needs_no_channel_axis(name: str) -> None:
    """Frames (H, W) and (H, W, 1) have the same value."""
    frames = sample_frames(max(64, installed().pair_metric(name).min_size), 1)
    a, b = frames["fan"], frames["blocks"]
    assert value(name, a, b) == value(name, a[..., None], b[..., None])


def test_pointwise_metrics_are_their_formulas() -> None:
    """MSE, RMSE, PSNR, ERGAS and SAM equal formulas written out here to 1e-12."""
    frames = sample_frames(64, 3)
    a, b = frames["smooth"], frames["noise"]
    x, y = a.astype(float), b.astype(float)
    mse = ((x - y) ** 2).mean()
    bands = ((x - y) ** 2).mean((0, 1)) / x.mean((0, 1)) ** 2
    cosines = (x * y).sum(2) / np.sqrt((x**2).sum(2) * (y**2).sum(2))
    expected = {
        "mse": mse,
        "rmse": math.sqrt(mse),
        "psnr": 20 * math.log10(255) - 10 * math.log10(mse),
        "ergas": 25 * math.sqrt(bands.mean()),
        "sam": np.arccos(np.clip(cosines, -1, 1)).mean(),
    }
    for name, number in expected.items():
        assert value(name, a, b) == pytest.approx(number, rel=1e-12), name


def test_psnrb_is_its_formula() -> None:
    """PSNR-B equals PSNR with the second frame's blocking effect as noise, to 1e-9."""
    frames = sample_frames(64, 1)
    a, b = frames["smooth"].astype(float), frames["blocks"].astype(float)
    border = np.arange(63) % 8 == 7
    across, down = np.diff(b, axis=1) ** 2, np.diff(b, axis=0) ** 2
    at_border = across[:, border].sum() + down[border].sum()
    elsewhere = across[:, ~border].sum() + down[~border].sum()
    borders = 2 * (64 * 64 / 8 - 1)  # Yim and Bovik's count of pairs at borders
    effect = at_border / borders - elsewhere / (2 * 64 * 63 - borders)
    noise = ((a - b) ** 2).mean() + math.log2(8) / math.log2(64) * effect
    expected = 10 * math.log10(255**2 / noise)
    assert value("psnrb", frames["smooth"], frames["blocks"]) == pytest.approx(expected, rel=1e-9)


def test_windowed_metrics_are_their_formulas() -> None:
    """RASE and SSIM equal formulas over explicit windows, to 1e-9."""
    frames = sample_frames(48, 1)
    a, b = frames["smooth"].astype(float), frames["noise"].astype(float)
    square = ndimage.uniform_filter((a - b) ** 2, 8)
    rase = (100 * np.sqrt(square) / ndimage.uniform_filter(a, 8))[4:-4, 4:-4].mean()
    assert value("rase", frames["smooth"], frames["noise"]) == pytest.approx(rase, rel=1e-9)
    windows = np.lib.stride_tricks.sliding_window_view(np.stack([a, b]), (11, 11), axis=(1, 2))
    x, y = windows.reshape(2, -1, 121)
    both = ((x - x.mean(1)[:, None]) * (y - y.mean(1)[:, None])).mean(1)
    c1, c2 = 2.55**2, 7.65**2
    ssim = (2 * x.mean(1) * y.mean(1) + c1) * (2 * both + c2)
    ssim /= (x.mean(1) ** 2 + y.mean(1) ** 2 + c1) * (x.var(1) + y.var(1) + c2)
    expected = pytest.approx(ssim.mean(), rel=1e-9)
    assert value("ssim", frames["smooth"], frames["noise"]) == expected


def test_values_without_a_number() -> None:
    """Infinity and NaN appear where they are documented, as floats and without a warning."""
    frames = sample_frames(64, 1)
    black, noise, grey = frames["black"], frames["noise"], frames["grey"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert value("psnr", noise, noise) == math.inf
        assert value("psnrb", black, black) == math.inf
        assert value("ergas", black, noise) == math.inf
        assert math.isnan(value("ergas", black, black))
        assert math.isnan(value("sam", black, noise))
        assert math.isnan(value("vif", grey, noise))
        assert value("rase", black, noise) == 0


def test_sam_says_nothing_about_grey_frames() -> None:
    """On grey frames SAM is 0 whatever they show, as its description says."""
    frames = sample_frames(64, 1)
    assert value("sam", frames["smooth"], frames["noise"]) == 0
    assert "grey" in installed().pair_metric("sam").description


def test_scc_of_a_fan_with_itself_is_its_textured_share() -> None:
    """SCC of identical frames is the share of windows that are not flat, not 1."""
    frames = sample_frames(64, 1)
    assert value("scc", frames["noise"], frames["noise"]) == pytest.approx(1, abs=1e-9)
    assert 0.1 < value("scc", frames["fan"], frames["fan"]) < 0.95


def test_msssim_is_real_where_contrast_is_inverted() -> None:
    """A frame beside its negative gives the real part of sewar's product: a negative float."""
    frame = noisy(sample_frames(176, 1)["smooth"], 30)
    result = value("msssim", frame, 255 - frame)
    assert type(result) is float
    assert -1 <= result < 0


@pytest.mark.parametrize(
    ("name", "a", "b", "message"),
    [
        ("msssim", (175, 300), (175, 300), "needs 176 a side"),
        ("vif", (40, 40), (40, 40), "needs 41 a side"),
        ("mse", (32, 32), (32, 33), "expected equal"),
        ("mse", (32, 32, 2), (32, 32, 2), "expected uint8"),
        ("psnrb", (32, 32, 3), (32, 32, 3), "for grey frames"),
    ],
)
def test_unfit_frames_are_refused(
    name: str, a: tuple[int, ...], b: tuple[int, ...], message: str
) -> None:
    """Frames that a metric cannot compare raise ConfigError that says what it expects."""
    with pytest.raises(ConfigError, match=message):
        value(name, np.zeros(a, np.uint8), np.zeros(b, np.uint8))


def test_floating_frames_are_refused() -> None:
    """Frames that are not uint8 raise ConfigError: sewar would guess their range."""
    with pytest.raises(ConfigError, match="float64"):
        value("psnr", np.zeros((32, 32)), np.zeros((32, 32)))
