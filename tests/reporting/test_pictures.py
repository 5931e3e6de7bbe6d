"""Pictures from a store; one that is gone or damaged never stops a report."""

from __future__ import annotations

import base64
import io
import struct

import h5py
import numpy as np
import pytest
from PIL import Image

from lusgan_core.calls.section import FrameAt, FramePair, Sheet, StripPicture
from lusgan_core.phantom.render import render_frames
from lusgan_core.reporting.images import GAP_LEVEL
from lusgan_core.reporting.legend import SEED, SIDE, legend_of_scores
from lusgan_core.reporting.pictures import BLANK_LEVEL, LARGEST_GIF, SHEET_COLUMNS, Pictures
from lusgan_core.store import LocalStore
from sample_content import draw, gif, png, put_shard, sample_content, sample_store

SIZE = 12
GAP = 2
SCORES = [2, 0, 2, -1, 2]
KEY = "shards/a/clip.h5"


def noise(count: int, *colour: int, size: int = SIZE, seed: int = 0) -> np.ndarray:
    """Return frames of which no two pixels are alike for long."""
    shape = (count, size, size, *colour)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def decoded(uri: str) -> np.ndarray:
    """Return the pixels of a PNG in a data URI."""
    head, _, data = uri.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def cell(sheet: np.ndarray, number: int, size: int = SIZE) -> np.ndarray:
    """Return a frame of a sheet by its place in reading order."""
    top, left = (place * (size + GAP) for place in divmod(number, SHEET_COLUMNS))
    return sheet[top : top + size, left : left + size]


def is_grey(frame: np.ndarray) -> bool:
    """Return whether a frame is the grey place of a picture that is gone."""
    return frame.size > 0 and bool((frame == BLANK_LEVEL).all())


def sheet_of(*places: FrameAt) -> Sheet:
    """Return a sheet of frames."""
    return Sheet(name="real", title="Real", frames=places)


@pytest.fixture
def store(tmp_path) -> LocalStore:
    return LocalStore(tmp_path)


@pytest.mark.parametrize("colour", [(), (3,)])
def test_a_sheet_shows_the_frames_that_it_names(store, colour):
    """Rows count the frames of a score, or all where none is given; each frame is exact."""
    frames = noise(5, *colour)
    put_shard(store, KEY, frames, SCORES)
    places = [(0, 2), (2, 2), (0, 0), (3, None), (1, 2), (0, -1)]
    named = sheet_of(*(FrameAt(key=KEY, row=row, score=score) for row, score in places))
    sheet = decoded(Pictures(store).sheet(named))
    assert sheet.shape == (2 * SIZE + GAP, 4 * SIZE + 3 * GAP, *colour)
    for number, source in enumerate([0, 4, 1, 3, 2, 3]):
        np.testing.assert_array_equal(cell(sheet, number), frames[source])
    assert (sheet[SIZE : SIZE + GAP] == GAP_LEVEL).all()


@pytest.mark.parametrize("colour", [(), (3,)])
def test_frames_of_several_shards_stand_in_one_sheet(store, colour):
    """Frames that take turns between three files are each found in their own."""
    sources = [noise(2, *colour, seed=seed) for seed in range(3)]
    for number, frames in enumerate(sources):
        put_shard(store, f"shards/{number}.h5", frames, [1, 1])
    places = [(0, 0), (1, 1), (2, 0), (0, 1), (1, 0), (2, 1)]
    named = sheet_of(*(FrameAt(key=f"shards/{n}.h5", row=r, score=1) for n, r in places))
    sheet = decoded(Pictures(store).sheet(named))
    for number, (source, row) in enumerate(places):
        np.testing.assert_array_equal(cell(sheet, number), sources[source][row])


def test_large_frames_are_reduced_to_the_side_that_was_asked_for(store):
    """A frame whose quarters are even becomes one of 6 pixels a side with the same quarters."""
    quarters = np.array([[10, 90], [170, 250]], np.uint8)
    put_shard(store, KEY, np.kron(quarters, np.ones((6, 6), np.uint8))[None], [1])
    small = decoded(Pictures(store, side=6).one(FrameAt(key=KEY, row=0)))
    np.testing.assert_array_equal(small, np.kron(quarters, np.ones((3, 3), np.uint8)))


