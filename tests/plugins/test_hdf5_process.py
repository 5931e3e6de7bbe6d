"""The HDF5 library runs in a process of its own, and only there; that process may die."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading

import h5py
import numpy as np
import pytest

from lusgan_core.errors import ClipError
from lusgan_readers import hdf5_process
from lusgan_readers.v73_filters import fletcher32
from matfiles import MemorySource, as_matlab, cine, open_mat, v73, verify_mat

GOOD = v73(("frames", cine()), chunks=(1, 3, 18, 24), compression="gzip")


def verify(data: bytes) -> None:
    verify_mat(MemorySource({"clip": data}), "clip")


def numbers_of(data: bytes) -> set[int]:
    """Process ids of the helpers that wait, after one file was read."""
    verify(data)
    return {process.pid for process in hdf5_process._idle}


def test_one_process_answers_for_file_after_file() -> None:
    """It is started once: that is what keeps it cheap."""
    assert numbers_of(GOOD) == numbers_of(GOOD)


def test_its_death_rejects_the_clip_and_the_next_is_read(monkeypatch) -> None:
    """A library that crashes costs one clip, with a reason, and not the process."""

    class Killing(io.BytesIO):
        def seek(self, offset: int, whence: int = 0) -> int:
            if armed:
                armed.pop()
                os.kill(victim.pid, signal.SIGSEGV)
                victim.wait()
            return super().seek(offset, whence)

    armed: list[int] = []
    verify(GOOD)
    victim, file = hdf5_process._idle[-1], Killing(GOOD)
    size = len(GOOD)
    armed.append(1)
    with pytest.raises(ClipError, match=r"library crashed.*exit code -11"):
        hdf5_process.describe(file, size)
    verify(GOOD)
    assert victim.pid not in {process.pid for process in hdf5_process._idle}


def test_a_helper_that_died_while_it_waited_is_replaced() -> None:
    """Somebody may end it; nothing is lost then."""
    verify(GOOD)
    for process in hdf5_process._idle:
        process.kill()
        process.wait()
    verify(GOOD)


def test_a_library_that_never_ends_is_stopped(monkeypatch, tmp_path) -> None:
    """Its processor time is bounded by the operating system; the clip is rejected."""
    text = hdf5_process.PROGRAM.read_text().replace("CPU_S = 20", "CPU_S = 1")
    endless = text.replace("    variables: list", "    while True: pass\n    variables: list", 1)
    assert endless != text
    program = tmp_path / "helper.py"
    program.write_text(endless)
    monkeypatch.setattr(hdf5_process, "PROGRAM", program)
    monkeypatch.setattr(hdf5_process, "_idle", [])
    with pytest.raises(ClipError, match=r"crashed .*or took too long"):
        verify(GOOD)


def test_threads_have_a_process_each() -> None:
    """Clips are opened in several threads at once, and none gets another's answer."""
    found: list[tuple[int, ...]] = []

    def look(count: int) -> None:
        data = v73(("frames", cine(shape=(24, 18, 3, count))))
        for _ in range(5):
            with open_mat(MemorySource({"clip": data}), "clip") as clip:
                found.append((count, clip.count))

    threads = [threading.Thread(target=look, args=(n,)) for n in (2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 15
    assert all(asked == got for asked, got in found)


def test_this_process_never_loads_the_library() -> None:
    """Reading a v7.3 clip imports no h5py here, so that no file can crash it."""
    code = (
        "import sys, io; from lusgan_readers.mat_file import open_mat;"
        "from lusgan_readers.mat_clip import cine_variable;"
        "mat = open_mat(io.BytesIO(sys.stdin.buffer.read()));"
        "mat.array(cine_variable(mat, None)); assert 'h5py' not in sys.modules"
    )
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", code], input=GOOD, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def checked(chunk: int, size: int = 240) -> bytes:
    """Numbers in chunks of so many bytes, each with a Fletcher32 checksum."""
    file = io.BytesIO()
    with h5py.File(file, "w", userblock_size=512) as hdf5:
        data = hdf5.create_dataset(
            "f", data=np.zeros((size,), np.uint8), chunks=(chunk,), fletcher32=True
        )
        data.attrs["MATLAB_class"] = np.bytes_("uint8")
    return as_matlab(file.getvalue())


def test_checksums_of_tiny_chunks_are_refused() -> None:
    """Fletcher32 over less than 4 bytes crashes the library (hdf5 6488, 6490)."""
    with pytest.raises(ClipError, match="chunks of 3 bytes with a Fletcher32"):
        verify(checked(3))


@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_checksums_are_verified(dtype: str) -> None:
    """A changed byte in a chunk with a checksum is noticed without the library."""
    data = bytearray(v73(("frames", cine(dtype)), chunks=(1, 3, 18, 24), fletcher32=True))
    verify(bytes(data))
    with h5py.File(io.BytesIO(data)) as file:
        at = file["frames"].id.get_chunk_info_by_coord((3, 0, 0, 0)).byte_offset
    data[at + 11] ^= 1
    with pytest.raises(ClipError, match="Fletcher32 checksum does not fit"):
        verify(bytes(data))


def test_odd_numbers_of_bytes_have_a_checksum_too() -> None:
    """HDF5 pads the last word; its own checksum of 5 and of 7 bytes is found again."""
    for size in (5, 7, 64):
        file = io.BytesIO()
        numbers = np.arange(200, 200 + size).astype(np.uint8)
        with h5py.File(file, "w") as hdf5:
            data = hdf5.create_dataset("f", data=numbers, chunks=(size,), fletcher32=True)
            raw = data.id.read_direct_chunk((0,))[1]
        assert int.from_bytes(raw[-4:], "little") == fletcher32(numbers.tobytes())


@pytest.mark.parametrize(
    ("storage", "told"),
    [({"scaleoffset": 0}, "scale-offset"), ({"compression": 32001}, "blosc")],
)
def test_other_filters_are_refused_by_name(storage: dict, told: str) -> None:
    """What is compressed otherwise is not called truncated."""
    file = io.BytesIO()
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    with h5py.File(file, "w", userblock_size=512) as hdf5:
        if "compression" in storage:  # this library has no such filter: the chunks are anything
            plist.set_chunk((5, 3, 18, 24))
            plist.set_filter(32001, h5py.h5z.FLAG_OPTIONAL)
            space = h5py.h5s.create_simple((5, 3, 18, 24))
            made = h5py.h5d.create(hdf5.id, b"frames", h5py.h5t.NATIVE_UINT8, space, plist)
            made.write_direct_chunk((0, 0, 0, 0), bytes(6480))
        else:
            hdf5.create_dataset("frames", data=cine().T, chunks=(1, 3, 18, 24), **storage)
        hdf5["frames"].attrs["MATLAB_class"] = np.bytes_("uint8")
    with pytest.raises(ClipError, match=f"compressed with {told}.*expected deflate"):
        verify(as_matlab(file.getvalue()))


@pytest.mark.parametrize("size", [1024, 4096])
def test_larger_user_blocks_are_read(size: int) -> None:
    """MATLAB leaves 512 bytes for its header; others leave more."""
    file = io.BytesIO()
    with h5py.File(file, "w", userblock_size=size) as hdf5:
        hdf5.create_dataset("frames", data=cine().T, chunks=(1, 3, 18, 24), compression="gzip")
        hdf5["frames"].attrs["MATLAB_class"] = np.bytes_("uint8")
    verify(as_matlab(file.getvalue()))


def test_a_single_number_is_called_so() -> None:
    """An HDF5 scalar has no dimensions to print."""
    file = io.BytesIO()
    with h5py.File(file, "w", userblock_size=512) as hdf5:
        hdf5["f"] = np.uint8(3)
        hdf5["f"].attrs["MATLAB_class"] = np.bytes_("uint8")
    with pytest.raises(ClipError, match="a variable of a single number"):
        verify(as_matlab(file.getvalue()))


def test_a_field_of_a_struct_can_be_named() -> None:
    """Frames in a struct are found under its field's name, which the reason tells."""
    file = io.BytesIO()
    with h5py.File(file, "w", userblock_size=512) as hdf5:
        group = hdf5.create_group("exam")
        group.attrs["MATLAB_class"] = np.bytes_("struct")
        group.create_dataset("cine", data=cine().T).attrs["MATLAB_class"] = np.bytes_("uint8")
    with pytest.raises(ClipError, match=r"ingestion.variable=exam.cine"):
        verify(as_matlab(file.getvalue()))
    from test_mat_clips import declared

    frames = declared(as_matlab(file.getvalue()), variable="exam.cine")
    np.testing.assert_array_equal(frames, cine()[:, :, 0].transpose(2, 0, 1))
