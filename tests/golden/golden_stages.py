"""Rows of the stages that need no training: what each leaves for a small fixed input."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from golden_inputs import context, exam_shards, exam_source, frames, left, plain, reader_source
from golden_table import Rows

from lusgan_core.api import FeatureExtractor, Reader, hookimpl
from lusgan_core.calls.call import Product, StageContext, reference_to
from lusgan_core.calls.provenance import Manifest
from lusgan_core.calls.runtime import Runtime
from lusgan_core.calls.section import REAL, SYNTHETIC, Measured
from lusgan_core.classification import stage as classification
from lusgan_core.classification import training as classifier
from lusgan_core.classification.stage import (
    TITLES,
    ClassifierOptions,
    Judged,
    PatientTally,
    synthetic_frames,
)
from lusgan_core.domain import ExamRecord
from lusgan_core.encoder import stage as encoder
from lusgan_core.encoder.stage import EncoderOptions
from lusgan_core.encoder.weights import load_encoder
from lusgan_core.errors import ClipError
from lusgan_core.evaluation import stage as evaluation
from lusgan_core.evaluation.stage import EvaluationOptions, EvaluationRecord
from lusgan_core.generation import stage as generation
from lusgan_core.generation.stage import GenerationOptions, SampleSet
from lusgan_core.ingestion import stage as ingestion
from lusgan_core.ingestion.clip import open_clip
from lusgan_core.ingestion.discover import discover
from lusgan_core.ingestion.readers import choose_readers
from lusgan_core.networks.generator import GeneratorRecord
from lusgan_core.networks.value_range import ValueMap
from lusgan_core.networks.weights import network_bytes
from lusgan_core.preprocessing import stage as preprocessing
from lusgan_core.preprocessing.options import PreprocessingOptions
from lusgan_core.preprocessing.shard import write_shard
from lusgan_core.preprocessing.stage import ExamShards
from lusgan_core.promotion import stage as promotion
from lusgan_core.promotion.options import PromotionOptions
from lusgan_core.registry import Provider, Registry, installed
from lusgan_core.registry import discover as discover_plugins
from lusgan_core.selection import stage as selection
from lusgan_core.selection.stage import ScoreDataset, SelectionOptions
from lusgan_core.store import LocalStore
from lusgan_core.training.stage import ModelRecord
from lusgan_core.usefulness import stage as usefulness
from lusgan_core.usefulness.stage import UsefulnessOptions
from sample_content import draw, sample_content, sample_store

PREPROCESSING: dict[str, dict[str, Any]] = {
    "defaults": {},
    "image_size": {"image_size": 64},
    "channels": {"channels": 3},
    "geometry": {"geometry": "fit"},
    "geometry polar": {"geometry": "polar"},
    "fit_margin": {"geometry": "fit", "fit_margin": 0.15},
    "intensity": {"intensity": "percentile"},
    "percentile_low": {"intensity": "percentile", "percentile_low": 10.0},
    "percentile_high": {"intensity": "percentile", "percentile_high": 90.0},
    "clahe": {"intensity": "clahe"},
    "clahe_clip": {"intensity": "clahe", "clahe_clip": 8.0},
    "clahe_tiles": {"intensity": "clahe", "clahe_tiles": 3},
}
SIDES = str(Path(__file__).parent / "sides.csv")
SELECTION: dict[str, dict[str, Any]] = {
    "defaults": {},
    "held_out": {"held_out": 0.5},
    "nobody held out": {"held_out": 0.0},
    "validation": {"validation": 0.3},
    "seed": {"seed": 4},
    "sides": {"sides": SIDES},
    "fold": {"sides": SIDES, "fold": 1},
}
GENERATION: dict[str, dict[str, Any]] = {
    "defaults": {},
    "count": {"count": 2},
    "seed": {"seed": 8},
    "formats": {"formats": ("png", "mat")},
    "format_options": {"format_options": {"png": {"say_synthetic": False}}},
    "batch_size": {"batch_size": 3},
}
METRICS = (
    "mse", "rmse", "psnr", "psnrb", "rase", "sam", "scc", "ssim", "msssim", "uqi", "ergas", "vif",
)  # fmt: skip
EVALUATION: dict[str, dict[str, Any]] = {
    "defaults": {},
    "metric_options": {"metric_options": {"kid": {"degree": 2}}},
    "likeness": {"likeness": "mse"},
    "features": {"features": ("levels",)},
    "feature_options": {"feature_options": {"random": {"seed": 1}}},
    "distance_frames": {"distance_frames": 3},
    "metrics": {"metrics": METRICS},
    "real_frames": {"real_frames": 5},
    "synthetic_frames": {"synthetic_frames": 3},
    "among_frames": {"among_frames": 4},
    "audit_frames": {"audit_frames": 6},
    "audit_copies": {"audit_frames": 6, "audit_copies": 12},
    "audit_features": {"audit_frames": 6, "audit_features": "levels"},
    "compat": {"metrics": ("uqi", "rase"), "compat": "0.4.6"},
}
PROMOTION: dict[str, dict[str, Any]] = {
    "defaults": {},
    "automatic": {"automatic": False},
    "max_generator_loss": {"max_generator_loss": 0.5},
    "min_discriminator_loss": {"min_discriminator_loss": 0.9},
    "min_diversity": {"min_diversity": 0.9},
    "keep_diversity": {"keep_diversity": 1.0},
    "near_copy": {"near_copy": 0.9},
    "max_near_copies": {"near_copy": 0.9, "max_near_copies": 0.9},
    "gates": {"gates": {"collapse": {"min_diversity": 0.9}}},
}
ENCODER: dict[str, dict[str, Any]] = {
    "defaults": {},
    "steps": {"steps": 2},
    "batch_size": {"batch_size": 6},
    "learning_rate": {"learning_rate": 1e-2},
    "frames": {"frames": 4},
    "seed": {"seed": 5},
}
CLASSIFIER: dict[str, dict[str, Any]] = {
    "defaults": {},
    "steps": {"steps": 2},
    "batch_size": {"batch_size": 6},
    "learning_rate": {"learning_rate": 1e-2},
    "frames": {"frames": 4},
}
STUDY: dict[str, dict[str, Any]] = {
    "defaults": {},
    "worth": {"worth": 0.9},
}
UNSTABLE = ("digest", "size")
"""Fields of records that depend on a library's compression, and not on us."""


