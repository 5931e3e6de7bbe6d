"""A whole report's content from invented data: a store of speckle, invented patients and values.

Sections are made by the stages themselves, from invented records.
"""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from lusgan_core.calls.call import reference_to
from lusgan_core.calls.provenance import Manifest
from lusgan_core.calls.section import (
    REAL,
    SYNTHETIC,
    Distribution,
    FrameAt,
    Group,
    Measured,
    Range,
    Section,
    Table,
)
from lusgan_core.domain import UNLABELLED, Rejection, ScoreCount, ShardRecord
from lusgan_core.evaluation import stage as evaluation
from lusgan_core.evaluation.stage import FIRST_SYNTHETIC, EvaluationRecord, NearestReal, RealFrame
from lusgan_core.generation import stage as generation
from lusgan_core.generation.stage import SampleSet
from lusgan_core.ingestion import stage as ingestion
from lusgan_core.networks.generator import GeneratorRecord
from lusgan_core.networks.value_range import ValueMap
from lusgan_core.preprocessing.shard import write_shard
from lusgan_core.preprocessing.stage import ExamShards
from lusgan_core.promotion import stage as promotion
from lusgan_core.promotion.stage import PromotionRecord, Verdict
from lusgan_core.reporting.content import Option, Provenance, ReportContent, ScorePage
from lusgan_core.reporting.page import render_report
from lusgan_core.reporting.patients import PatientNames
from lusgan_core.reporting.pictures import Pictures
from lusgan_core.selection import stage as selection
from lusgan_core.store import LocalStore
from lusgan_core.training import stage as training
from lusgan_core.training.stage import ModelRecord

CODES = ("1101", "1102", "1203", "1305", "1411")
EXAMS = {
    "1101": ["2020-03-11", "2020-03-19"],
    "1102": ["1302"],
    "1203": ["1303"],
    "1305": ["1304"],
    "1411": ["1306"],
}
HELD_OUT = frozenset({"1411"})
FRAMES = {
    0: {"1101": 6000, "1102": 4500, "1203": 1800, "1411": 2200},
    1: {"1101": 2500, "1203": 4550, "1305": 1200, "1411": 1000},
    2: {"1102": 5200, "1203": 3100, "1305": 4400},
    3: {"1305": 9000, "1411": 2250},
}
"""Labelled frames, by score and patient."""
REJECTED = (
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
)
COLLAPSE = (
    "The synthetic frames are more alike (SSIM 0.652) than real frames of different clips (0.513): "
    "this may be collapse."
)
TOO_FEW = "11 training frames, but one batch needs 48: lower batch_size"
NO_MSSSIM = "needs 176 pixels a side, the frames have 64"

MSSSIM = Measured(metric="msssim", title="MS-SSIM", value=None, better="higher", bounds=(0, 1))
SSIM = Measured(metric="ssim", title="SSIM", value=None, better="higher", bounds=(-1, 1))
PSNR = Measured(
    metric="psnr", title="PSNR", value=None, unit="dB", better="higher", bounds=(0, None)
)
RASE = Measured(metric="rase", title="RASE", value=None, unit="%", better="lower", bounds=(0, None))

SHOWN = generation.SHOWN
MODEL = "RaSGAN-pacgan2-{side}px-c1-z128-b48-i4000-lrG0.0004-lrD0.0002-seed999-1f3a90c2"


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


def draw(content: ReportContent, store: LocalStore) -> str:
    """Return the page."""
    return render_report(content, Pictures(store))


def statistics(
    metric: Measured, between: tuple[str, ...], number: int, **values: float | None
) -> tuple[Measured, ...]:
    """Return the values of a metric between two sides, by statistic."""
    same = metric.model_copy(update={"between": between, "number": number})
    return tuple(
        same.model_copy(update={"statistic": statistic, "value": value})
        for statistic, value in values.items()
    )


def spread(
    metric: Measured, between: tuple[str, ...], number: int, *of: float | None, **odd: float
) -> tuple[Measured, ...]:
    """Return mean, deviation, smallest and largest value, and counts of odd ones."""
    values = dict(zip(("mean", "sd", "min", "max"), of, strict=True))
    return statistics(metric, between, number, **values, **odd)


