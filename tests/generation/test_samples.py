"""What the stages ``generate`` and ``evaluate`` leave, against other readers and other formulas."""

from __future__ import annotations

import hashlib
import io
import math

import h5py
import numpy as np
import pytest
import scipy.io
from PIL import Image

from lusgan_core.calls.section import find
from lusgan_core.evaluation.score import merged
from lusgan_core.evaluation.stage import EvaluationRecord
from lusgan_core.measures.pairs.accumulators import Summary
from lusgan_core.pipeline.chain import Outcome
from tiny_runs import Pipeline, tiny_config, write_exams


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pipeline, Outcome]:
    """Run the chain for scores 0 and 2, with frames in every format and more than one clip."""
    folder = tmp_path_factory.mktemp("samples")
    pipeline = Pipeline(write_exams(folder / "exams"), folder / "store")
    settings = ("generation.count=70", 'generation.formats=["png", "mat"]')
    return pipeline, pipeline.run(tiny_config(*settings, scores=(0, 2)))


@pytest.mark.parametrize("score", [0, 2])
def test_all_formats_hold_the_same_frames(run: tuple[Pipeline, Outcome], score: int) -> None:
    """HDF5, PNG (read by Pillow) and .mat (read by scipy) agree on all frames and scores."""
    store, manifest = run[0].store, run[1].scores[score]["generate"]
    folder = manifest.data["folder"]
    with h5py.File(io.BytesIO(store.get(f"{folder}/frames.h5"))) as file:
        frames, scores = file["frames"][:], file["scores"][:]
    assert frames.shape == (70, 32, 32)
    assert set(scores) == {score}
    for number in (0, 69):
        png = store.get(f"{folder}/png/frame-{number:06d}.png")
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), frames[number])
    found = []
    for area in (1, 2):
        name = f"{folder}/mat/S{score}/1/convex_S{score}_1_{area}"
        clip = scipy.io.loadmat(io.BytesIO(store.get(f"{name}.mat")))["frames"]
        labels = scipy.io.loadmat(io.BytesIO(store.get(f"{name}_score.mat")))["Score_matrix"]
        assert labels.shape == (3, clip.shape[3])
        assert set(labels.sum(axis=0)) == {score}
        assert all(np.array_equal(clip[:, :, 0], clip[:, :, c]) for c in (1, 2))
        found.append(clip[:, :, 0].transpose(2, 0, 1))
    assert np.array_equal(np.concatenate(found), frames)


def test_pngs_have_their_sums(run: tuple[Pipeline, Outcome]) -> None:
    """The list of sums names every PNG with the sha256 of its content."""
    store, folder = run[0].store, run[1].scores[0]["generate"].data["folder"]
    lines = store.get(f"{folder}/png/SHA256SUMS").decode().splitlines()
    assert len(lines) == 70
    for line in lines:
        digest, name = line.split("  ")
        assert hashlib.sha256(store.get(f"{folder}/png/{name}")).hexdigest() == digest


def test_frame_i_does_not_depend_on_how_many_are_made(run: tuple[Pipeline, Outcome]) -> None:
    """The first frames of a seed are the same, bit for bit, with another count and batch size."""
    pipeline, outcome = run
    fewer = pipeline.run(
        tiny_config("generation.count=5", "generation.batch_size=3", scores=(0, 2))
    )
    frames = []
    for manifest in (outcome.scores[0]["generate"], fewer.scores[0]["generate"]):
        with h5py.File(io.BytesIO(pipeline.store.get(manifest.data["frames_key"]))) as file:
            frames.append(file["frames"][:5])
    assert np.array_equal(*frames)


def test_evaluation_is_of_the_frames_in_the_store(run: tuple[Pipeline, Outcome]) -> None:
    """Mean MSE between synthetic frames equals numpy's over the same pairs; tolerance 1e-9."""
    store, of = run[0].store, run[1].scores[2]
    record = EvaluationRecord.model_validate(of["evaluate"].data)
    with h5py.File(io.BytesIO(store.get(of["generate"].data["frames_key"]))) as file:
        frames = file["frames"][:4].astype(np.float64)
    pairs = [((frames[i] - frames[j]) ** 2).mean() for i in range(4) for j in range(i)]
    mean = find(record.values, "mse", ("synthetic", "synthetic"))
    assert mean.number == len(pairs) == 6
    assert mean.value == pytest.approx(np.mean(pairs), rel=1e-9)
    assert mean.floor == find(record.values, "mse", ("real", "real")).value
    assert (record.training + record.held_out, record.synthetic) == (6, 4)
    assert record.likeness == "ssim"
    first = find(record.values, "ssim", ("first synthetic", "synthetic 1"), "value")
    assert first.value == 1
    assert len(record.nearest) == len(record.nearest_training) == 4
    best = [
        max(a, b) for a, b in zip(record.nearest_training, record.nearest_held_out, strict=True)
    ]
    assert [pair.value for pair in record.nearest] == pytest.approx(best)


def summary(values: list[float]) -> Summary:
    """Summarise values as numpy does."""
    finite = [v for v in values if math.isfinite(v)]
    return Summary(
        count=len(values),
        infinite=sum(map(math.isinf, values)),
        undefined=sum(map(math.isnan, values)),
        mean=float(np.mean(finite)) if finite else None,
        sd=float(np.std(finite)) if finite else None,
        min=min(finite, default=None),
        max=max(finite, default=None),
        edges=(),
        counts=(),
    )


@pytest.mark.parametrize(
    "parts",
    [
        [[1.0, 2.0, 4.0], [10.0]],
        [[1.0, math.inf], [math.nan, 3.0, 5.0]],
        [[math.inf], [math.nan]],
        [[1.0, 2.0], [math.inf]],
        [[], [3.0]],
        [[1.0], [2.0], [3.0, 4.0]],
    ],
)
def test_merging_summaries_is_summarising_all(parts: list[list[float]]) -> None:
    """Merged summaries equal numpy's figures of all values together, to 1e-12."""
    whole = summary([v for part in parts for v in part])
    found = merged(summary(part) for part in parts)
    for name, value in whole:
        got = getattr(found, name)
        assert got == (pytest.approx(value, rel=1e-12) if value else value), name


def test_merging_nothing_is_nothing() -> None:
    """Without any pair there is no summary."""
    assert merged([summary([]), summary([])]) is None
