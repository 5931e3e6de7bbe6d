"""A store in a real S3 server: the contract, and what only S3 can do."""

from __future__ import annotations

import hashlib
import random
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from faulty_proxy import FaultyProxy
from seaweed import ADMIN, READER, Seaweed

from lusgan_core.errors import AlreadyExistsError, ConfigError, MissingArtifactError, StoreError
from lusgan_core.store import open_store
from lusgan_core.store.s3 import Bucket, S3Address, listing
from lusgan_core.store.s3 import client as s3_client
from lusgan_core.testing import StoreContract


class TestS3Store(StoreContract):
    races = 2  # SeaweedFS lets a loser wait for up to 5 s

    @pytest.fixture(autouse=True)
    def choose(self, uri: str) -> None:
        self.uri = uri


def split(uri: str) -> tuple[str, str]:
    """Bucket and prefix."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    return bucket, prefix


def refused(kind: type[Exception], uri: str, text: str) -> None:
    """Opening the store fails with one line that has the text, and no secret."""
    with pytest.raises(kind, match=text) as caught:
        open_store(uri)
    message = str(caught.value)
    assert "\n" not in message
    assert not any(secret in message for secret in (*ADMIN, *READER, "wrong-"))


def test_large_files_go_in_parts(s3: Seaweed, uri: str, tmp_path: Path) -> None:
    """40 MB travel in three checked parts, and come back the same through every way of reading."""
    path, store = tmp_path / "large", open_store(uri)
    path.write_bytes(random.Random(0).randbytes(40 << 20))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    store.put("large.bin", path)
    bucket, prefix = split(uri)
    head = s3.client().head_object(Bucket=bucket, Key=f"{prefix}/large.bin")
    assert head["ETag"].endswith('-3"'), "it was not sent in three parts"
    assert head["Metadata"]["sha256"] == digest
    assert hashlib.sha256(store.get("large.bin")).hexdigest() == digest
    with store.local_copy("large.bin") as copy:
        assert copy.suffix == ".bin"
        with copy.open("rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == digest
    assert not copy.exists()
    with pytest.raises(AlreadyExistsError):
        store.put("large.bin", path, if_absent=True)
    left = s3.client().list_multipart_uploads(Bucket=bucket, Prefix=prefix).get("Uploads", [])
    assert not left, "parts of an upload were left behind"


def test_of_large_conditional_writers_one_wins(s3: Seaweed, uri: str, tmp_path: Path) -> None:
    """Files that would go in parts race as small ones do: one wins, whole."""
    store, won = open_store(uri), []

    def race(name: int) -> None:
        path = tmp_path / str(name)
        path.write_bytes(bytes([name]) * (17 << 20))
        try:
            store.put("raced", path, if_absent=True)
            won.append(name)
        except AlreadyExistsError:
            pass

    threads = [threading.Thread(target=race, args=(name,)) for name in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.get("raced") == bytes(won) * (17 << 20)


def test_hdf5_opens_in_place(s3: Seaweed, uri: str, tmp_path: Path) -> None:
    """h5py reads a shard from the store's stream as it does from a file."""
    frames = np.random.default_rng(0).integers(0, 256, (50, 64, 64), np.uint8)
    with h5py.File(tmp_path / "shard.h5", "w") as file:
        file.create_dataset("frames", data=frames, chunks=(1, 64, 64), compression="gzip")
    store = open_store(uri)
    store.put("shard.h5", tmp_path / "shard.h5")
    with store.open("shard.h5") as stream, h5py.File(stream, "r") as file:
        assert np.array_equal(file["frames"][()], frames)


def test_a_damaged_object_is_noticed(s3: Seaweed, uri: str) -> None:
    """Content that does not fit the checksum it was written with is an error for every reader."""
    store, (bucket, prefix) = open_store(uri), split(uri)
    store.put("object", b"right" * 100_000)
    written = s3.client().head_object(Bucket=bucket, Key=f"{prefix}/object")["Metadata"]
    s3.client().put_object(
        Bucket=bucket, Key=f"{prefix}/object", Body=b"wrong" * 100_000, Metadata=written
    )
    with pytest.raises(StoreError, match="does not fit its checksum"):
        store.get("object")
    with pytest.raises(StoreError, match="does not fit its checksum"), store.local_copy("object"):
        pass
    with store.open("object") as stream, pytest.raises(StoreError, match="checksum"):
        stream.read()


