"""Image files: every pixel as it is meant, or a refusal that says why."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from lusgan_core.errors import ConfigError
from lusgan_core.pipeline.image_sets import load_frames

GREY = np.random.default_rng(0).integers(0, 256, (24, 40), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (24, 40, 3), dtype=np.uint8)


def whole(path: Path) -> np.ndarray:
    """All frames of a file or folder, (N, H, W, C)."""
    found = load_frames(path)
    return found.block(0, len(found))


@pytest.mark.parametrize("kind", ["png", "bmp", "gif", "pgm", "ppm", "tiff", "webp"])
def test_lossless_kinds_are_read_exactly(tmp_path, kind):
    """Upper-case suffixes too; WebP and PPM hold colour, GIF and PGM are tried in grey."""
    frame = COLOUR if kind in ("webp", "ppm") else GREY
    path = tmp_path / f"a.{kind.upper()}"
    more = {"lossless": True} if kind == "webp" else {}
    Image.fromarray(frame).save(path, **more)
    np.testing.assert_array_equal(whole(path)[0].squeeze(), frame)


@pytest.mark.parametrize("kind", ["png", "tif", "webp"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_pictures_are_turned_upright(tmp_path, kind, orientation):
    """EXIF's orientation is applied, to the size as well."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    more = {"lossless": True} if kind == "webp" else {}
    Image.fromarray(COLOUR).save(tmp_path / f"a.{kind}", exif=exif, **more)
    wanted = COLOUR[::-1, ::-1] if orientation == 3 else np.rot90(COLOUR, -1)
    assert load_frames(tmp_path).shape == wanted.shape
    np.testing.assert_array_equal(whole(tmp_path)[0], wanted)


@pytest.mark.parametrize("kind", ["png", "tif", "ppm", "pgm"])
def test_sixteen_bits_are_refused(tmp_path, kind):
    """In colour as in grey: cut to eight, most of what tells frames apart would be lost."""
    frame = (GREY if kind == "pgm" else COLOUR).astype(np.uint16) * 257
    path = tmp_path / f"deep.{kind}"
    assert cv2.imwrite(str(path), frame)
    with pytest.raises(ConfigError, match=r"deep\.\w+ cannot be read .*more than 8 bits"):
        load_frames(path)


def test_transparency_is_refused_unless_there_is_none(tmp_path):
    """An opaque alpha channel is dropped; a transparent pixel's colour is anyone's guess."""
    alpha = np.full(GREY.shape, 255, np.uint8)
    Image.fromarray(np.dstack([COLOUR, alpha])).save(tmp_path / "a.png")
    np.testing.assert_array_equal(whole(tmp_path)[0], COLOUR)
    alpha[3, 4] = 254
    Image.fromarray(np.dstack([COLOUR, alpha])).save(tmp_path / "a.png")
    with pytest.raises(ConfigError, match=r"a\.png cannot be decoded: .*transparent"):
        whole(tmp_path)


def test_other_colours_are_refused(tmp_path):
    """CMYK has no one translation to RGB."""
    Image.fromarray(COLOUR).convert("CMYK").save(tmp_path / "a.tif")
    with pytest.raises(ConfigError, match="its pixels are CMYK"):
        load_frames(tmp_path)