def ingest_rows() -> Rows:
    """What is read of an exam: records of its clips, and reasons of those that cannot be used."""
    source = exam_source()
    with tempfile.TemporaryDirectory() as folder:
        (exam,) = discover(source).exams
        done = ingestion.run(
            ingestion.call(exam, 1), StageContext(LocalStore(Path(folder)), source)
        )
        return {"exam": _stable(plain(done.data)), "counts": done.counts}


def reader_rows(record: Reader) -> Rows:
    """Frames and scores of an exam's clips, or why one cannot be used, a row a clip."""
    source, readers = reader_source(record.name), choose_readers({record.name: {}})
    (exam,) = discover(source, readers=readers).exams
    rows: dict[str, Any] = {}
    for files in exam.clips:
        try:
            with open_clip(source, files, readers) as clip:
                rows[files.name] = {
                    "frames": np.stack(list(clip.frames())),
                    "scores": list(clip.scores()),
                }
        except ClipError as error:
            rows[files.name] = str(error)
    return rows


def _stable(value: Any) -> Any:
    """Leave digests and sizes of files out of a record."""
    if isinstance(value, dict):
        return {name: _stable(item) for name, item in value.items() if name not in UNSTABLE}
    return [_stable(item) for item in value] if isinstance(value, list) else value


def preprocess_rows() -> Rows:
    """The images of an exam's shards, and all else that a shard tells, a row an option."""
    return {name: _preprocessed(options) for name, options in PREPROCESSING.items()}


def _preprocessed(options: dict[str, Any]) -> Any:
    source = exam_source()
    chosen = PreprocessingOptions.model_validate({"image_size": 32} | options)
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(Path(folder))
        where = StageContext(store, source)
        (exam,) = discover(source).exams
        read = ingestion.run(ingestion.call(exam, 1), where)
        record = ExamRecord.model_validate(read.data.model_dump())
        ingested = left(store, "ingest", "ingested", record)
        call = preprocessing.call(ingested, chosen, preprocessing.whole_canvas([record, record]), 1)
        data = preprocessing.run(call, where).data
        shards = ExamShards.model_validate(data.model_dump())
        return {shard.clip: _shard(store, shard.key) for shard in shards.shards}


def _shard(store: LocalStore, key: str) -> dict[str, Any]:
    with store.local_copy(key) as path, h5py.File(path) as file:
        return {name: data[()] for name, data in file.items() if isinstance(data, h5py.Dataset)}