def test_thousands_of_objects_in_order(
    s3: Seaweed, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3,000 objects come sorted, page by page, also where they are too many to be sorted here."""
    store, (bucket, prefix) = open_store(uri), split(uri)
    folders = ("a", "a-b", "a.b", "a/c", "b", "a/c-d")
    keys = [f"{folders[n % 6]}/{n:04}" for n in range(2990)] + ["a-", "a0", "a/c.x", "z", "a.b.c"]
    with ThreadPoolExecutor(6) as pool:
        full = [f"{prefix}/{key}" for key in keys]
        list(pool.map(lambda n: s3.fill(bucket, full[n::6]), range(6)))
    for held in (10_000, 600):
        monkeypatch.setattr(listing, "HELD", held)
        assert [o.key for o in store.list()] == sorted(keys), f"HELD = {held}"
    monkeypatch.setattr(listing, "HELD", 5)
    assert [o.key for o in store.list("a/c")] == sorted(k for k in keys if k.startswith("a/c"))


def test_a_reader_may_read_and_is_told_what_is_missing(
    s3: Seaweed, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the permission to read, reading works, and writing and deleting name the permission."""
    open_store(uri).put("object", b"content")
    for name, value in s3.environment(READER).items():
        monkeypatch.setenv(name, value)
    store = open_store(uri)
    assert store.get("object") == b"content"
    with pytest.raises(StoreError, match="s3:PutObject"):
        store.put("other", b"")
    with pytest.raises(StoreError, match="s3:PutObject"):
        store.put("object", b"", if_absent=True)
    with pytest.raises(StoreError, match="s3:DeleteObject"):
        store.delete("object")
    assert store.get("object") == b"content"


def test_wrong_places_and_keys(s3: Seaweed, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bucket, key, secret, permission, endpoint: each is one line that says what to do."""
    refused(StoreError, "s3://no-such-bucket/x", "there is no such bucket: create it")
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "wrong-key")
        refused(StoreError, uri, "check AWS_ACCESS_KEY_ID")
    with monkeypatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
        refused(StoreError, uri, "check AWS_SECRET_ACCESS_KEY")
    with monkeypatch.context() as patch:
        patch.delenv("AWS_SECRET_ACCESS_KEY")
        refused(ConfigError, uri, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    with monkeypatch.context() as patch:
        for name, value in s3.environment(READER).items():
            patch.setenv(name, value)
        refused(StoreError, "s3://exams/x", "ask for the permission s3:ListBucket")
    refused(ConfigError, f"{uri}?profile=nobody", "no such profile")
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", "127.0.0.1:1")
        refused(ConfigError, uri, "endpoint's address is not valid")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
    refused(StoreError, f"{uri}?endpoint=http://127.0.0.1:{port}", "nothing answers there")
    refused(StoreError, f"{uri}?endpoint={s3.endpoint.replace('http:', 'https:')}", "speaks https")


def test_a_server_that_is_no_s3(s3: Seaweed, uri: str) -> None:
    """A web server at the endpoint is told from an S3 server."""
    page = (
        b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 20\r\n"
        b"Connection: close\r\n\r\n<html><hr>404</html>"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.recv(100_000)
                    connection.sendall(page)

        threading.Thread(target=answer, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
        refused(StoreError, f"{uri}?endpoint={endpoint}", "does not speak S3")


def test_a_clock_that_is_wrong(s3: Seaweed, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests signed an hour ago are refused, and the message names the clock."""
    import datetime

    import botocore.auth

    def earlier(*_: Any, **__: Any) -> datetime.datetime:
        now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
        return now.replace(tzinfo=None)

    monkeypatch.setattr(botocore.auth, "get_current_datetime", earlier)
    refused(StoreError, uri, "clock differs")


def test_a_stalled_server_is_given_up(
    s3: Seaweed, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that accepts and then says nothing is left after the time-out, with a clear word."""
    monkeypatch.setattr(s3_client, "READ_TIMEOUT_S", 0.1)
    s3_client._client.cache_clear()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        refused(StoreError, f"{uri}?endpoint={endpoint}", "connection broke off every time")
    s3_client._client.cache_clear()


def test_a_lost_answer_is_not_a_lost_race(
    s3: Seaweed, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conditional write whose answer got lost, and which is repeated, has won all the same."""
    with FaultyProxy(s3.endpoint, seed=3) as proxy:
        store = open_store(f"{uri}?endpoint={proxy.endpoint}")
        for number in range(10):
            proxy.kinds, proxy.rate = ["lost answer", "asked twice"], 0.5
            store.put(f"key-{number}", b"mine", if_absent=True)
            proxy.rate = 0
            with pytest.raises(AlreadyExistsError):
                store.put(f"key-{number}", b"other", if_absent=True)
            assert store.get(f"key-{number}") == b"mine"
        assert sum(proxy.counts.values()) > 5


def test_versions_and_locks(s3: Seaweed, uri: str) -> None:
    """In a bucket with versions and locks, put, replace, delete and conditional put all work."""
    client, name = s3.client(), f"locked-{random.randrange(10**9)}"
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    store = open_store(f"s3://{name}/deep/prefix")
    store.put("a/key", b"one", if_absent=True)
    store.put("a/key", b"two")
    client.put_object_legal_hold(Bucket=name, Key="deep/prefix/a/key", LegalHold={"Status": "ON"})
    assert store.get("a/key") == b"two"
    store.delete("a/key")
    assert not store.exists("a/key")
    assert not list(store.list())
    with pytest.raises(MissingArtifactError):
        store.get("a/key")
    store.put("a/key", b"three", if_absent=True)
    assert store.get("a/key") == b"three"


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_a_bucket_says_whether_it_keeps_versions(
    s3: Seaweed, uri: str, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With versions it does, and goes on keeping those it has; without, or unasked, it does not."""
    client, name = s3.client(), f"kept-{random.randrange(10**9)}"
    client.create_bucket(Bucket=name)
    assert not open_store(f"s3://{name}/deep").keeps_deleted()
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})
    assert open_store(f"s3://{name}/deep").keeps_deleted()
    assert not open_store(uri).keeps_deleted()
    for variable, value in s3.environment(READER).items():
        monkeypatch.setenv(variable, value)
    assert not Bucket(S3Address.parse(f"s3://{name}/deep")).has_versions()


def test_encryption_is_asked_for(s3: Seaweed, uri: str) -> None:
    """``?sse=AES256`` reaches the server with every write, and what was written can be read."""
    store, (bucket, prefix) = open_store(f"{uri}?sse=AES256&path_style=true"), split(uri)
    store.put("object", b"content")
    head = s3.client().head_object(Bucket=bucket, Key=f"{prefix}/object")
    assert head["ServerSideEncryption"] == "AES256"
    assert store.get("object") == b"content"


def test_content_types(s3: Seaweed, uri: str) -> None:
    """A report's page is served as one."""
    store, (bucket, prefix) = open_store(uri), split(uri)
    store.put("reports/index.html", b"<p>")
    head = s3.client().head_object(Bucket=bucket, Key=f"{prefix}/reports/index.html")
    assert head["ContentType"] == "text/html"
