import io
import tracemalloc
import zlib

import h5py
import numpy as np
import pytest

from lusgan_core.errors import ClipError
from lusgan_readers.mat_variable import Cine, Variable
from lusgan_readers.v73_chunks import Bands
from lusgan_readers.v73_storage import Storage
from matfiles import DTYPES, MemorySource, as_matlab, cine, open_mat, v73, verify_mat

STORAGE = {  # for clips of 5 frames, 3 channels, 18 x 24
    "one channel": {"chunks": (1, 1, 18, 24), "compression": "gzip"},
    "three channels": {"chunks": (1, 3, 7, 24), "compression": "gzip"},
    "two of three channels": {"chunks": (2, 2, 18, 5), "compression": "gzip"},
    "several frames": {"chunks": (4, 3, 5, 7), "compression": "gzip"},
    "shuffled": {"chunks": (1, 3, 18, 24), "compression": "gzip", "shuffle": True},
    "checksummed": {"chunks": (1, 3, 18, 24), "compression": "gzip", "fletcher32": True},
    "lzf": {"chunks": (2, 1, 18, 24), "compression": "lzf"},
    "chunked, not compressed": {"chunks": (1, 3, 18, 24)},
    "contiguous": {},
}


def frames(data: bytes) -> np.ndarray:
    """All frames of a clip, (N, H, W)."""
    with open_mat(MemorySource({"clip": data}), "clip") as clip:
        return np.stack([frame.copy() for frame in clip.frames()])


def by_h5py(data: bytes) -> np.ndarray:
    """Channel 0 as h5py reads it, (N, H, W)."""
    with h5py.File(io.BytesIO(data)) as file:
        return file["frames"][:, 0].transpose(0, 2, 1)


@pytest.mark.parametrize("storage", STORAGE.values(), ids=STORAGE)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_and_storage_reads_as_h5py_does(dtype: str, storage: dict) -> None:
    """Every type that MATLAB writes, however it is stored, equals h5py's reading."""
    array = cine(dtype)
    data = v73(("frames", array), **storage)
    expected = by_h5py(data).astype(np.uint8) * (255 if dtype == "bool" else 1)
    np.testing.assert_array_equal(frames(data), expected)
    with open_mat(MemorySource({"clip": data}), "clip") as clip:
        assert (*clip.details.values(), clip.dtype) == ("v7.3", "frames", dtype)
        assert (clip.height, clip.width, clip.channels, clip.count) == array.shape


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_big_endian_numbers(dtype: str) -> None:
    """Numbers stored in the other byte order are read right through both ways into a chunk."""
    array = cine(dtype)
    for storage in (STORAGE["one channel"], STORAGE["shuffled"]):
        data = v73(("frames", array.astype(array.dtype.newbyteorder(">"))), **storage)
        np.testing.assert_array_equal(frames(data), array[:, :, 0].transpose(2, 0, 1))


@pytest.mark.parametrize("chunks", [(1, 1, 18, 24), (1, 3, 18, 24), (5, 1, 18, 24), None])
def test_channels_of_the_first_frame_are_compared(chunks: tuple | None) -> None:
    """A first frame in colour is noticed, wherever its channels are stored."""
    array = cine()
    array[3, 3, 2, 0] ^= 128
    storage = {"chunks": chunks, "compression": "gzip"} if chunks else {}
    with pytest.raises(ClipError, match="colour channels of frame 1 differ"):
        frames(v73(("frames", array), **storage))


@pytest.mark.parametrize("storage", STORAGE)
@pytest.mark.parametrize("frame", [2, 4])
def test_channels_of_every_frame_are_compared(storage: str, frame: int) -> None:
    """A later frame in colour is noticed, and named, however the channels are stored."""
    array = cine()
    array[3, 3, 1, frame] ^= 128
    with pytest.raises(ClipError, match=f"colour channels of frame {frame + 1} differ"):
        frames(v73(("frames", array), **STORAGE[storage]))


def test_chunks_that_span_a_whole_long_clip_are_refused() -> None:
    """A chunk so deep that its frames cannot be held at once is refused before any is read."""
    shape, chunks = (5000, 3, 500, 500), (5000, 1, 1, 500)
    variable = Variable("f", shape[::-1], np.dtype("u1"), np.dtype("u1"))
    told = {
        "layout": "chunks",
        "chunks": chunks,
        "expected": 1500,
        "filters": [[1, "deflate"]],
        "stored": [[[0, c, w, 0], 0, 10**5, 0] for c in range(3) for w in range(500)],
    }
    deep = Storage(io.BytesIO(), 1 << 30, variable, told)
    with pytest.raises(ClipError, match="span 5000 frames"):
        Bands(deep, Cine(500, 500, 3, 5000))