def select_rows() -> Rows:
    """Which clips train a score and which are held out, a row an option and a score."""
    counts = {f"90{number:02}": [[0, 0, 1], [2, number % 4]] for number in range(1, 11)}
    with tempfile.TemporaryDirectory() as folder:
        where = context(Path(folder))
        exams = exam_shards(where.store, counts)
        manifests = [left(where.store, "preprocess", f"p/{n}", e) for n, e in enumerate(exams)]
        return {
            f"{name}, score {score}": _sides(
                selection.run(
                    selection.call(manifests, score, SelectionOptions.model_validate(options)),
                    where,
                )
            )
            for name, options in SELECTION.items()
            for score in (0, 2)
        }


def _sides(product: Product) -> Any:
    dataset = ScoreDataset.model_validate(product.data.model_dump())
    return {
        side: [[clip.clip, clip.frames] for clip in getattr(dataset, side)]
        for side in ("training", "held_out", *(["validation"] if dataset.validation else []))
    }


def encode_rows() -> Rows:
    """Features of two frames by an encoder, and how it judges held-out patients, a row an option.

    Three steps, so that rounding does not grow.
    """
    counts = {f"900{number}": [[0, 1, 1], [2, 0, 3]] for number in range(1, 7)}
    with tempfile.TemporaryDirectory() as folder:
        where = context(Path(folder))
        where.runtime = Runtime(device="cpu", threads=1)
        exams = exam_shards(where.store, counts)
        manifests = [left(where.store, "preprocess", f"p/{n}", e) for n, e in enumerate(exams)]
        return {name: _encoded(where, manifests, options) for name, options in ENCODER.items()}


def _encoded(where: StageContext, manifests: list[Manifest], options: dict[str, Any]) -> Any:
    chosen = EncoderOptions.model_validate(
        {"network": "small", "steps": 3, "batch_size": 4, "learning_rate": 1e-4} | options
    )
    split = SelectionOptions(held_out=0.5)
    call = encoder.call(manifests, chosen, PreprocessingOptions(), split)
    done = encoder.run(call, where)
    made = left(where.store, "encode", call.manifest, done.data, done.artifacts)
    features = load_encoder(where.store, made, "cpu").features(frames(2, 31))
    return {
        "features": features.reshape(2, 16, -1).mean(2, dtype=np.float64),
        "counts": done.counts,
        "clips": {score: [clip.clip for clip in clips] for score, clips in done.data.clips.items()},
    }


def classify_rows() -> Rows:
    """Chances that a classifier gives three frames, a row an option and an arm; whom it judged."""
    rows: dict[str, Any] = {}
    counts = {f"900{number}": [[0, 1, 1], [2, 0, 3]] for number in range(1, 7)}
    with tempfile.TemporaryDirectory() as folder:
        where = context(Path(folder))
        where.runtime = Runtime(device="cpu", threads=1)
        exams = exam_shards(where.store, counts)
        manifests = [left(where.store, "preprocess", f"p/{n}", e) for n, e in enumerate(exams)]
        told = {code: code > "9004" for code in counts}
        datasets = []
        for score in range(4):
            call = selection.call(manifests, score, SelectionOptions(), told)
            datasets.append(
                left(where.store, "select", call.manifest, selection.run(call, where).data)
            )
        for name, options in CLASSIFIER.items():
            rows[name] = _classified(where, datasets, "real", options)
        for arm in ("augmented", "oversampled"):
            rows[arm] = _classified(where, datasets, arm, {})
    real = {0: 100, 1: 60, 3: 10}
    rows["synthetic frames"] = {arm: synthetic_frames(arm, real) for arm in TITLES}
    return rows


def _classified(
    where: StageContext, datasets: list[Manifest], arm: Any, options: dict[str, Any]
) -> Any:
    chosen = ClassifierOptions.model_validate(
        {"steps": 3, "batch_size": 4, "learning_rate": 2e-3} | options
    )
    call = classification.call(datasets, {}, chosen, arm=arm, fold=0, seed=3, folder="studies/a")
    given: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        judge = classifier.judged_chances

        def kept(network: Any, images: Any, device: Any) -> Any:
            given.append(judge(network, images, device))
            return given[-1]

        patch.setattr(classifier, "judged_chances", kept)
        done = classification.run(call, where)
    return {
        "chances": given[0][:3],
        "counts": done.counts,
        "real": {str(score): count for score, count in done.data.real.items()},
        "judged": {t.patient: [sum(row) for row in t.confusion] for t in done.data.patients},
    }