@pytest.mark.parametrize("colour", [(), (3,)])
def test_a_pair_has_the_synthetic_frame_on_the_left(store, colour):
    """The synthetic frame, a gap and the real frame stand side by side, each exact."""
    made, real = noise(2, *colour, seed=1), noise(3, *colour, seed=2)
    put_shard(store, "samples/frames.h5", made, [1, 1])
    put_shard(store, KEY, real, [0, 1, 1])
    pair = FramePair(
        value=0.5, synthetic=FrameAt(key="samples/frames.h5", row=1), number=1,
        real=FrameAt(key=KEY, row=1, score=1), patient="a", held_out=False,
    )  # fmt: skip
    both = decoded(Pictures(store).pair(pair))
    np.testing.assert_array_equal(both[:, :SIZE], made[1])
    np.testing.assert_array_equal(both[:, SIZE + GAP :], real[2])


def without_format(path) -> None:
    """Make a shard one of another layout."""
    with h5py.File(path, "r+") as file:
        file.attrs["format"] = 99


def without_frames(path) -> None:
    """Put something else in the place of a shard's frames."""
    with h5py.File(path, "r+") as file:
        del file["frames"]
        file.create_group("frames")


def with_lines(path) -> None:
    """Put lines of pixels in the place of a shard's frames."""
    with h5py.File(path, "r+") as file:
        del file["frames"]
        file["frames"] = np.zeros((5, SIZE), np.uint8)


def with_a_broken_frame(path) -> None:
    """Spoil the compressed pixels of every frame."""
    with h5py.File(path, "r+") as file:
        for row in range(5):
            file["frames"].id.write_direct_chunk((row, 0, 0), b"no zlib stream")


DAMAGES = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "no HDF5": lambda path: path.write_bytes(b"<html>not found</html>"),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-200]),
    "another layout": without_format,
    "no frames": without_frames,
    "lines": with_lines,
    "a broken frame": with_a_broken_frame,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("colour", [(), (3,)])
def test_a_shard_that_cannot_be_read_leaves_grey_and_the_other_frames(store, colour, damage):
    """Whatever became of one shard, its frame is grey and those of the others are exact."""
    frames = noise(5, *colour)
    put_shard(store, KEY, frames, SCORES)
    bad = "shards/b/clip.h5"
    put_shard(store, bad, noise(5, seed=9), SCORES)
    DAMAGES[damage](store.path(bad))
    named = sheet_of(*(FrameAt(key=key, row=1, score=2) for key in (bad, KEY, bad, KEY)))
    sheet = decoded(Pictures(store).sheet(named))
    assert is_grey(cell(sheet, 0))
    assert is_grey(cell(sheet, 2))
    for number in (1, 3):
        np.testing.assert_array_equal(cell(sheet, number), frames[2])


def test_a_row_that_is_not_there_leaves_grey(store):
    """A row beyond the frames of its score, and a score that nothing has, are grey."""
    frames = noise(5)
    put_shard(store, KEY, frames, SCORES)
    places = [(2, 2), (3, 2), (0, 1), (5, None)]
    named = sheet_of(*(FrameAt(key=KEY, row=row, score=score) for row, score in places))
    sheet = decoded(Pictures(store).sheet(named))
    np.testing.assert_array_equal(cell(sheet, 0), frames[4])
    assert [is_grey(cell(sheet, number)) for number in (1, 2, 3)] == [True] * 3


def test_a_key_that_is_none_leaves_grey(store):
    """A key that leads out of the store is not followed."""
    assert is_grey(decoded(Pictures(store).one(FrameAt(key="../a.h5", row=0))))
    assert is_grey(decoded(Pictures(store).corner(StripPicture(key="../a.png", caption=""), 8)))
    assert Pictures(store).gif("../a.gif") == ""


def test_a_frame_that_does_not_fit_beside_the_others_is_grey(store):
    """A sheet has the size of its first frame; a frame of another size does not stop it."""
    frames = noise(5)
    put_shard(store, KEY, frames, SCORES)
    put_shard(store, "shards/large.h5", noise(1, size=SIZE + 4), [2])
    put_shard(store, "shards/colour.h5", noise(1, 3), [2])
    keys = (KEY, "shards/large.h5", "shards/colour.h5")
    sheet = decoded(Pictures(store).sheet(sheet_of(*(FrameAt(key=k, row=0) for k in keys))))
    np.testing.assert_array_equal(cell(sheet, 0), frames[0])
    assert is_grey(cell(sheet, 1))
    assert is_grey(cell(sheet, 2))


def test_a_sheet_of_which_nothing_is_left_is_grey(store):
    """Without any frame to go by, places have the side that frames are reduced to."""
    named = sheet_of(FrameAt(key=KEY, row=0), FrameAt(key=KEY, row=1))
    sheet = decoded(Pictures(store, side=20).sheet(named))
    assert sheet.shape == (20, 2 * 20 + GAP)
    assert is_grey(cell(sheet, 0, 20))
    assert is_grey(cell(sheet, 1, 20))


