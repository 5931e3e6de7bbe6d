"""Synthetic frames: each depends on the seed and its number alone."""

from __future__ import annotations

import itertools

import h5py
import numpy as np
import pytest
import scipy.io
import torch
from torch import nn

from lusgan_core.calls.call import StageContext
from lusgan_core.calls.provenance import ArtifactRef, Manifest, digest_bytes
from lusgan_core.generation import stage
from lusgan_core.generation.frames import BLOCK, generate
from lusgan_core.ingestion.clip import open_clip
from lusgan_core.ingestion.discover import discover
from lusgan_core.ingestion.inspect import inspect_exam
from lusgan_core.ingestion.readers import choose_readers
from lusgan_core.ingestion.synthetic_mark import HEAD_BYTES
from lusgan_core.networks.generator import GeneratorRecord
from lusgan_core.networks.seeding import latent
from lusgan_core.networks.value_range import ValueMap
from lusgan_core.networks.weights import network_bytes
from lusgan_core.preprocessing.shard import read_shard_frames
from lusgan_core.store import LocalStore
from lusgan_core.store.source import open_source
from lusgan_core.training.stage import ModelRecord

VALUES = ValueMap(scale=2 / 255, offset=-1.0)
LATENT = 6


def record(channels: int = 1) -> GeneratorRecord:
    return GeneratorRecord(
        backbone="dcgan", backbone_options={"width": 4, "dropout": 0.5, "noise": 0.5},
        image_size=32, channels=channels, latent_size=LATENT, pack=1, values=VALUES,
    )  # fmt: skip


def network(plugins, channels: int = 1) -> nn.Module:
    """Return a generator with dropout and noise layers whose batch norm has seen some batches."""
    torch.manual_seed(5)
    made = record(channels).build(plugins)
    for parameter in made.parameters():
        parameter.data *= 8  # untrained it paints one grey
    for _ in range(5):
        made(torch.randn(16, LATENT))
    return made


def frames(made: nn.Module, count: int, first: int = 0, batch_size: int = BLOCK, seed: int = 7):
    batches = list(generate(made, VALUES, LATENT, seed, count, first, batch_size))
    return np.concatenate(batches) if batches else np.empty(0)


@pytest.fixture(scope="module", params=[1, 3], ids=["grey", "RGB"])
def made(request, plugins):
    return network(plugins, request.param)


@pytest.fixture(scope="module")
def expected(made):
    """Return 80 frames computed block by block, by hand."""
    made.eval()
    blocks = [latent(7, start, BLOCK, LATENT) for start in (0, 32, 64)]
    with torch.no_grad():
        images = torch.cat([made(noise) for noise in blocks])[:80]
    levels = ((images + 1) / 2 * 255).clamp(0, 255).round().to(torch.uint8)
    return (levels[:, 0] if images.shape[1] == 1 else levels.permute(0, 2, 3, 1)).numpy()


def test_frames_are_those_of_the_generator_in_eval_mode(made, expected):
    """Frame i is G(noise i) in eval mode, rounded: dropout and noise layers are off, batch norm
    uses what it gathered, and a generator left in training mode makes no difference."""
    made.train()
    statistics = [buffer.clone() for buffer in made.buffers()]
    found = frames(made, 80)
    assert found.dtype == np.uint8
    assert found.shape == expected.shape
    difference = abs(found.astype(int) - expected)
    assert difference.max() <= 1  # a product with 2 / 255 or with 255 / 2 may round elsewise
    assert (difference > 0).mean() < 1e-3
    assert all(torch.equal(*pair) for pair in zip(made.buffers(), statistics, strict=True))
    assert found.std(axis=0).mean() > 1, "frames that do not differ prove nothing"


@pytest.mark.parametrize(
    ("count", "first", "batch_size"),
    [(1, 0, 32), (31, 0, 7), (33, 0, 1), (80, 0, 80), (5, 17, 2), (40, 31, 32), (1, 79, 500)],
)
def test_a_frame_is_the_same_however_it_is_asked_for(made, count, first, batch_size):
    """Bit for bit whatever the count, the batch size and the first frame."""
    together = frames(made, 80)
    assert np.array_equal(frames(made, count, first, batch_size), together[first : first + count])


def test_the_generator_runs_on_whole_blocks_only(made):
    """Libraries may round a sum differently for another batch size, so whatever is asked for,
    the generator gets 32 noise vectors, those of numbers 32 k to 32 k + 31."""
    noise: list[torch.Tensor] = []
    hook = made.register_forward_pre_hook(lambda _, given: noise.append(given[0]))
    frames(made, count=40, first=50, batch_size=3)
    hook.remove()
    assert [len(given) for given in noise] == [BLOCK, BLOCK]
    assert torch.equal(torch.cat(noise), latent(7, 32, 64, LATENT))


