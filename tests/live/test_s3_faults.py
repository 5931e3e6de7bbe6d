"""Hundreds of faults between the store and its server, checked against a model in memory.

The model knows, for each key, every value that it may have: one after a write that succeeded, the
old and the new one after a write that failed (its answer may have been lost on the way back).
"""

from __future__ import annotations

import random
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from faulty_proxy import FaultyProxy
from seaweed import ADMIN, Seaweed

from campaigns import Campaign
from lusgan_core.errors import AlreadyExistsError, MissingArtifactError, StoreError
from lusgan_core.store import Store, open_store

RATE = 0.25
WORKERS = 6
KEYS = 6
SIZES = (0, 10, 3_000, 100_000, 700_000)
PART_BYTES = 5 << 20
"""The smallest that S3 takes; files beyond it go in parts."""

Value = bytes | None
"""What a key may hold; None where it is not there."""


class Worker:
    """Does one thing after another to keys of its own, and holds each result against the model."""

    def __init__(self, store: Store, name: str, folder: Path, rng: random.Random) -> None:
        self.store, self.name, self.folder, self.rng = store, name, folder, rng
        self.may: dict[str, set[Value]] = {f"{name}/{n}/data.bin": {None} for n in range(KEYS)}
        self.failures: list[str] = []
        """Texts of the StoreErrors; each is an act that the model takes for undecided."""
        self.done = 0
        self.acts = (
            self.put, self.put, self.put_if_absent, self.put_if_absent, self.put_file, self.get,
            self.get, self.read_parts, self.exists, self.list, self.delete, self.local_copy,
        )  # fmt: skip

    def act(self) -> None:
        """One act on one key."""
        key = self.rng.choice(list(self.may))
        try:
            self.rng.choice(self.acts)(key)
        except StoreError as error:
            if isinstance(error, MissingArtifactError | AlreadyExistsError):
                raise AssertionError(f"unexpected: {error}") from error
            self.failures.append(str(error))
        self.done += 1

    def value(self) -> bytes:
        """A value like no other."""
        return self.rng.randbytes(16) + bytes(self.rng.choice(SIZES))

    def write(self, key: str, value: Value, how: object) -> None:
        """Model a write: undecided until it has succeeded."""
        before = set(self.may[key])
        self.may[key] |= {value}
        try:
            how()  # type: ignore[operator]
        except AlreadyExistsError:
            assert before != {None}, f"{key} is not there, but said to be"
            self.may[key] = before - {None}
        else:
            self.may[key] = {value}

    def put(self, key: str) -> None:
        value = self.value()
        self.write(key, value, lambda: self.store.put(key, value))

    def put_if_absent(self, key: str) -> None:
        value, was = self.value(), set(self.may[key])

        def how() -> None:
            self.store.put(key, value, if_absent=True)
            assert None in was, f"{key} was there, and is overwritten"

        self.write(key, value, how)

    def put_file(self, key: str) -> None:
        path, value = (
            self.folder / self.name,
            self.value() + bytes(PART_BYTES * self.rng.choice((0,) * 7 + (1,))),
        )
        path.write_bytes(value)
        self.write(key, value, lambda: self.store.put(key, path))

    def delete(self, key: str) -> None:
        self.write(key, None, lambda: self.store.delete(key))

    def saw(self, key: str, value: Value) -> None:
        """What a read gives must be possible, and then it is certain."""
        assert value in self.may[key], f"{key}: a read gave a value that it never had"
        self.may[key] = {value}

    def get(self, key: str) -> None:
        try:
            value: Value = self.store.get(key)
        except MissingArtifactError:
            value = None
        self.saw(key, value)

    def read_parts(self, key: str) -> None:
        try:
            with self.store.open(key) as stream:
                end = stream.seek(0, 2)
                cut = self.rng.randrange(end + 1)
                stream.seek(cut)
                last = stream.read()
                stream.seek(0)
                value: Value = stream.read(cut) + last
        except MissingArtifactError:
            value = None
        self.saw(key, value)

    def local_copy(self, key: str) -> None:
        try:
            with self.store.local_copy(key) as path:
                value: Value = path.read_bytes()
        except MissingArtifactError:
            value = None
        self.saw(key, value)

    def exists(self, key: str) -> None:
        there = self.store.exists(key)
        self.may[key] = {v for v in self.may[key] if (v is not None) == there}
        assert self.may[key], f"{key}: exists() is {there}"

    def list(self, key: str) -> None:
        listed = {o.key: o.size for o in self.store.list(f"{self.name}/")}
        assert set(listed) <= set(self.may), "a key that nobody wrote"
        for name, values in self.may.items():
            possible = {None if v is None else len(v) for v in values}
            assert listed.get(name) in possible, f"{name}: listed with {listed.get(name)}"


@pytest.mark.campaign("faults")
def test_faults_on_the_line(
    s3: Seaweed, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, campaign: Campaign
) -> None:
    """Every act through a faulty line ends right or in one clear line, and a rerun completes.

    No read gives half a value or a mixture, no write that succeeded is lost, none that said to have
    lost has won; afterwards, over a good line, everything is as the model says.
    """
    monkeypatch.setattr("lusgan_core.store.s3.upload.PART_BYTES", PART_BYTES)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    wrong: list[BaseException] = []
    faults = campaign.size
    with FaultyProxy(s3.endpoint, seed=campaign.seed) as proxy:
        store = open_store(f"{uri}?endpoint={proxy.endpoint}")
        names = [f"w{n}" for n in range(WORKERS)]
        workers = [Worker(store, name, tmp_path, campaign.chance(name)) for name in names]
        proxy.rate = RATE

        def work(worker: Worker) -> None:
            try:
                while proxy.counts.total() < faults and not wrong:
                    worker.act()
            except BaseException as error:
                wrong.append(error)

        threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if wrong:
            raise wrong[0]
        counts, requests = +proxy.counts, len(proxy.requests)
    for kind, count in sorted(counts.items()):
        campaign.row(fault=kind, times=count)
    assert counts.total() >= faults
    assert all(counts[kind] > faults / 30 for kind in proxy.kinds), counts
    failures = [text for worker in workers for text in worker.failures]
    done = sum(worker.done for worker in workers)
    campaign.row(fault=f"{done} acts, {len(failures)} failed; {requests} requests")
    assert done > faults / 5
    assert len(failures) < done / 10, failures[:10]
    for text in failures:
        assert "\n" not in text
        assert "run the same command again" in text, text
        assert not any(secret in text for secret in ADMIN)
    monkeypatch.undo()
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    good = open_store(uri)
    for worker in workers:
        worker.store = good
        for key in worker.may:
            worker.get(key)
        worker.list("")
        for key in worker.may:  # the rerun
            with suppress(AlreadyExistsError):
                good.put(key, b"again", if_absent=True)
            assert good.exists(key)
    assert not list(tmp_path.glob("lusgan-*")), "local copies were left behind"