@pytest.mark.parametrize("kind", ["tif", "png", "gif", "webp"])
def test_every_page_is_a_frame(tmp_path, kind):
    """Of TIFF, APNG, and animated GIF and WebP; named by its number, grouped by its file."""
    frames = [GREY, 255 - GREY, GREY // 2]
    if kind == "webp":
        frames = [np.repeat(frame[..., None], 3, axis=2) for frame in frames]
    first, *rest = (Image.fromarray(frame) for frame in frames)
    more = {"lossless": True} if kind == "webp" else {}
    first.save(tmp_path / f"a.{kind}", save_all=True, append_images=rest, duration=40, **more)
    first.save(tmp_path / f"b.{kind}", **more)
    found = load_frames(tmp_path)
    assert found.names == [f"a.{kind}#0", f"a.{kind}#1", f"a.{kind}#2", f"b.{kind}"]
    assert found.groups == [f"a.{kind}"] * 3 + ["."]
    np.testing.assert_array_equal(found.block(0, 4).squeeze(), np.stack([*frames, frames[0]]))


def test_linked_folders_are_followed_and_the_rest_is_counted(tmp_path):
    """A folder elsewhere, but no circle; one line says how much was left out, by kind."""
    (tmp_path / "set").mkdir()
    (tmp_path / "far").mkdir()
    Image.fromarray(GREY).save(tmp_path / "set" / "a.png")
    Image.fromarray(GREY).save(tmp_path / "far" / "b.png")
    for name in ("x.txt", "y.TXT", "notes", ".hidden.png"):
        (tmp_path / "set" / name).write_text("no image")
    (tmp_path / "set" / "link").symlink_to(tmp_path / "far")
    (tmp_path / "far" / "circle").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "lost.png").symlink_to(tmp_path / "nowhere.png")
    said: list[str] = []
    found = load_frames(tmp_path / "set", said.append)
    assert found.names == ["a.png", "link/b.png"]
    (line,) = said
    assert "left out 6 files that are no images (.txt 2, " in line
    for kind in ("without a suffix 1", "hidden 1", "links in a circle 1", "dangling links 1"):
        assert kind in line


def test_grey_beside_colour_is_not_a_matter_of_size(tmp_path):
    """The advice is to save them alike."""
    Image.fromarray(GREY).save(tmp_path / "a.png")
    Image.fromarray(COLOUR).save(tmp_path / "b.png")
    with pytest.raises(ConfigError, match=r"differ in colour: .* all in grey, or all in RGB"):
        load_frames(tmp_path)


def test_a_name_that_is_not_utf_8_is_spelled_out(tmp_path):
    """As any file format can hold it; the file itself is read by its own name."""
    path = os.fsencode(tmp_path) + b"/caf\xe9.png"
    Image.fromarray(GREY).save(tmp_path / "a.png")
    os.rename(tmp_path / "a.png", path)
    assert load_frames(tmp_path).names == ["caf\\xe9.png"]
    np.testing.assert_array_equal(whole(tmp_path)[0, ..., 0], GREY)


class TestArrays:
    def test_one_frame_alone_is_one_frame(self, tmp_path):
        """(H, W, 3) is a colour frame, not H frames three pixels wide; (H, W) a grey one."""
        np.save(tmp_path / "colour.npy", COLOUR)
        np.save(tmp_path / "grey.npy", GREY)
        np.testing.assert_array_equal(whole(tmp_path / "colour.npy"), COLOUR[None])
        np.testing.assert_array_equal(whole(tmp_path / "grey.npy"), GREY[None, ..., None])

    def test_the_suffix_may_be_in_upper_case(self, tmp_path):
        """It is no shard for that."""
        with (tmp_path / "A.NPY").open("wb") as stream:
            np.save(stream, GREY[None])
        np.testing.assert_array_equal(whole(tmp_path / "A.NPY"), GREY[None, ..., None])

    def test_what_is_no_array_is_said_in_terms_of_frames(self, tmp_path):
        """Objects and archives: no word of pickles, which nobody should allow."""
        np.save(tmp_path / "objects.npy", np.array([{}, []], object), allow_pickle=True)
        with (tmp_path / "archive.npy").open("wb") as stream:
            np.savez(stream, GREY)
        with pytest.raises(ConfigError, match="it holds Python objects") as caught:
            load_frames(tmp_path / "objects.npy")
        assert "pickle" not in str(caught.value)
        with pytest.raises(ConfigError, match=r"it is no \.npy file"):
            load_frames(tmp_path / "archive.npy")
