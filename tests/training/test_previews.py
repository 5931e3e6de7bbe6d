"""Pictures of fixed noise, and the animation made of them."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont, ImageSequence

import tiny
from lusgan_core.generation.frames import generate
from lusgan_core.networks.weights import load_network
from lusgan_core.pictures import png_bytes
from lusgan_core.training.previews import animation, preview_iterations, tile


def pictures_of(gif: bytes) -> list[np.ndarray]:
    image = Image.open(io.BytesIO(gif))
    return [np.asarray(picture.convert("RGB")) for picture in ImageSequence.Iterator(image)]


@pytest.mark.parametrize(("iterations", "count"), [(4000, 40), (7, 40), (1, 2), (10**7, 500)])
def test_preview_iterations_rise_to_the_last_and_are_dense_at_first(iterations, count):
    """At most `count`, strictly rising, the first and the last among them, gaps growing."""
    chosen = preview_iterations(iterations, count)
    assert len(chosen) <= count
    assert list(chosen) == sorted(set(chosen))
    assert chosen[0] == 1
    assert chosen[-1] == iterations
    if iterations == 4000:
        assert len(chosen) == 40
        gaps = np.diff(chosen)
        assert gaps[:10].mean() < 0.5 * gaps[-10:].mean()


def test_frames_are_tiled_in_rows():
    """Five frames fill a 3 x 2 grid row by row; what is left is black. Grey and RGB alike."""
    for frames in (tiny.some_frames(5), tiny.some_frames(5, colour=True)):
        sheet = tile(frames)
        assert sheet.shape == (64, 96, *frames.shape[3:])
        for number, frame in enumerate(frames):
            row, column = divmod(number, 3)
            cell = sheet[32 * row : 32 * row + 32, 32 * column : 32 * column + 32]
            assert (cell == frame).all()
        assert not sheet[32:, 64:].any()


def test_png_files_keep_every_pixel():
    """Grey and RGB images come back from the PNG file as they were."""
    for image in (tiny.some_frames(1)[0], tiny.some_frames(1, colour=True)[0]):
        assert (np.asarray(Image.open(io.BytesIO(png_bytes(image)))) == image).all()


def test_every_picture_carries_its_own_iteration():
    """Below each picture stands its number, as drawn by itself; the last is shown longest."""
    picture = png_bytes(np.full((32, 160), 90, np.uint8))
    numbers = [1, 38, 1234, 4000]
    gif = animation([(number, picture) for number in numbers])
    shown = pictures_of(gif)
    assert len(shown) == 4
    for number, image in zip(numbers, shown, strict=True):
        caption = Image.new("L", (160, 22))
        font = ImageFont.load_default(14)
        ImageDraw.Draw(caption).text((6, 3), f"iteration {number:,}", fill=255, font=font)
        assert (abs(image[:32].astype(int) - 90) <= 1).all()
        assert abs(image[32:, :, 0].astype(int) - np.asarray(caption)).max() <= 2
    opened = Image.open(io.BytesIO(gif))
    lasting = [picture.info["duration"] for picture in ImageSequence.Iterator(opened)]
    assert lasting[-1] > 5 * max(lasting[:-1])


def test_small_pictures_leave_room_for_the_number():
    """Pictures narrower than their caption are widened, so that none is taken for another."""
    picture = png_bytes(np.full((32, 32), 90, np.uint8))
    shown = pictures_of(animation([(1000, picture), (1001, picture), (1002, picture)]))
    assert len(shown) == 3
    assert shown[0].shape[1] > 80


@pytest.mark.parametrize("colour", [False, True])
def test_a_training_leaves_a_preview_for_each_of_its_iterations(plugins, tmp_path, colour):
    """The GIF has a picture for each preview iteration, showing what was generated just then."""
    chosen = tiny.options(tiny.EVERYTHING, iterations=8, previews=5, preview_frames=3)
    frames = tiny.some_frames(colour=colour)
    made = tiny.run(tmp_path / "long", chosen, plugins, frames=frames)
    expected = preview_iterations(8, 5)
    folder = tmp_path / "long/model"
    names = sorted(path.name for path in (folder / "previews").iterdir())
    assert names == [f"{number:08d}.png" for number in expected]
    shown = pictures_of((folder / "progress.gif").read_bytes())
    assert len(shown) == len(expected)
    for name, picture in zip(names, shown, strict=True):
        sheet = np.asarray(Image.open(folder / "previews" / name).convert("RGB"))
        found = picture[: sheet.shape[0], : sheet.shape[1]].astype(int)
        assert abs(found - sheet).mean() < (12 if colour else 1)  # a GIF has 256 colours
    # what a training of 3 iterations ends with is what a longer one shows at its third
    short = chosen.model_copy(update={"iterations": 3})
    tiny.run(tmp_path / "short", short, plugins, frames=frames)
    third = folder / "previews/00000003.png"
    assert third.read_bytes() == (tmp_path / "short/model/previews/00000003.png").read_bytes()
    # and the last preview is what the generator file generates from the same noise
    network = made.record.build(plugins)
    load_network(network, (folder / "generator.safetensors").read_bytes())
    (again,) = generate(network, made.record.values, 6, chosen.seed, 3)
    last = np.asarray(Image.open(folder / "previews/00000008.png"))
    assert abs(last.astype(int) - tile(again)).max() <= 1  # another batch size may round elsewise


def test_previews_leave_the_training_alone(plugins, tmp_path):
    """More previews change no weight: they run in eval mode and draw nothing by chance."""
    for previews in (2, 6):
        chosen = tiny.options(tiny.EVERYTHING, iterations=6, ema_half_life=0, previews=previews)
        tiny.run(tmp_path / str(previews), chosen, plugins)
    files = [(tmp_path / name / "model/generator.safetensors").read_bytes() for name in ("2", "6")]
    assert files[0] == files[1]
    assert torch.is_grad_enabled()
