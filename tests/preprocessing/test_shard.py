import hashlib

import h5py
import numpy as np
import pytest

from lusgan_core.domain import UNLABELLED, Fan
from lusgan_core.errors import StoreError
from lusgan_core.preprocessing.geometry import Affine
from lusgan_core.preprocessing.shard import FORMAT, read_shard_frames, write_shard

FAN = Fan(apex_x=10.5, apex_y=-3, radius_near=4, radius_far=50, angle_left=-0.5, angle_right=0.25)
AFFINE = Affine(x0=1.5, y0=-2, scale_x=0.5, scale_y=0.75)
SCORES = [0, 0, 2, 0, UNLABELLED, 3, 2]


@pytest.fixture
def images():
    rng = np.random.default_rng(11)
    return rng.integers(0, 256, (len(SCORES), 32, 32), dtype=np.uint8)


def write(path, images, scores=SCORES, **more):
    return write_shard(
        path, iter(images), scores, attributes={"clip": "c", "n": 3, "x": 0.5}, **more
    )


def attributes_of(target):
    """Return all attributes of a file or data set of HDF5, texts as str."""
    return {
        name: value.decode() if isinstance(value, bytes) else value.item()
        for name, value in target.attrs.items()
    }


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_is_read(tmp_path, images, channels):
    """Images, scores, frame numbers, fan, affine and attributes come back as they were."""
    stack = images if channels == 1 else np.repeat(images[..., None], 3, axis=3)
    path = tmp_path / "a.h5"
    numbers = [5, 6, 7, 9, 10, 11, 40]
    attributes = {"code": "ä1", "empty": "", "count": 7, "share": 0.25}
    summary = write_shard(path, stack, SCORES, source_frames=numbers, fan=FAN, affine=AFFINE,
                          attributes=attributes)  # fmt: skip
    assert summary.frames == 7
    assert {s: c.frames for s, c in summary.by_score.items()} == {-1: 1, 0: 3, 2: 2, 3: 1}
    np.testing.assert_array_equal(read_shard_frames(path), stack)
    with h5py.File(path) as file:
        assert (file["scores"][:].tolist(), file["source_frame"][:].tolist()) == (SCORES, numbers)
        assert attributes_of(file) == {**attributes, "format": FORMAT}
        assert attributes_of(file["frames"]) == {
            **{f"fan_{name}": value for name, value in FAN},
            **{f"affine_{name}": value for name, value in AFFINE},
        }


def test_h5py_alone_reads_a_shard(tmp_path, images):
    """The layout is plain HDF5, gzip, of the old format that MATLAB opens."""
    write(tmp_path / "a.h5", images)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["frames"].compression == "gzip"
        assert file["frames"].chunks == (1, 32, 32)
        np.testing.assert_array_equal(file["frames"], images)
        np.testing.assert_array_equal(file["scores"], SCORES)
        assert (file["scores"].dtype, file["source_frame"].dtype) == (np.int8, np.int32)
        assert file.id.get_create_plist().get_version()[0] == 0


def test_same_input_gives_the_same_bytes(tmp_path, images):
    """No time stamp, no chance: two shards of one clip are equal byte for byte."""
    for name in ("a.h5", "b.h5"):
        write(tmp_path / name, images, fan=FAN)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


@pytest.mark.parametrize("score", [0, 2, 3, UNLABELLED, 1])
def test_one_scores_frames_are_read_alone(tmp_path, images, score):
    """Reading a score gives its frames in order, from a path, a file, and into a buffer."""
    path = tmp_path / "a.h5"
    write(path, images)
    expected = images[np.array(SCORES) == score]
    np.testing.assert_array_equal(read_shard_frames(path, score), expected)
    with path.open("rb") as file:
        np.testing.assert_array_equal(read_shard_frames(file, score), expected)
    out = np.empty_like(expected)
    assert read_shard_frames(path, score, out) is out
    np.testing.assert_array_equal(out, expected)