@pytest.mark.parametrize("colour", [(), (3,)])
def test_a_strip_shows_the_upper_left_corner(store, colour):
    """The corner has just the side that was asked for; it is reduced where that is too large."""
    picture = noise(1, *colour, size=40)[0]
    store.put("p.png", png(picture))
    strip = StripPicture(key="p.png", caption="500")
    np.testing.assert_array_equal(decoded(Pictures(store).corner(strip, 16)), picture[:16, :16])
    assert decoded(Pictures(store, side=8).corner(strip, 16)).shape == (8, 8, *colour)


def with_a_broken_chunk(data: bytes) -> bytes:
    """Understate the length of a PNG's pixels, so that what follows them makes no sense."""
    place = data.index(b"IDAT") - 4
    length = struct.unpack(">I", data[place : place + 4])[0]
    return data[:place] + struct.pack(">I", length // 2) + data[place + 4 :]


BROKEN_PNGS = {
    "empty": lambda data: b"",
    "no picture": lambda data: b"<html>not found</html>",
    "cut short": lambda data: data[:60],
    "a broken header": lambda data: data[:20] + b"\xff" + data[21:],
    "a broken chunk": with_a_broken_chunk,
}


@pytest.mark.parametrize("damage", BROKEN_PNGS)
def test_a_preview_that_cannot_be_read_is_grey(store, damage):
    """A damaged PNG file leaves a grey corner of the right size."""
    store.put("p.png", BROKEN_PNGS[damage](png(noise(1, size=40)[0])))
    corner = decoded(Pictures(store).corner(StripPicture(key="p.png", caption=""), 16))
    assert corner.shape == (16, 16)
    assert is_grey(corner)


def test_a_preview_that_is_gone_is_grey(store):
    """A missing PNG file leaves a grey corner, reduced like any other."""
    corner = decoded(Pictures(store, side=8).corner(StripPicture(key="p.png", caption=""), 16))
    assert corner.shape == (8, 8)
    assert is_grey(corner)


def test_an_animation_goes_into_the_page_as_it_is(store):
    """The data URI holds the GIF file byte for byte."""
    data = gif(noise(3))
    store.put("a.gif", data)
    head, _, encoded = Pictures(store).gif("a.gif").partition(",")
    assert head == "data:image/gif;base64"
    assert base64.b64decode(encoded) == data


@pytest.mark.parametrize(
    "data",
    [None, b"", b"<html>not found</html>", png(noise(1)[0]), gif(noise(3))[:8]],
    ids=["missing", "empty", "no picture", "a PNG", "cut short"],
)
def test_an_animation_that_is_gone_or_damaged_is_left_out(store, data):
    """No file, an empty one, one of another kind and one without a whole header give nothing."""
    if data is not None:
        store.put("a.gif", data)
    assert Pictures(store).gif("a.gif") == ""


def test_an_animation_that_is_too_large_is_left_out(store):
    """A GIF file of the largest size is in the page, one of a byte more is not."""
    whole = gif(noise(3))
    store.put("fits.gif", whole + bytes(LARGEST_GIF - len(whole)))
    store.put("large.gif", whole + bytes(LARGEST_GIF - len(whole) + 1))
    assert Pictures(store).gif("fits.gif") != ""
    assert Pictures(store).gif("large.gif") == ""


def test_a_report_is_drawn_though_every_picture_is_gone(tmp_path):
    """With all shards, previews and animations deleted the page has as many images, all grey."""
    store = sample_store(tmp_path)
    content = sample_content(store)
    before = draw(content, store).count('src="data:image/png')
    gone = [item.key for item in store.list() if not item.key.endswith(".csv")]
    for key in gone:
        store.delete(key)
    page = draw(content, store)
    uris = [part.partition('"')[0] for part in page.split('src="')[1:]]
    assert len(uris) == before > 0
    grey = [set(np.unique(decoded(uri))) <= {BLANK_LEVEL, GAP_LEVEL} for uri in uris]
    assert grey.count(False) == 4  # the legend, which is no picture of the store
    assert page.count("The animation is not in this page") == 3


def test_the_legend_shows_what_the_simulator_draws():
    """The legend's pictures are phantoms of their score, to a grey level."""
    for entry in legend_of_scores():
        drawn = render_frames(entry.score, 1, SIDE, SEED)[0].astype(int)
        assert abs(decoded(entry.picture).astype(int) - drawn).max() <= 1
