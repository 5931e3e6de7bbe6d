"""The frames of one score: which they are, in which order, and what their digest covers."""

from __future__ import annotations

import numpy as np
import pytest

from lusgan_core.calls.provenance import Manifest
from lusgan_core.domain import ShardRecord
from lusgan_core.errors import DamagedError, StoreError, TooFewFramesError
from lusgan_core.preprocessing.shard import write_shard
from lusgan_core.registry import installed
from lusgan_core.selection.dataset import load_frames
from lusgan_core.selection.stage import ScoreDataset, score_dataset
from lusgan_core.store import LocalStore
from lusgan_core.training import stage as train_stage
from lusgan_core.training.options import TrainingOptions

SIZE = 8


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path)


def images(clip: int, count: int, *colour: int) -> np.ndarray:
    """Frames that say in their first two pixels which clip and which of its frames they are."""
    made = np.random.default_rng(clip).integers(0, 256, (count, SIZE, SIZE, *colour), np.uint8)
    made[:, 0, 0], made[:, 0, 1] = clip, np.arange(count).reshape(-1, *[1] * len(colour))
    return made


def shard(
    store: LocalStore,
    clip: int,
    scores: list[int],
    *colour: int,
    patient: str = "",
    exam: str = "1",
) -> ShardRecord:
    """Put a clip's shard into the store, as preprocessing does."""
    name = f"convex_{patient or clip}_{exam}_{clip}"
    key = f"shards/{name}.h5"
    path = store.path(key)
    path.parent.mkdir(exist_ok=True)
    summary = write_shard(path, images(clip, len(scores), *colour), scores, attributes={})
    return ShardRecord(
        patient=patient or str(clip), exam=exam, clip=name, area=clip, key=key, digest="0",
        frames=summary.frames, by_score=summary.by_score,
    )  # fmt: skip


def test_frames_of_the_score_alone_in_the_order_of_clips(store):
    """Frames of score 1 come clip by clip in the order of patient, exam and name, each with its
    clip and its number among the clip's frames of that score; others and unlabelled ones don't."""
    shards = [
        shard(store, 3, [1, 0, 1, -1], patient="B"),
        shard(store, 1, [2, 2], patient="A"),
        shard(store, 2, [0, 1, 1, 1, 3], patient="A", exam="2"),
        shard(store, 4, [1], patient="A", exam="1"),
    ]
    dataset = score_dataset(shards, 1, frozenset())
    names = ["convex_A_1_4", "convex_A_2_2", "convex_B_1_3"]
    assert [clip.clip for clip in dataset.training] == names
    assert (dataset.training_frames, dataset.held_out_frames) == (6, 0)
    frames, owners, numbers = load_frames(store, dataset.training, 1)
    assert frames.dtype == np.uint8
    assert frames[:, 0, :2].tolist() == [[4, 0], [2, 1], [2, 2], [2, 3], [3, 0], [3, 2]]
    assert owners.tolist() == [0, 1, 1, 1, 2, 2]
    assert numbers.tolist() == [0, 0, 1, 2, 0, 1]
    assert np.array_equal(frames[1:4], images(2, 5)[1:4])
    assert score_dataset(shards[::-1], 1, frozenset()) == dataset


def test_held_out_patients_are_on_the_other_side(store):
    """Every clip of a patient held out is there, and none of his is trained on."""
    shards = [shard(store, clip, [0, 0], patient="AB"[clip % 2]) for clip in range(1, 5)]
    dataset = score_dataset(shards, 0, frozenset({"A"}))
    assert {clip.patient for clip in dataset.training} == {"B"}
    assert {clip.patient for clip in dataset.held_out} == {"A"}
    assert (dataset.training_frames, dataset.held_out_frames) == (4, 4)


def test_colour_frames_keep_their_channels(store):
    """Shards of RGB images (S, S, 3) give frames (N, S, S, 3)."""
    dataset = score_dataset([shard(store, 1, [0, 2, 0], 3)], 0, frozenset())
    frames, _, _ = load_frames(store, dataset.training, 0)
    assert np.array_equal(frames, images(1, 3, 3)[[0, 2]])


@pytest.mark.parametrize("most", [1, 2, 5, 7, 29, 30, 100])
def test_fewer_frames_are_spread_over_all_clips(store, most):
    """With `most`, that many different frames are kept at equal distances: each clip's share is
    within one of its part of all frames, and each frame is the one its numbers say."""
    counts = [10, 4, 15, 1]
    shards = [shard(store, i, [0, 1] * n, patient=f"P{i}") for i, n in enumerate(counts, 1)]
    dataset = score_dataset(shards, 1, frozenset())
    frames, owners, numbers = load_frames(store, dataset.training, 1, most)
    kept = min(most, 30)
    assert len(frames) == len(owners) == len(numbers) == kept
    assert len(set(zip(owners, numbers, strict=True))) == kept
    for frame, owner, number in zip(frames, owners, numbers, strict=True):
        assert frame[0, :2].tolist() == [owner + 1, 2 * number + 1]
    starts = np.cumsum([0, *counts])[owners] + numbers
    assert (np.diff(starts) >= 1).all()
    if 1 < kept < 30:
        assert abs(np.diff(starts) - 29 / (kept - 1)).max() <= 1
        share = np.bincount(owners, minlength=4) - kept * np.array(counts) / 30
        assert abs(share).max() <= 1


