"""A whole report's content from invented data: speckle in a fan, invented patients and values."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from lusgan_core.api import PairMetric
from lusgan_core.domain import Rejection
from lusgan_core.reporting.content import (
    Collapse,
    DataSummary,
    Evaluation,
    History,
    MetricSummary,
    NearestDistances,
    NearestPair,
    Option,
    PatientNames,
    Preview,
    Provenance,
    ReportContent,
    Samples,
    ScoreReport,
    Spread,
    TableOne,
    TrainingSummary,
)

CODES = ("1101", "1102", "1203", "1305", "1411")
EXAMS = {
    "1101": ["2020-03-11", "2020-03-19"],
    "1102": ["1302"],
    "1203": ["1303"],
    "1305": ["1304"],
    "1411": ["1306"],
}

MSSSIM = PairMetric(
    "msssim", "MS-SSIM", "", "higher", 1.0, lambda a, b: 0.0, bounds=(0.0, 1.0), min_size=176
)
SSIM = PairMetric("ssim", "SSIM", "", "higher", 1.0, lambda a, b: 0.0, bounds=(-1.0, 1.0))
PSNR = PairMetric(
    "psnr", "PSNR", "", "higher", float("inf"), lambda a, b: 0.0, unit="dB",
    bounds=(0.0, float("inf")),
)  # fmt: skip
RASE = PairMetric(
    "rase", "RASE", "", "lower", 0.0, lambda a, b: 0.0, unit="%", bounds=(0.0, float("inf"))
)


def speckle_frames(count: int, side: int, score: int, seed: int) -> NDArray[np.uint8]:
    """(count, side, side) uint8: a fan of speckle with A-lines (0) or ever more B-lines (3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    radius, angle = np.hypot(x - 0.5, y + 0.25), np.arctan2(x - 0.5, y + 0.25)
    fan = (radius > 0.33) & (radius < 1.2) & (np.abs(angle) < 0.5)
    frames = []
    for _ in range(count):
        grain = gaussian_filter(rng.rayleigh(1.0, (side, side)), side / 180)
        echo = 0.25 + 0.9 * np.exp(-(((radius - 0.48 - rng.uniform(0, 0.04)) / 0.012) ** 2))
        if score == 0:
            echo += 0.35 * np.exp(-(((radius - 0.8) / 0.012) ** 2))
        for _ in range(score * 2):
            width = rng.uniform(0.015, 0.05)
            beam = np.exp(-(((angle - rng.uniform(-0.45, 0.45)) / width) ** 2))
            echo += 0.6 * beam * (radius > 0.5)
        frames.append(np.clip(110 * grain * echo * fan, 0, 255).astype(np.uint8))
    return np.stack(frames)


def history(iterations: int = 4000) -> History:
    rng = np.random.default_rng(3)
    t = np.arange(1, iterations + 1, 4, dtype=np.float64)
    d = 0.55 + 0.25 * np.exp(-t / 600) + rng.normal(0, 0.06, t.size)
    g = 1.1 + 0.5 * np.log1p(t / 800) + rng.normal(0, 0.25, t.size)
    d[t.size // 2] = np.nan
    decay = 0.9995**t
    return History(t, t * 48, d, g, 2e-4 * decay, 4e-4 * decay)


def animation(frames: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    first, *rest = [Image.fromarray(f) for f in frames]
    first.save(buffer, "GIF", save_all=True, append_images=rest, duration=200, loop=0)
    return buffer.getvalue()


def evaluation(real: NDArray[np.uint8], fake: NDArray[np.uint8], big: bool) -> Evaluation:
    rng = np.random.default_rng(5)
    main = MSSSIM if big else SSIM
    values = (1.0, 0.6123, 0.5871, 0.997, 0.6402, 0.5519, 0.6008, 0.6311, 0.5902, 0.6127)
    edges = np.linspace(-1, 1, 101)
    return Evaluation(
        real=12_300,
        synthetic=100,
        metrics=(
            MetricSummary(
                main,
                Spread(1_230_000, 0.5521, 0.0712, 0.21, 0.861),
                Spread(4_950, 0.6524, 0.0934, 0.3312, 0.997),
                Spread(2_100_000, 0.5133, 0.0811, 0.1904, 0.9021),
            ),
            MetricSummary(
                PSNR,
                Spread(1_230_000, 16.31, 1.92, 10.01, 27.3),
                Spread(4_950, 17.9, 2.31, 11.2, 34.2, infinite=3),
                Spread(2_100_000, 15.2, 2.1, 9.4, 29.9),
            ),
            MetricSummary(RASE, Spread(1_230_000, 5231.2, 912.0, 2101.0, 14021.0, undefined=7)),
        ),
        absent={} if big else {"MS-SSIM": "needs 176 pixels a side, the frames have 64"},
        table_one=TableOne(main, values, float(np.mean(values[1:]))),
        collapse=Collapse(
            main,
            edges,
            np.histogram(rng.normal(0.65, 0.09, 4_950).clip(-1, 1), edges)[0],
            np.histogram(rng.normal(0.51, 0.08, 20_000).clip(-1, 1), edges)[0],
        ),
        nearest_metric=main,
        nearest=tuple(
            NearestPair(i * 7, fake[i], real[i], 0.86 - 0.01 * i, CODES[i % 5], i % 5 == 4)
            for i in range(6)
        ),
        nearest_distances=NearestDistances(rng.normal(0.7, 0.05, 100), rng.normal(0.67, 0.05, 100)),
        engine="numba, 2 threads",
    )


def score_report(score: int, side: int, warnings: tuple[str, ...] = ()) -> ScoreReport:
    real = speckle_frames(8, side, score, seed=score)
    fake = speckle_frames(8, side, score, seed=10 + score)
    noise = np.random.default_rng(1).integers(0, 255, fake[0].shape)
    steps = [
        Preview(i, (fake[0] * (i / 4000) + noise * (1 - i / 4000)).astype(np.uint8))
        for i in range(0, 4001, 500)
    ]
    return ScoreReport(
        score,
        training=TrainingSummary(
            model=f"RaSGAN-pacgan2-{side}px-c1-z128-b48-i4000-lrG0.0004-lrD0.0002-seed999-1f3a90c2",
            iterations=4000,
            images_seen=192_000,
            frames=(12_300, 8_250, 12_700, 9_000)[score],
            clips=61,
            patients=(3, 3, 3, 1)[score],
            planned_iterations=4000,
            seconds=4_210,
            device="NVIDIA H100",
            history=history(),
            previews=tuple(steps),
            gif=animation(np.stack([p.frame for p in steps])),
        ),
        samples=Samples(real, fake),
        evaluation=evaluation(real, fake, big=side >= 176),
        warnings=warnings,
    )


def sample_content(side: int = 64, show_codes: bool = False) -> ReportContent:
    """A report on four scores, of which score 1 is warned of and score 3 has failed."""
    return ReportContent(
        title="Lung ultrasound, four severity scores",
        created=datetime(2024, 5, 1, 13, 45, tzinfo=UTC),
        preset="paper",
        data=DataSummary(
            exams=6,
            clips=239,
            frames={
                0: {"1101": 6000, "1102": 4500, "1203": 1800, "1411": 2200},
                1: {"1101": 2500, "1203": 4550, "1305": 1200, "1411": 1000},
                2: {"1102": 5200, "1203": 3100, "1305": 4400},
                3: {"1305": 9000, "1411": 2250},
            },
            held_out=frozenset({"1411"}),
            unlabelled=1_204,
            rejected=(
                Rejection(
                    file="1101/2020-03-11/convex_1101_2020-03-11_4.mat",
                    reason="no score file: expected convex_1101_2020-03-11_4_score.mat beside it",
                    patient="1101",
                    exam="2020-03-11",
                ),
                Rejection(
                    file="1999/1390/convex_1999_1390_3.mat",
                    reason="cut short: 60 frames declared,\n<b>41</b> found\x1b[31m \u202egnp.exe",
                    patient="1999",
                    exam="1390",
                ),
            ),
            source="s3://exams/wave-1",
        ),
        scores=(
            score_report(0, side),
            score_report(
                1,
                side,
                (
                    "The synthetic frames are more alike (SSIM 0.652) than real frames of "
                    "different clips (0.513): this may be collapse.",
                ),
            ),
            score_report(2, side),
            ScoreReport(3, failure="11 training frames, but one batch needs 48: lower batch_size"),
        ),
        provenance=Provenance(
            command="lusgan run --exams s3://exams/wave-1 --preset paper --set seed=999",
            digests={"dataset, score 0": "9f" * 32, "model, score 0": "1f3a90c2" * 8},
            code_fingerprint="5b1c77e0a9d24f31",
            git_commit="0a1b2c3d4e5f",
            libraries={"torch": "2.14.0", "numpy": "2.4.1"},
            plugins={"lusgan_backbones": "lusgan 0.1.0", "lusgan_metrics": "lusgan 0.1.0"},
            device="NVIDIA H100, 16 CPU cores",
            seeds={"split": 1, "training": 999, "samples": 7},
            timings_s={"ingest": 12.3, "preprocess": 310.0, "train": 16_900.0, "evaluate": 87.0},
            peak_rss_mb=3_217.4,
        ),
        patients=PatientNames(CODES, show_codes, EXAMS),
        options=(
            Option("training.batch_size", "48", "48", "Images a step"),
            Option("training.lr_generator", "0.0002", "0.0004", "Adam's step size"),
            Option("preprocess.geometry", "paper", "paper", "How frames are brought to one size"),
        ),
        deviations=("Images are scaled to -1..1; the report leaves them in 0..1.",),
        notes=() if side >= 176 else ("MS-SSIM needs 176 pixels a side; SSIM stands in for it.",),
    )