def test_shards_with_other_filters_are_read_too(tmp_path, images):
    """A shard repacked by other tools (no gzip, other chunks) still reads right."""
    write(tmp_path / "a.h5", images)
    for options in ({}, {"chunks": (4, 32, 32), "compression": "gzip"}, {"shuffle": True}):
        path = tmp_path / "b.h5"
        with h5py.File(tmp_path / "a.h5") as old, h5py.File(path, "w") as new:
            new.attrs.update(old.attrs)
            new["scores"] = old["scores"][:]
            new.create_dataset("frames", data=old["frames"][:], **options)
        np.testing.assert_array_equal(read_shard_frames(path, 2), images[[2, 6]])


def test_digest_is_that_of_the_scores_own_pixels(tmp_path, images):
    """The digest is the documented sha256; other scores' frames, more or fewer, leave it alone."""
    summary = write(tmp_path / "a.h5", images)
    expected = hashlib.sha256(np.array([32, 32], "<i8").tobytes())
    for place, index in enumerate([2, 6]):
        expected.update(place.to_bytes(8, "little") + images[index].tobytes())
    assert summary.by_score[2].digest == expected.hexdigest()

    scores = [1, *SCORES, 0]
    longer = write(tmp_path / "b.h5", np.concatenate([images[:1], images, images[:1]]), scores)
    assert longer.by_score[2] == summary.by_score[2]
    assert longer.by_score[3] == summary.by_score[3]
    assert longer.by_score[0].digest != summary.by_score[0].digest

    changed = images.copy()
    changed[6, 0, 0] ^= 1
    assert write(tmp_path / "c.h5", changed).by_score[2].digest != summary.by_score[2].digest


@pytest.mark.parametrize("count", [0, 6, 8])
def test_a_wrong_number_of_images_is_refused(tmp_path, images, count):
    """Images and scores must pair up; nothing is cut in silence."""
    more = np.concatenate([images, images])[:count]
    with pytest.raises(ValueError, match="image"):
        write(tmp_path / "a.h5", more)


def test_images_of_another_shape_are_refused(tmp_path, images):
    """One image of another size or type stops the writing and is named."""
    with pytest.raises(ValueError, match="image 2 is"):
        write(tmp_path / "a.h5", [images[0], images[1], images[2][:16]])
    with pytest.raises(ValueError, match=r"image 1 is .* float64"):
        write(tmp_path / "a.h5", [images[0], images[1] / 2.0])
    with pytest.raises(ValueError, match="2 source frame numbers for 7"):
        write(tmp_path / "a.h5", images, source_frames=[1, 2])


def test_out_must_fit(tmp_path, images):
    """A buffer of another shape or type is refused before anything is read."""
    write(tmp_path / "a.h5", images)
    with pytest.raises(ValueError, match=r"expected .*2, 32, 32"):
        read_shard_frames(tmp_path / "a.h5", 2, np.empty((3, 32, 32), np.uint8))


def test_damage_is_a_store_error(tmp_path, images):
    """Not HDF5, not a shard, cut short, or a flipped bit in a frame: StoreError, never garbage."""
    path = tmp_path / "a.h5"
    write(path, images)
    whole = path.read_bytes()
    with h5py.File(path) as file:
        chunk = file["frames"].id.get_chunk_info(2)
    flipped = bytearray(whole)
    flipped[chunk.byte_offset + chunk.size // 2] ^= 16
    for content in (b"", b"text", whole[: len(whole) // 2], bytes(flipped)):
        path.write_bytes(content)
        with pytest.raises(StoreError):
            read_shard_frames(path)
    with h5py.File(path, "w") as file:
        file["frames"] = images
    with pytest.raises(StoreError, match="not a shard"):
        read_shard_frames(path)
    with pytest.raises(StoreError):
        read_shard_frames(tmp_path / "absent.h5")