def test_no_clip_gives_no_frame(store):
    """A score that nobody has is an empty dataset, not an error."""
    dataset = score_dataset([shard(store, 1, [0, 0])], 3, frozenset())
    assert dataset == ScoreDataset(score=3, training=(), held_out=())
    frames, owners, numbers = load_frames(store, dataset.training, 3)
    assert len(frames) == len(owners) == len(numbers) == 0


def test_a_shard_that_is_gone_or_damaged_is_an_error(store):
    """Frames that cannot be read, or are others than were written, are never used or left out in
    silence: all such shards are named by one error, and set aside."""
    shards = [shard(store, n, [0, 0], patient=f"P{n}") for n in range(1, 5)]
    dataset = score_dataset(shards, 0, frozenset())
    paths = [store.path(clip.key) for clip in dataset.training]
    whole = [path.read_bytes() for path in paths]
    paths[0].write_bytes(whole[0][:200])
    paths[1].write_bytes(whole[2])
    paths[2].write_bytes(b"")
    with pytest.raises(DamagedError, match=r"expected 2 frames of score 0, .* \(and 2 more shards"):
        load_frames(store, dataset.training, 0)
    assert [path.exists() for path in paths] == [False, False, False, True]
    aside = [item.key.removeprefix("damaged/") for item in store.list("damaged/")]
    assert aside == [clip.key for clip in dataset.training[:3]]
    with pytest.raises(StoreError, match="not in the store"):
        load_frames(store, dataset.training, 0)


def training_inputs(shards: list[ShardRecord], score: int, held_out: str = "") -> dict[str, str]:
    """Digests that decide whether a score is trained again."""
    dataset = score_dataset(shards, score, frozenset(held_out))
    selected = Manifest(stage="select", cache_key="0", data=dataset.model_dump(mode="json"))
    return train_stage.call(selected, TrainingOptions(), SIZE, 1, installed()).inputs


def test_a_frame_of_another_score_leaves_a_score_alone(store):
    """A clip that gains a frame of score 2 changes what score 2 trains on, and no other; a new
    patient who is held out changes nothing."""
    other = shard(store, 2, [0, 2, 1])
    before = [shard(store, 1, [0, 0, 2, -1]), other]
    after = [shard(store, 1, [0, 0, 2, 2]), other]
    for score in (0, 1, 3):
        assert training_inputs(after, score) == training_inputs(before, score)
    assert training_inputs(after, 2) != training_inputs(before, 2)
    arrived = [*before, shard(store, 3, [0, 1, 2, 3], patient="C")]
    for score in range(3):
        assert training_inputs(arrived, score, held_out="C") == training_inputs(before, score)
        assert training_inputs(arrived, score) != training_inputs(before, score)


def test_other_pixels_of_a_score_change_its_digest(store):
    """The digest covers pixels, their order and the clip, not where the shard lies."""
    record = shard(store, 1, [0, 0, 1])
    first = training_inputs([record], 0)
    moved = record.model_copy(update={"key": "elsewhere.h5", "digest": "1"})
    assert training_inputs([moved], 0) == first
    assert training_inputs([record.model_copy(update={"clip": "convex_1_1_9"})], 0) != first
    turned = store.path("turned.h5")
    summary = write_shard(turned, images(1, 3)[[1, 0, 2]], [0, 0, 1], attributes={})
    reordered = record.model_copy(update={"by_score": summary.by_score})
    assert training_inputs([reordered], 0) != first
    assert training_inputs([reordered], 1) == training_inputs([record], 1)


def real_digest(shards: list[ShardRecord], held_out: str = "B") -> str:
    """Digest of the real frames of score 0, on which an evaluation depends."""
    return score_dataset(shards, 0, frozenset(held_out)).real_digest


def test_an_evaluation_depends_on_both_sides_and_where_they_are(store):
    """Its digest changes with the frames of either side, with a patient who changes sides, and
    with the place of a shard, since an evaluation names the frames that it found."""
    shards = [shard(store, 1, [0, 0], patient="A"), shard(store, 2, [0], patient="B")]
    first = real_digest(shards)
    for number, other in enumerate((shard(store, 3, [0, 0]), shard(store, 4, [0]))):
        pixels = shards[number].model_copy(update={"by_score": other.by_score})
        moved = shards[number].model_copy(update={"key": "elsewhere.h5"})
        for changed in (pixels, moved):
            assert real_digest([changed, *shards[:number], *shards[number + 1 :]]) != first
    assert real_digest(shards, held_out="A") != first
    assert real_digest(shards, held_out="") != first
    assert real_digest(shards[::-1]) == first


def test_too_few_frames_are_said_with_the_held_out_ones(store):
    """The error names the score, the frames there are, the batch, and how many are held out."""
    dataset = score_dataset(
        [shard(store, 1, [2, 2]), shard(store, 2, [2], patient="A")], 2, frozenset("A")
    )
    with pytest.raises(TooFewFramesError, match=r"score 2 has 2 .* batch of 3 \(1 more are held"):
        train_stage.check_enough(dataset, TrainingOptions(batch_size=3))
    train_stage.check_enough(dataset, TrainingOptions(batch_size=2))
    validating = score_dataset(
        [shard(store, 1, [2, 2]), shard(store, 2, [2], patient="A")], 2, frozenset(), frozenset("A")
    )
    with pytest.raises(
        TooFewFramesError, match=r"\(0 .* held out, 1 validate: see selection\.valid"
    ):
        train_stage.check_enough(validating, TrainingOptions(batch_size=3))