def put_shard(store: LocalStore, key: str, frames: NDArray[np.uint8], scores: list[int]) -> None:
    """Put frames into a store, as preprocessing and generation do."""
    path = store.path(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_shard(path, frames, scores, attributes={})


def png(frame: NDArray[np.uint8]) -> bytes:
    """Return a frame as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "PNG")
    return buffer.getvalue()


def gif(frames: NDArray[np.uint8]) -> bytes:
    """Return frames as an animated GIF file."""
    buffer = io.BytesIO()
    first, *rest = [Image.fromarray(frame) for frame in frames]
    first.save(buffer, "GIF", save_all=True, append_images=rest, duration=200, loop=0)
    return buffer.getvalue()


def real_key(patient: str, score: int) -> str:
    """Return the key of a patient's shard with frames of a score; it has the codes in it."""
    exam = EXAMS[patient][0]
    return f"shards/{patient}/{exam}/convex_{patient}_{exam}_{score}.h5"


def model_folder(score: int) -> str:
    """Return where a score's model is."""
    return f"models/score-{score}"


def samples_key(score: int) -> str:
    """Return where a score's synthetic frames are."""
    return f"samples/score-{score}/frames.h5"


def sample_store(folder: Path, side: int = 64, scores: tuple[int, ...] = (0, 1, 2)) -> LocalStore:
    """Make a store with all that a report on models of these scores shows."""
    store = LocalStore(folder)
    for score in scores:
        for number, patient in enumerate(CODES):
            frames = speckle_frames(4, side, score, 100 * score + number)
            put_shard(store, real_key(patient, score), frames, [score] * 4)
        made = speckle_frames(SHOWN, side, score, 100 * score + 50)
        put_shard(store, samples_key(score), made, [score] * SHOWN)
        noise = np.random.default_rng(1).integers(0, 255, (side, side))
        previews = []
        for iteration in (1, *range(500, 4001, 500)):
            share = iteration / 4000
            frame = (made[0] * share + noise * (1 - share)).astype(np.uint8)
            key = f"{model_folder(score)}/previews/{iteration:08d}.png"
            store.put(key, png(np.block([[frame, frame], [frame, frame]])))
            previews.append(frame)
        store.put(f"{model_folder(score)}/progress.gif", gif(np.stack(previews)))
        store.put(f"{model_folder(score)}/history.csv", history())
    return store


def history(iterations: int = 4000) -> bytes:
    """Return the history of a training as it is stored; one loss is not a number."""
    rng = np.random.default_rng(3)
    t = np.arange(1, iterations + 1, 8, dtype=np.float64)
    d = 0.55 + 0.25 * np.exp(-t / 600) + rng.normal(0, 0.06, t.size)
    g = 1.1 + 0.5 * np.log1p(t / 800) + rng.normal(0, 0.25, t.size)
    d[t.size // 2] = np.nan
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        ("iteration", "loss_discriminator", "loss_generator", "lr_discriminator", "lr_generator")
    )
    decay = 0.9995**t
    writer.writerows(zip(t.astype(int), d, g, 2e-4 * decay, 4e-4 * decay, strict=True))
    return out.getvalue().encode()


def exam_shards() -> list[ExamShards]:
    """Return what preprocessing left of six exams of one clip each."""
    exams = []
    for patient, codes in EXAMS.items():
        for number, exam in enumerate(codes):
            counts = {score: of[patient] for score, of in FRAMES.items() if patient in of}
            if len(codes) > 1:  # both exams have half of the frames
                counts = {score: count // 2 for score, count in counts.items()}
            by_score = {s: ScoreCount(frames=count, digest="0") for s, count in counts.items()}
            if number == 0:
                by_score[UNLABELLED] = ScoreCount(frames=301, digest="0")
            shard = ShardRecord(
                patient=patient, exam=exam, clip=f"convex_{patient}_{exam}_1", area=1,
                key=real_key(patient, 0), digest="0",
                frames=sum(count.frames for count in by_score.values()), by_score=by_score,
            )  # fmt: skip
            exams.append(ExamShards(patient=patient, exam=exam, shards=(shard,)))
    return exams


def data_sections(exams: list[ExamShards] | None = None) -> tuple[Section, ...]:
    """Return the sections of data and of rejected clips."""
    return (
        selection.section(exam_shards() if exams is None else exams, HELD_OUT, len(REJECTED)),
        ingestion.section(REJECTED),
    )


def promotion_section(score: int) -> Section:
    """Return the section of a decision: score 1 is held back, others are promoted."""
    bad = score == 1
    verdicts = (
        Verdict(gate="divergence", passed=True, reason="the generator's loss is 1.9 at the end"),
        Verdict(
            gate="collapse",
            passed=not bad,
            reason=f"synthetic frames differ by {'12%' if bad else '81%'} of what real ones do",
        ),
    )
    return promotion.section(
        PromotionRecord(
            score=score, model="new", evaluated="-", promoted=not bad, before="an-earlier-model",
            verdicts=verdicts, held_back="collapse" if bad else "",
        )
    )  # fmt: skip


def samples_section(score: int, real: bool = True) -> Section:
    """Return the section of samples beside real frames of four patients."""
    samples = SampleSet(
        score=score, model="new", folder=f"samples/score-{score}", frames_key=samples_key(score),
        count=100, seed=7,
    )  # fmt: skip
    places = [
        FrameAt(key=real_key(patient, score), row=row, score=score)
        for patient in CODES[:4]
        for row in range(4)
    ]
    manifest = Manifest(stage="generate", cache_key="0", data=samples.model_dump(mode="json"))
    return generation.section(manifest, places if real else [])


def training_section(
    store: LocalStore, score: int, side: int, warnings: tuple[str, ...] = ()
) -> Section:
    """Return the section of a training whose history and previews are in the store."""
    folder = model_folder(score)
    generator = GeneratorRecord(
        backbone="pacgan2", backbone_options={}, image_size=side, channels=1, latent_size=128,
        pack=2, values=ValueMap(scale=1 / 255, offset=0),
    )  # fmt: skip
    model = ModelRecord(
        score=score, name=MODEL.format(side=side), folder=folder, generator=generator,
        iterations=4000, images_seen=192_000, training_frames=(12_300, 8_250, 12_700, 9_000)[score],
        training_clips=61, training_patients=(3, 3, 3, 1)[score], warnings=warnings,
    )  # fmt: skip
    artifacts = {
        name: reference_to(store, f"{folder}/{file}")
        for name, file in (("history", "history.csv"), ("progress", "progress.gif"))
    }
    manifest = Manifest(
        stage="train", cache_key="0", device="NVIDIA H100", timings_s={"training": 4210.04},
        artifacts=artifacts, data=model.model_dump(mode="json"),
    )  # fmt: skip
    return training.section(manifest, store)


def evaluation_section(score: int, big: bool = False) -> Section:
    """Return the section of an evaluation, by MS-SSIM where frames are big enough, else by SSIM."""
    rng = np.random.default_rng(5)
    main = MSSSIM if big else SSIM
    mixed, made, real = (REAL, SYNTHETIC), (SYNTHETIC, SYNTHETIC), (REAL, REAL)
    table = (1.0, 0.6123, 0.5871, 0.997, 0.6402, 0.5519, 0.6008, 0.6311, 0.5902, 0.6127)
    first = [
        statistics(main, (FIRST_SYNTHETIC, f"synthetic {number}"), 1, value=value)
        for number, value in enumerate(table, 1)
    ]
    average = statistics(main, (FIRST_SYNTHETIC, SYNTHETIC), 9, mean=sum(table[1:]) / 9)
    values = (
        *spread(main, mixed, 1_230_000, 0.5521, 0.0712, 0.21, 0.861),
        *spread(main, made, 4_950, 0.6524, 0.0934, 0.3312, 0.997),
        *spread(main, real, 19_900, 0.5133, 0.0811, 0.1904, 0.9021),
        *spread(PSNR, mixed, 1_230_000, 16.31, 1.92, 10.01, 27.3),
        *spread(PSNR, made, 4_950, 17.9, 2.31, 11.2, 34.2, infinite=3),
        *spread(PSNR, real, 19_900, 15.2, 2.1, 9.4, 29.9),
        *spread(RASE, mixed, 1_230_000, 5231.2, 912.0, 2101.0, 14021.0, undefined=7),
        *(value for values in (*first, average) for value in values),
    )
    edges = np.arange(-32, 33) / 32
    histograms = tuple(
        Distribution(
            metric=main.metric, between=between, edges=tuple(edges.tolist()),
            counts=tuple(np.histogram(rng.normal(*shape).clip(-1, 1), edges)[0].tolist()),
        )
        for between, shape in ((made, (0.65, 0.09, 4_950)), (real, (0.51, 0.08, 19_900)))
    )  # fmt: skip
    nearest = tuple(
        NearestReal(
            synthetic=i,
            value=0.86 - 0.01 * i,
            real=RealFrame(
                shard=real_key(CODES[i % 5], score), frame=i % 4, patient=CODES[i % 5],
                held_out=CODES[i % 5] in HELD_OUT,
            ),
        )
        for i in range(10)
    )  # fmt: skip
    record = EvaluationRecord(
        score=score, samples=samples_key(score), training=12_300, held_out=2_200, synthetic=100,
        among=200, likeness=main.metric, values=values, distributions=histograms,
        absent={} if big else {"MS-SSIM": NO_MSSSIM}, nearest=nearest,
        nearest_training=tuple(rng.normal(0.7, 0.05, 100).tolist()),
        nearest_held_out=tuple(rng.normal(0.67, 0.05, 100).tolist()),
        engine="numba, 2 threads", pairs=1,
    )  # fmt: skip
    manifest = Manifest(stage="evaluate", cache_key="0", data=record.model_dump(mode="json"))
    return evaluation.section(manifest)


def score_page(
    store: LocalStore, score: int, side: int, warnings: tuple[str, ...] = ()
) -> ScorePage:
    """Return all that is shown of a score, in the order in which it is read."""
    return ScorePage(
        score,
        sections=(
            promotion_section(score),
            samples_section(score),
            training_section(store, score, side, warnings),
            evaluation_section(score, big=side >= 176),
        ),
    )


def sample_content(store: LocalStore, side: int = 64, show_codes: bool = False) -> ReportContent:
    """A report on four scores: score 1 was held back, 2 is warned of, and 3 has failed."""
    return ReportContent(
        title="Lung ultrasound, four severity scores",
        created=datetime(2024, 5, 1, 13, 45, tzinfo=UTC),
        preset="paper",
        data=data_sections(),
        scores=(
            score_page(store, 0, side),
            score_page(store, 1, side),
            score_page(store, 2, side, (COLLAPSE,)),
            ScorePage(3, failure=TOO_FEW),
        ),
        provenance=Provenance(
            command="lusgan run --exams s3://exams/wave-1 --preset paper --set seed=999",
            digests={"dataset, score 0": "9f" * 32, "model, score 0": "1f3a90c2" * 8},
            versions={"ingest": 1, "train": 2},
            git_commit="0a1b2c3d4e5f",
            libraries={"torch": "2.14.0", "numpy": "2.4.1"},
            plugins={"backbone/pacgan2": "lusgan 0.1.0", "metric/ssim": "lusgan 0.1.0"},
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
    )


def with_values(*values: Measured) -> Section:
    """Return a section of measured values alone."""
    return Section(name="evaluation", title="Similarity", values=values)


def with_table(*cells: str | float | Range | None) -> Section:
    """Return a section of a table with one row."""
    columns = tuple(f"column {number}" for number in range(len(cells)))
    table = Table(title="A table", columns=columns, rows=(cells,))
    return Section(name="evaluation", title="Similarity", groups=(Group(figures=(table,)),))
