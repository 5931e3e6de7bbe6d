"""Frames from folders and files."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.io
from PIL import Image

from lusgan_core.errors import ConfigError
from lusgan_core.measures.pairs.compare import compare_sets
from lusgan_core.measures.pairs.frameset import FrameSet
from lusgan_core.pipeline.image_sets import load_frames
from lusgan_core.preprocessing.shard import write_shard


def test_a_folder_of_images_is_read_in_the_order_of_names(small, tmp_path):
    """PNG, TIFF and palette-free grey: the same pixels, names kept, subfolders as groups."""
    for i, frame in enumerate(small[:4]):
        folder = tmp_path / f"clip {i // 2}"
        folder.mkdir(exist_ok=True)
        Image.fromarray(frame).save(folder / f"{i}.{'png' if i % 2 else 'tif'}")
    (tmp_path / "notes.txt").write_text("no frame")
    found = load_frames(tmp_path)
    np.testing.assert_array_equal(found.block(0, 4)[..., 0], small[:4])
    assert found.names == ["clip 0/0.tif", "clip 0/1.png", "clip 1/2.tif", "clip 1/3.png"]
    assert found.groups == ["clip 0", "clip 0", "clip 1", "clip 1"]
    assert len(load_frames(tmp_path / "clip 0" / "0.tif")) == 1


def test_colour_images_stay_colour(tmp_path):
    """RGB comes as (N, H, W, 3)."""
    frame = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    Image.fromarray(frame).save(tmp_path / "a.png")
    assert load_frames(tmp_path).shape == (8, 9, 3)
    np.testing.assert_array_equal(load_frames(tmp_path).block(0, 1)[0], frame)


def test_arrays_are_mapped_and_chained(small, tmp_path):
    """One .npy is a memory map; several are one set, a group each, whatever the block."""
    np.save(tmp_path / "a.npy", small[:7])
    np.save(tmp_path / "b.npy", small[7:20])
    assert isinstance(load_frames(tmp_path / "a.npy").frames, np.memmap)
    both = load_frames(tmp_path)
    assert len(both) == 20
    assert both.groups[6:8] == ["a.npy", "b.npy"]
    for start in range(20):
        for stop in range(start + 1, 21):
            np.testing.assert_array_equal(both.block(start, stop)[..., 0], small[start:stop])
    one, other = (compare_sets(s, None, ["mse"]) for s in (both, FrameSet(small[:20])))
    np.testing.assert_array_equal(one.metrics["mse"].values, other.metrics["mse"].values)


def test_clips_and_shards_are_read(small, tmp_path):
    """A .mat clip gives its frames, a shard its images."""
    clip = np.repeat(small[:5].transpose(1, 2, 0)[:, :, None], 3, axis=2)
    scipy.io.savemat(tmp_path / "clip.mat", {"frames": clip})
    np.testing.assert_array_equal(load_frames(tmp_path / "clip.mat").block(0, 5)[..., 0], small[:5])
    square = small[:6, :, :32]
    write_shard(tmp_path / "shard.h5", square, [0, 1, 2, 3, -1, 0], attributes={})
    np.testing.assert_array_equal(load_frames(tmp_path / "shard.h5").block(0, 6)[..., 0], square)


class TestBadInput:
    def test_nothing_there(self, tmp_path):
        """A missing path, and a folder without frames, say what was expected."""
        with pytest.raises(ConfigError, match="does not exist"):
            load_frames(tmp_path / "none")
        with pytest.raises(ConfigError, match=r"holds no frames; known are \.png"):
            load_frames(tmp_path)
        (tmp_path / "a.txt").write_text("a")
        with pytest.raises(ConfigError, match="no file of frames"):
            load_frames(tmp_path / "a.txt")

    def test_sizes_that_differ_name_both_files(self, small, tmp_path):
        """Images and arrays alike."""
        Image.fromarray(small[0]).save(tmp_path / "a.png")
        Image.fromarray(small[0, :9]).save(tmp_path / "b.png")
        with pytest.raises(ConfigError, match=r"a\.png has 32 x 40 grey.*b\.png has 9 x 40 grey"):
            load_frames(tmp_path)

    def test_kinds_are_not_mixed(self, small, tmp_path):
        """Images beside an array: which is meant?"""
        Image.fromarray(small[0]).save(tmp_path / "a.png")
        np.save(tmp_path / "b.npy", small)
        with pytest.raises(ConfigError, match="mixes arrays and images"):
            load_frames(tmp_path)

    def test_unreadable_and_truncated_files_are_named(self, small, tmp_path):
        """Text called .png, half a PNG, half a .npy, sixteen bits, floats."""
        (tmp_path / "text.png").write_text("no image")
        with pytest.raises(ConfigError, match=r"text\.png cannot be read as an image"):
            load_frames(tmp_path / "text.png")
        noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
        for kind, message in (("png", "cannot be read as an image"), ("bmp", "cannot be decoded")):
            half = tmp_path / f"half.{kind}"
            Image.fromarray(noise).save(half)
            half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
            with pytest.raises(ConfigError, match=rf"half\.{kind} {message}"):
                load_frames(half).block(0, 1)
        np.save(tmp_path / "half.npy", small)
        data = (tmp_path / "half.npy").read_bytes()
        (tmp_path / "half.npy").write_bytes(data[: len(data) // 2])
        with pytest.raises(ConfigError, match=r"half\.npy cannot be read"):
            load_frames(tmp_path / "half.npy")
        Image.fromarray(small[0].astype(np.uint16)).save(tmp_path / "deep.png")
        with pytest.raises(ConfigError, match="expected 8 bits"):
            load_frames(tmp_path / "deep.png")
        np.save(tmp_path / "float.npy", small / 255)
        with pytest.raises(ConfigError, match=r"float64 .*expected uint8"):
            load_frames(tmp_path / "float.npy")