def test_batches_have_the_size_asked_for(made):
    """All but the last hold batch_size frames; together they are as many as were asked for."""
    for count, size in itertools.product((0, 1, 32, 33, 70), (1, 10, 32, 64)):
        sizes = [len(batch) for batch in generate(made, VALUES, LATENT, 7, count, 0, size)]
        assert sum(sizes) == count
        assert all(found == size for found in sizes[:-1])
        assert all(0 < found <= size for found in sizes)


def test_seeds_give_other_frames(made):
    """No frame of one seed is among those of another."""
    one, other = frames(made, 40), frames(made, 40, seed=8)
    assert not any((frame == other).all(axis=(1, 2)).any() for frame in one)


def test_memory_holds_a_batch_and_a_block(made):
    """Frames are handed out as they come: the first of a million costs no more than a block."""
    first = next(iter(generate(made, VALUES, LATENT, 7, 1_000_000, 0, 10)))
    assert np.array_equal(first, frames(made, 10))


@pytest.mark.parametrize("channels", [1, 3])
def test_mat_files_are_read_back_as_an_exam(plugins, tmp_path, channels):
    """70 frames of score 2 become two clips in the hospital's layout, which the reader of exams
    finds and gives back: in order, all scored 2, equal pixel by pixel. What a network made in
    colour is written as scanners write it, as three equal channels: their mean."""
    store = LocalStore(tmp_path)
    weights = network_bytes(network(plugins, channels), {})
    store.put("models/m/generator.safetensors", weights)
    model = ModelRecord(
        score=2, name="m", folder="models/m", generator=record(channels), iterations=1,
        images_seen=4, training_frames=4, training_clips=1, training_patients=1,
    )  # fmt: skip
    trained = Manifest(
        stage="train", cache_key="0" * 64, manifest_key="models/m/manifest.json",
        artifacts={"generator": ArtifactRef(
            key="models/m/generator.safetensors", digest=digest_bytes(weights), size=len(weights))},
        data=model.model_dump(mode="json"),
    )  # fmt: skip
    store.put("models/m/manifest.json", trained.model_dump_json().encode())
    options = stage.GenerationOptions(count=70, formats=("mat", "png"), batch_size=9)
    call = stage.call(trained, options, plugins)
    product = stage.run(call, StageContext(store, registry=plugins))
    folder = call.manifest.rpartition("/")[0]
    made = read_shard_frames(tmp_path / folder / "frames.h5", 2)
    assert np.array_equal(made, frames(network(plugins, channels), 70))
    assert len(list((tmp_path / folder / "png").glob("*.png"))) == 70
    names = ("convex_S2_1_{}.mat", "convex_S2_1_{}_score.mat", "source_S2_1_{}.csv")
    files = {f"mat/S2/1/{name.format(area)}" for area in (1, 2) for name in names}
    assert set(product.artifacts) == files | {"frames", "png/SHA256SUMS"}
    assert set(call.plugins) == {"backbone/dcgan", "exporter/mat", "exporter/png"}

    clip = tmp_path / folder / "mat/S2/1/convex_S2_1_1.mat"
    stored = scipy.io.loadmat(clip)["frames"]
    grey = made if channels == 1 else made.mean(axis=3).round().astype(np.uint8)
    colour = np.repeat(grey[:60, ..., None], 3, axis=3)
    assert np.array_equal(stored, colour.transpose(1, 2, 3, 0))
    assert b"lusgan" in clip.read_bytes()[:116]  # and no date: equal frames give equal bytes

    source = open_source(tmp_path / folder / "mat")
    (exam,) = discover(source).exams
    found = inspect_exam(source, exam)
    assert found.clips == (), "ingestion takes no synthetic frames"
    assert [r.reason.partition(":")[0] for r in found.rejected] == [
        "the file says that a model made its frames ('Synthetic frames by lusgan')"
    ] * 2
    read = []
    for files, count in zip(exam.clips, (60, 10), strict=True):
        with open_clip(source, files, choose_readers({"mat": {}})) as reader:
            assert (reader.count, set(reader.scores())) == (count, {2})
            read += [frame.copy() for frame in reader.frames()]
    assert np.array_equal(np.stack(read), grey)

    for name in ("frames.h5", "png/frame-000000.png"):
        head = (tmp_path / folder / name).read_bytes()[:HEAD_BYTES]
        assert b"Synthetic frames by lusgan, not for diagnosis: score 2, model" in head
    with h5py.File(tmp_path / folder / "frames.h5") as file:
        assert file.attrs["Description"].decode().endswith("seed 7")