def useful_rows() -> Rows:
    """Values, changes and verdict of made-up judgements, a row an option."""
    return {name: _compared(options) for name, options in STUDY.items()}


def _compared(options: dict[str, Any]) -> Any:
    rng = np.random.default_rng(4)
    with tempfile.TemporaryDirectory() as folder:
        where, manifests = context(Path(folder)), []
        for arm, right in (("real", 0.5), ("oversampled", 0.6), ("synthetic-1", 0.7)):
            for seed in (1, 2):
                judged = Judged(
                    arm=arm, fold=0, seed=seed, scores=(0, 2), real={0: 30, 2: 9},  # type: ignore[arg-type]
                    synthetic={2: 21} if arm == "synthetic-1" else {},
                    patients=tuple(_tally(f"p{n}", rng, right) for n in range(8)),
                )  # fmt: skip
                manifests.append(left(where.store, "classify", f"c/{arm}-{seed}.json", judged))
        call = usefulness.call(
            manifests,
            UsefulnessOptions.model_validate(options),
            configuration="0" * 64,
            raters=[],
            notes=["a note"],
            folder="studies/a",
        )
        done = usefulness.run(call, where)
        table = where.store.get(done.artifacts["table"].key).decode().splitlines()
    return {"study": plain(done.data), "table": table}


def _tally(patient: str, rng: np.random.Generator, right: float) -> PatientTally:
    confusion = tuple((int(n := rng.binomial(9, right)), 9 - int(n))[::step] for step in (1, -1))
    bins = [(0.0, 0.0, 0.0)] * 15
    bins[10], bins[14] = (10.0, 7.0, 6.0), (8.0, 7.6, float(rng.integers(9)))
    return PatientTally(patient=patient, confusion=confusion, bins=tuple(bins))


GENERATOR = GeneratorRecord(
    backbone="dcgan",
    backbone_options={"width": 4, "dropout": 0.5, "noise": 0.2},
    image_size=32,
    channels=1,
    latent_size=6,
    pack=1,
    values=ValueMap(scale=1, offset=0),
)


def generate_rows() -> Rows:
    """Frames of a generator with fixed weights, and the names of all files, a row an option."""
    return {name: _generated(options) for name, options in GENERATION.items()}


