"""Exams in a real S3 server: found and streamed as from a folder, also over a bad line."""

from __future__ import annotations

import hashlib
import random
import tracemalloc
import uuid
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from faulty_proxy import FaultyProxy
from seaweed import ADMIN, READER, Seaweed

from lusgan_core.errors import ExamError
from lusgan_core.ingestion.discover import discover
from lusgan_core.ingestion.inspect import inspect_exam
from lusgan_core.phantom.options import PhantomOptions
from lusgan_core.phantom.tree import write_phantoms
from lusgan_core.store import open_store
from lusgan_core.store.source import open_source
from matfiles import open_mat, verify_mat

OPTIONS = PhantomOptions(patients=2, clips_per_exam=4, frames_per_clip=6, size=96, v73_share=0.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantom exams in a folder."""
    path = tmp_path_factory.mktemp("exams")
    write_phantoms(path, OPTIONS)
    return path


@pytest.fixture(scope="module")
def address(folder: Path, seaweed: Seaweed) -> str:
    """The same exams in a bucket."""
    prefix, client = f"wave-{uuid.uuid4().hex[:8]}", seaweed.client()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        client.upload_file(str(path), "exams", f"{prefix}/{path.relative_to(folder).as_posix()}")
    return f"s3://exams/{prefix}"


@pytest.fixture
def proxy(s3: Seaweed, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """A proxy before the server, faultless until told otherwise."""
    with FaultyProxy(s3.endpoint, seed=5) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", running.endpoint)
        yield running


def test_a_bucket_is_like_a_folder(s3: Seaweed, address: str, folder: Path) -> None:
    """Discovery and inspection say the same of a bucket as of the folder that it copies."""
    there, here = open_source(address), open_source(folder)
    found, expected = discover(there), discover(here)
    assert found.exams == expected.exams
    assert [inspect_exam(there, e) for e in found.exams] == [
        inspect_exam(here, e) for e in expected.exams
    ]


def test_frames_are_the_same_to_the_bit(s3: Seaweed, address: str, folder: Path) -> None:
    """Every frame of every clip, v5 and v7.3, equals the one read from the folder."""
    there, here = open_source(address), open_source(folder)
    keys = [c.clip.key for e in discover(here).exams for c in e.clips]
    versions = set()
    for key in keys:
        with open_mat(there, key) as one, open_mat(here, key) as two:
            versions.add(one.details["mat_version"])
            pairs = zip(one.frames(), two.frames(), strict=True)
            assert all(np.array_equal(a, b) for a, b in pairs), "a frame differs"
    assert versions == {"v5", "v7.3"}


def test_digests_are_remembered_by_etag(proxy: FaultyProxy, address: str) -> None:
    """The second discovery reads no object at all."""
    first = discover(open_source(address))
    proxy.requests.clear()
    again = discover(open_source(address), known=first.digests)
    assert again == first
    assert all(b"list-type" in request for request in proxy.requests), proxy.requests


def test_reading_straight_on_is_one_request(proxy: FaultyProxy, s3: Seaweed) -> None:
    """A large object is one GET from beginning to end; a jump costs one or two more."""
    data = random.Random(1).randbytes(24 << 20)
    s3.client().put_object(Bucket="exams", Key="large/object", Body=data)
    source = open_source("s3://exams/large")
    with source.open("object") as stream:
        assert hashlib.file_digest(stream, "sha256").digest() == hashlib.sha256(data).digest()
        assert [r[:3] for r in proxy.requests] == [b"HEA", b"GET"], proxy.requests
        stream.seek(1000)
        assert stream.read(10) == data[1000:1010]
        stream.seek(1005)  # in the buffer
        assert stream.read(10) == data[1005:1015]
        stream.seek(20 << 20)
        assert stream.read(1 << 20) == data[20 << 20 : 21 << 20]
    assert len(proxy.requests) <= 5, proxy.requests


def test_streaming_takes_little_memory(s3: Seaweed) -> None:
    """Reading 24 MB from beginning to end takes a few buffers of 256 KiB."""
    s3.client().put_object(Bucket="exams", Key="large/object", Body=bytes(24 << 20))
    source = open_source("s3://exams/large")
    tracemalloc.start()
    with source.open("object") as stream:
        while stream.read(100_000):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20, f"{peak / (1 << 20):.1f} MB"


def test_reading_goes_on_after_the_line_breaks(proxy: FaultyProxy, s3: Seaweed) -> None:
    """Answers that stop midway are continued from that byte: the content is whole and right."""
    data = random.Random(2).randbytes(3 << 20)
    s3.client().put_object(Bucket="exams", Key="broken/object", Body=data)
    source = open_source("s3://exams/broken")
    proxy.rate, proxy.kinds = 0.6, ["reset in the answer", "truncated answer"]
    for _ in range(10):
        with source.open("object") as stream:
            assert stream.read() == data
    assert sum(proxy.counts.values()) > 5, proxy.counts
    assert any(b"bytes=" in r and not r.endswith(b"bytes=0-3145727") for r in proxy.requests)


def test_clips_survive_a_bad_line(proxy: FaultyProxy, address: str, folder: Path) -> None:
    """Discovery and whole clips through a proxy with every kind of fault are as without it."""
    keys = [c.clip.key for e in discover(open_source(folder)).exams for c in e.clips]
    proxy.rate = 0.15
    source = open_source(address)
    assert discover(source).exams == discover(open_source(folder)).exams
    for key in keys:
        verify_mat(source, key)
    assert sum(proxy.counts.values()) > 5, proxy.counts


def test_a_dead_line_is_told_as_such(
    proxy: FaultyProxy, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When nothing gets through any more, a clip is not called damaged: the network is named."""
    monkeypatch.setattr("lusgan_core.store.s3.bucket.BUFFER_BYTES", 1024)
    monkeypatch.setattr("lusgan_readers.inflate.INPUT_BYTES", 1024)  # opening reads no clip whole
    source = open_source(address)
    versions = set()
    for key in [c.clip.key for e in discover(source).exams for c in e.clips]:
        proxy.rate, proxy.kinds = 1.0, ["truncated answer"]  # so that opening asks more than once
        with open_mat(source, key) as clip:
            proxy.kinds = ["refused"]
            if clip.details["mat_version"] not in versions:
                versions.add(clip.details["mat_version"])
                with pytest.raises(ExamError, match="connection broke off every time"):
                    list(clip.frames())
        proxy.rate = 0
    assert versions == {"v5", "v7.3"}


def test_an_object_replaced_while_it_is_read(s3: Seaweed) -> None:
    """Reading on in a new version is refused: never a mixture of two."""
    client, source = s3.client(), open_source("s3://exams/changing")
    client.put_object(Bucket="exams", Key="changing/P/E/clip", Body=bytes(8 << 20))
    with source.open("P/E/clip") as stream:
        stream.read(10)
        client.put_object(Bucket="exams", Key="changing/P/E/clip", Body=b"1" * (8 << 20))
        stream.seek(6 << 20)
        with pytest.raises(OSError, match="changed or replaced while being read") as caught:
            stream.read(10)
    assert "clip" not in str(caught.value), "the text names the object"


def test_an_exam_deleted_after_the_listing(s3: Seaweed, folder: Path) -> None:
    """The run ends with what to do, and the next listing is one clip short."""
    client, prefix = s3.client(), f"gone-{uuid.uuid4().hex[:8]}"
    for path in sorted(folder.rglob("*.mat")):
        client.upload_file(str(path), "exams", f"{prefix}/{path.relative_to(folder).as_posix()}")
    source = open_source(f"s3://exams/{prefix}")
    listed = list(source.objects())
    victim = next(s for s in listed if "_score" not in s.key and s.key.count("/") == 2)
    client.delete_object(Bucket="exams", Key=f"{prefix}/{victim.key}")
    late = open_source(f"s3://exams/{prefix}")
    late.objects = lambda: iter(listed)  # type: ignore[method-assign]
    with pytest.raises(ExamError, match=r"is not, or no longer, in s3://exams/.*: if it was del"):
        discover(late)
    found = discover(source)
    assert sum(len(e.clips) for e in found.exams) == OPTIONS.patients * OPTIONS.clips_per_exam - 1


def test_hdf5_reads_a_few_blocks(proxy: FaultyProxy, uri: str, tmp_path: Path) -> None:
    """One frame out of a large file costs a few small requests, not the whole file."""
    path, store = tmp_path / "large.h5", open_store(uri)
    frames = np.random.default_rng(0).integers(0, 256, (200, 256, 256), np.uint8)
    with h5py.File(path, "w") as file:
        file.create_dataset("frames", data=frames, chunks=(1, 256, 256))
    store.put("large.h5", path)
    proxy.requests.clear()
    with store.open("large.h5") as stream, h5py.File(stream, "r") as file:
        assert np.array_equal(file["frames"][150], frames[150])
    assert len(proxy.requests) < 10, proxy.requests


def test_a_bucket_without_exams_or_permission(s3: Seaweed, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty prefix, a missing bucket and a forbidden one are each one line that says so."""
    with pytest.raises(ExamError, match="no exam in s3://exams/empty"):
        discover(open_source("s3://exams/empty"))
    with pytest.raises(ExamError, match="there is no such bucket"):
        discover(open_source("s3://no-such-bucket/exams"))
    for name, value in s3.environment(READER).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ExamError, match="s3:ListBucket") as caught:
        discover(open_source("s3://exams/wave"))
    assert "\n" not in str(caught.value)
    assert not any(secret in str(caught.value) for secret in (*ADMIN, *READER))