def test_damage_in_any_channel_is_noticed() -> None:
    """Chunks of further channels are compared as stored, and inflated where they differ."""
    array = cine()
    for channel in range(3):
        data = bytearray(v73(("frames", array), **STORAGE["one channel"]))
        with h5py.File(io.BytesIO(data)) as file:
            chunk = file["frames"].id.get_chunk_info_by_coord((3, channel, 0, 0))
        data[chunk.byte_offset + chunk.size // 2] ^= 255
        with pytest.raises(ClipError, match="damaged"):
            frames(bytes(data))


def test_matlabs_own_groups_are_passed_over() -> None:
    """``#refs#`` and text beside the cine do not hide it."""
    file = io.BytesIO(v73(("frames", cine())))
    with h5py.File(file, "r+") as hdf5:
        hdf5.create_group("#refs#")
        hdf5.create_dataset("note", data=[1]).attrs["MATLAB_class"] = np.bytes_("char")
    assert len(frames(file.getvalue())) == 5


def test_one_numeric_variable_is_needed() -> None:
    """Two cines, or no numeric variable, are refused with what was found."""
    two = v73(("frames", cine()), ("more", cine()))
    with pytest.raises(ClipError, match="2 numeric variables"):
        frames(two)
    with pytest.raises(ClipError, match="only char found"):
        frames(v73(("frames", cine()), kind="char"))


@pytest.mark.parametrize(
    ("attributes", "found"), [({"MATLAB_sparse": 5}, "sparse"), ({"MATLAB_empty": 1}, "empty")]
)
def test_sparse_and_empty_arrays_are_refused(attributes: dict, found: str) -> None:
    """MATLAB's sparse and empty arrays, which hold other things than numbers, are refused."""
    with pytest.raises(ClipError, match=f"only {found}"):
        frames(v73(("frames", cine()), attributes=attributes))


def test_structs_and_complex_arrays_are_refused() -> None:
    """A struct (a group) and a complex array (a compound) are no clips."""
    file = io.BytesIO()
    with h5py.File(file, "w", userblock_size=512) as hdf5:
        hdf5.create_group("s").attrs["MATLAB_class"] = np.bytes_("struct")
        pair = np.dtype([("real", "f8"), ("imag", "f8")])
        hdf5.create_dataset("c", (5, 3, 18, 24), pair).attrs["MATLAB_class"] = np.bytes_("double")
    with pytest.raises(ClipError, match="only complex, struct found"):
        frames(as_matlab(file.getvalue()))


def test_hdf5_of_others_is_refused() -> None:
    """An HDF5 file without MATLAB's attribute is told apart from a damaged one."""
    file = io.BytesIO()
    with h5py.File(file, "w") as hdf5:
        hdf5["frames"] = cine().T
    with pytest.raises(ClipError, match="not one that MATLAB wrote"):
        frames(file.getvalue())


def elsewhere(kind: str, tmp_path: str) -> bytes:
    """A v7.3 file whose numbers are in another file."""
    file, shape = io.BytesIO(), (5, 3, 18, 24)
    other = f"{tmp_path}/other"
    with h5py.File(other, "w") as hdf5:
        hdf5["frames"] = cine().T
    with h5py.File(file, "w", userblock_size=512) as hdf5:
        if kind == "link":
            hdf5["frames"] = h5py.ExternalLink(other, "frames")
        elif kind == "virtual":
            layout = h5py.VirtualLayout(shape, np.uint8)
            layout[...] = h5py.VirtualSource(other, "frames", shape)
            hdf5.create_virtual_dataset("frames", layout)
        else:
            hdf5.create_dataset("frames", shape, "u1", external=[(other, 0, 6480)])
        if kind != "link":
            hdf5["frames"].attrs["MATLAB_class"] = np.bytes_("uint8")
    return as_matlab(file.getvalue())


@pytest.mark.parametrize("kind", ["link", "virtual", "external"])
def test_other_files_are_never_opened(kind: str, tmp_path: str) -> None:
    """A file that points to other files cannot make us read them."""
    with pytest.raises(ClipError, match=r"link|kept in other files"):
        frames(elsewhere(kind, tmp_path))


def declared(shape: tuple[int, ...], **storage: object) -> bytes:
    """A v7.3 file that declares numbers and holds none."""
    file = io.BytesIO()
    with h5py.File(file, "w", userblock_size=512) as hdf5:
        data = hdf5.create_dataset("frames", shape, "u1", **storage)
        data.attrs["MATLAB_class"] = np.bytes_("uint8")
    return as_matlab(file.getvalue())


@pytest.mark.parametrize(
    ("shape", "storage", "reason"),
    [
        ((10**6, 3, 800, 1068), {"chunks": (1, 1, 800, 1068)}, "more than the file can hold"),
        ((10**6, 3, 800, 1068), {}, "more than the file can hold"),
        ((5, 3, 18, 24), {"chunks": (1, 1, 18, 24)}, "0 of the variable's 15 chunks"),
        ((1, 1, 16, 16), {}, "never written"),
        (
            (0, 3, 18, 24),
            {"chunks": (1, 1, 18, 24), "maxshape": (None, 3, 18, 24)},
            "empty|no frame",
        ),
        ((5, 3, 20, 24), {"chunks": (1, 1, 1, 1)}, "0 of the variable's 7200"),
    ],
)
def test_declared_sizes_are_not_believed(shape: tuple, storage: dict, reason: str) -> None:
    """Terabytes, holes and emptiness are refused on opening, before memory is asked for."""
    data = declared(shape, **storage)
    with pytest.raises(ClipError, match=reason):
        open_mat(MemorySource({"clip": data}), "clip")


def test_a_chunk_that_inflates_beyond_its_size_is_refused() -> None:
    """A chunk replaced by a longer stream is cut off and refused."""
    file = io.BytesIO(v73(("frames", cine()), **STORAGE["one channel"]))
    with h5py.File(file, "r+") as hdf5:
        bomb = zlib.compress(bytes(600_000))  # 600 bytes, for a chunk of 432
        hdf5["frames"].id.write_direct_chunk((2, 0, 0, 0), bomb)
    with pytest.raises(ClipError, match="expected 432"):
        verify_mat(MemorySource({"clip": file.getvalue()}), "clip")


def test_memory_is_a_few_frames() -> None:
    """Reading 60 frames holds a band and a chunk, not the clip."""
    array = cine(shape=(256, 300, 3, 60))
    data = v73(("frames", array), chunks=(2, 3, 60, 256), compression="gzip")
    tracemalloc.start()
    try:
        with open_mat(MemorySource({"clip": data}), "clip") as clip:
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            assert sum(1 for _ in clip.frames()) == 60
            peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < 6 * 256 * 300 + 500_000