def _generated(options: dict[str, Any]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        where = context(Path(folder))
        where.runtime = Runtime(device="cpu")
        registry = installed()
        network = GENERATOR.build(registry)
        numbers = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for name, value in network.state_dict().items():
                if value.is_floating_point() and "running" not in name:
                    value.copy_(0.3 * torch.randn(value.shape, generator=numbers))
        header = {"generator": plain(GENERATOR)}
        key = "models/score-1/golden/generator.safetensors"
        where.store.put(key, network_bytes(network, header))
        trained = left(
            where.store,
            "train",
            "models/score-1/golden/manifest.json",
            _model(),
            {"generator": reference_to(where.store, key)},
        )
        chosen = GenerationOptions.model_validate({"count": 5} | options)
        done = generation.run(generation.call(trained, chosen, registry), where)
        samples = SampleSet.model_validate(done.data.model_dump())
        pixels = _shard(where.store, samples.frames_key)
        return {"files": sorted(done.artifacts), "frames": pixels}


def _model(**values: float) -> ModelRecord:
    ends = {"generator_loss": 0.7, "discriminator_loss": 0.8} | values
    return ModelRecord(
        score=1,
        name="golden",
        folder="models/score-1/golden",
        generator=GENERATOR,
        iterations=3,
        images_seen=12,
        training_frames=18,
        training_clips=6,
        training_patients=3,
        values=tuple(
            Measured(metric=name, title=name, statistic="end", value=value)
            for name, value in ends.items()
        ),
    )


def with_levels() -> Registry:
    """Return the installed plugins and one more feature extractor: levels of grey.

    EfficientNet is left out, so that the audit uses random networks: features of the former agree
    to 1e-6 only from one processor to another.
    """

    def build(device: str) -> Any:
        def extract(stack: np.ndarray) -> np.ndarray:
            pixels = stack.reshape(len(stack), -1)
            return np.quantile(pixels, (0.1, 0.5, 0.9), axis=1).T.astype(np.float32)

        return extract

    class Plugin:
        @hookimpl
        def register_features(self) -> list[FeatureExtractor]:
            return [FeatureExtractor("levels", "Levels of grey", build, "none", 3, version="1")]

    registry = discover_plugins()
    registry.add(Plugin(), Provider("tests"))
    for name in ("lite0", "lite2"):
        del registry.records["feature"][name]
    return registry


def evaluate_rows() -> Rows:
    """Every measured value of a sample set beside real frames, a row an option."""
    counts = {f"900{number}": [[1, 1, 1], [1, 0, 1]] for number in range(1, 9)}
    with tempfile.TemporaryDirectory() as folder:
        where = context(Path(folder))
        where.runtime = Runtime(device="cpu", threads=1)
        where.registry = with_levels()
        exams = exam_shards(where.store, counts)
        shards = [shard for exam in exams for shard in exam.shards]
        dataset = selection.score_dataset(shards, 1, frozenset({"9002", "9004", "9005", "9008"}))
        selected = left(where.store, "select", "datasets/score-1/golden.json", dataset)
        path = Path(folder) / "frames.h5"
        write_shard(path, frames(6, 77), [1] * 6, attributes={"seed": 7})
        where.store.put("samples/frames.h5", path)
        samples = SampleSet(
            score=1, model="golden", folder="samples", frames_key="samples/frames.h5",
            count=6, seed=7,
        )  # fmt: skip
        generated = left(
            where.store,
            "generate",
            "samples/manifest.json",
            samples,
            {"frames": reference_to(where.store, "samples/frames.h5")},
        )
        rows = {}
        for name, options in EVALUATION.items():
            chosen = EvaluationOptions.model_validate(
                {
                    "metrics": ("ssim", "mse", "kid", "fid"),
                    "features": ("random",),
                    "audit_frames": 0,
                }
                | options
            )
            call = evaluation.call(selected, generated, chosen, where.registry)
            record = plain(evaluation.run(call, where).data)
            rows[name] = {field: v for field, v in record.items() if field != "engine"}
        return rows


def promote_rows() -> Rows:
    """What is decided of two models, one after the other, a row an option."""
    rows = {}
    for name, options in PROMOTION.items():
        with tempfile.TemporaryDirectory() as folder:
            where = context(Path(folder))
            first = _decided(where, {}, "first", 0.5)
            second = _decided(where, options, "second", 0.3)
            rows[name] = {"first": first, "second": second}
    return rows


def _decided(where: StageContext, options: dict[str, Any], name: str, diversity: float) -> Any:
    model = _model().model_copy(update={"name": name, "folder": f"models/score-1/{name}"})
    trained = left(where.store, "train", f"{model.folder}/manifest.json", model)
    evaluated = left(where.store, "evaluate", f"evaluations/{name}.json", _evaluation(diversity))
    chosen = PromotionOptions.model_validate(options)
    return plain(
        promotion.run(promotion.call(trained, evaluated, chosen, where.registry), where).data
    )


def report_rows() -> Rows:
    """The words and marks of a page, a row a part: its pictures and style sheet are left out."""
    with tempfile.TemporaryDirectory() as folder:
        store = sample_store(Path(folder))
        page = draw(sample_content(store), store)
    page = re.sub(r"data:[\w/+-]+;base64,[\w/+=]*", "data:", page)
    page = re.sub(r"<(style|svg)\b.*?</\1>", "", page, flags=re.DOTALL)
    lines = [line.strip() for line in page.splitlines() if line.strip()]
    return {
        f"{part:02}": lines[100 * part : 100 * (part + 1)] for part in range(-(-len(lines) // 100))
    }


def _evaluation(diversity: float) -> EvaluationRecord:
    pairs = (
        ((SYNTHETIC, SYNTHETIC), "mean", diversity),
        ((REAL, REAL), "mean", 0.6),
        ((REAL, REAL), "max", 0.2),
    )
    return EvaluationRecord(
        score=1, samples="frames.h5", training=18, held_out=6, synthetic=4, among=24,
        likeness="ssim",
        values=tuple(
            Measured(metric="ssim", title="SSIM", between=b, statistic=s, value=1 - value)
            for b, s, value in pairs
        ),
        distributions=(), absent={}, nearest=(),
        nearest_training=(0.85, 0.7, 0.8, 0.6), nearest_held_out=(0.7, 0.7, 0.7, 0.7),
        engine="none", pairs=0,
    )  # fmt: skip
