"""A store in a folder: the contract, and what only a folder can do."""

from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lusgan_core.errors import ConfigError, StoreError
from lusgan_core.store import LocalStore, open_store
from lusgan_core.store.base import key_part
from lusgan_core.testing import StoreContract
from tiny_runs import Pipeline, tiny_config, write_exams

FILL = """
import resource, signal, sys
from lusgan_core.errors import StoreError
from lusgan_core.store import open_store
store = open_store(sys.argv[1])
if sys.argv[2] == "limit":  # as good as a full disk: writing beyond 200 kB fails
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
store.put("kept", b"before")
for if_absent in (False, True):
    try:
        store.put("kept" if not if_absent else "new", bytes(5_000_000), if_absent=if_absent)
    except StoreError as error:
        print(error)
print([o.key for o in store.list()], store.get("kept"))
"""


class TestLocalStore(StoreContract):
    @pytest.fixture(autouse=True)
    def choose(self, tmp_path: Path) -> None:
        self.uri = str(tmp_path / "store")


@pytest.mark.parametrize("key", ["", "../outside", "models/.partial-1"])
def test_what_is_no_key_is_called_that(tmp_path: Path, key: str) -> None:
    """Asking for it says that it is not a key, not that the store cannot be read."""
    store = LocalStore(tmp_path)
    for ask in (store.get, store.exists):
        with pytest.raises(StoreError, match=r"^'.*' is not a key: "):
            ask(key)


def test_an_error_in_the_file_system_is_no_missing_object(tmp_path: Path) -> None:
    """What is there and cannot be read, here a link to itself, is an error that says so."""
    (tmp_path / "circle").symlink_to("circle")
    store = LocalStore(tmp_path)
    for ask in (store.get, store.size, store.exists):
        with pytest.raises(StoreError, match=r"^circle in /.* cannot be read: Too many levels"):
            ask("circle")


def test_an_object_that_cannot_be_put_in_its_place_is_an_error(tmp_path: Path) -> None:
    """Its content could be written, but not under its name: nobody is told that it was."""
    store = LocalStore(tmp_path)
    for if_absent in (False, True):
        with pytest.raises(StoreError, match=r"cannot be written to .*: File name too long"):
            store.put("n" * 300, b"", if_absent=if_absent)
    assert list(tmp_path.iterdir()) == []


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    """A link back to the store itself would be listed without an end."""
    store = LocalStore(tmp_path)
    store.put("a/b", b"")
    (tmp_path / "again").symlink_to(tmp_path)
    assert [item.key for item in store.list()] == ["a/b"]


@pytest.fixture
def small_disk(tmp_path: Path):
    """Yield a folder on a disk of 1 MB, or skip where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("SKIPPED: a full disk needs a tmpfs, which only root can mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="no RLIMIT_FSIZE here")
def test_a_limit_on_file_size_leaves_nothing_half_written(tmp_path: Path) -> None:
    """Where a write fails in the middle, what was there stays, and no part of a file is left."""
    check_full(tmp_path / "store", "limit", "File too large")


def test_a_full_disk_leaves_nothing_half_written(small_disk: Path) -> None:
    """The same on a disk that is really full; the error says what to do."""
    check_full(small_disk / "store", "disk", "No space left on device")


def check_full(store: Path, how: str, why: str) -> None:
    """Let a process write more than there is room for, and look at what it left and said."""
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(store), how], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    replaced, new, left = done.stdout.splitlines()
    for said, key in ((replaced, "kept"), (new, "new")):
        assert said.startswith(f"{key} cannot be written to {store}: {why}")
        assert "free some space and run the same command again" in said
    assert left == "['kept'] b'before'"
    assert [p.name for p in store.rglob("*")] == ["kept"]


@pytest.mark.parametrize("folder", ["/dev/null/store", "/proc/store"])
def test_a_folder_that_cannot_be_written_is_refused_at_once(folder: str) -> None:
    """Opening says which folder and which option, before any work is done."""
    with pytest.raises(StoreError, match=r"the store /.* cannot be written: .*--store"):
        open_store(folder)


def test_a_key_below_an_object_is_no_such_thing(tmp_path: Path) -> None:
    """In a folder an object cannot hold others: that is an error, and not that somebody won."""
    store = LocalStore(tmp_path)
    store.put("a", b"")
    for if_absent in (False, True):
        with pytest.raises(StoreError) as error:
            store.put("a/b", b"", if_absent=if_absent)
        assert type(error.value) is StoreError


def test_a_power_cut_finds_whole_objects_and_no_manifest_before_what_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All bytes of an object are on the disk before it gets its name, and those of what a manifest
    names before the manifest does: whatever the moment, what can be found is whole."""
    synced: dict[int, int] = {}
    named: list[tuple[str, bool]] = []
    real = {name: getattr(os, name) for name in ("fsync", "link", "replace")}

    def fsync(descriptor: int) -> None:
        real["fsync"](descriptor)
        found = os.fstat(descriptor)
        synced[found.st_ino] = found.st_size

    def naming(how: str) -> Callable[[Path, Path], None]:
        def name(source: Path, target: Path) -> None:
            found = Path(source).stat()
            named.append((str(target), synced.get(found.st_ino) == found.st_size))
            real[how](source, target)

        return name

    exams = write_exams(tmp_path / "exams", patients=2)
    with monkeypatch.context() as watched:
        watched.setattr(os, "fsync", fsync)
        for how in ("link", "replace"):
            watched.setattr(os, how, naming(how))
        pipeline = Pipeline(exams, tmp_path / "store")
        pipeline.run(tiny_config(), until="preprocess")
        pipeline.store.put("replaced", b"1")
        pipeline.store.put("replaced", b"22")
    order = [Path(name).relative_to(tmp_path / "store").as_posix() for name, _ in named]
    assert all(whole for _, whole in named)
    assert set(order) == set(pipeline.files())
    manifests = [key for key in order if key.startswith("shards/") and key.endswith(".json")]
    assert len(manifests) == 2
    for key in manifests:
        names = json.loads(pipeline.store.get(key))["artifacts"].values()
        assert names
        assert all(order.index(one["key"]) < order.index(key) for one in names)


def test_messages_name_no_patient(tmp_path: Path) -> None:
    """Keys of shards and exams hold codes: errors about them tell the kind of object alone."""
    store = LocalStore(tmp_path)
    store.put("shards/4711/1/a.h5", b"")
    for act in (
        lambda: store.get("shards/4711/1/missing.h5"),
        lambda: store.put("shards/4711/1/a.h5", b"", if_absent=True),
        lambda: store.put("shards/4711/1/a.h5/b", b""),
        lambda: store.get("exams/4711//"),
    ):
        with pytest.raises(StoreError, match=r"an object of (shards|exams)/") as error:
            act()
        assert "4711" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "part"),
    [("9001", "9001"), ("Zoë 1", "Zoë 1"), ("a\x1b[2J", "a%1B[2J"), ("50%", "50%25"),
     ("a\\b", "a%5Cb"), ("..", "%2E."), (".partial-x", "%2Epartial-x"),
     ("a\u2028b", "a%E2%80%A8b")],
)  # fmt: skip
def test_any_name_can_be_part_of_a_key(tmp_path: Path, name: str, part: str) -> None:
    """Names that hospitals give become parts of keys that the store takes, each its own."""
    assert key_part(name) == part
    LocalStore(tmp_path).put(f"shards/{part}/x", b"")


def test_unfinished_files_are_no_objects(tmp_path: Path) -> None:
    """What a killed writer leaves is not listed, and no key can have such a name."""
    store = LocalStore(tmp_path)
    store.put("a/b", b"")
    (tmp_path / "a" / ".partial-x").write_bytes(b"half")
    assert [o.key for o in store.list()] == ["a/b"]
    with pytest.raises(StoreError, match="not a key"):
        store.put("a/.partial-x", b"")


def test_deleting_tidies_folders_up(tmp_path: Path) -> None:
    """Folders that hold nothing any more go, and the store's own stays."""
    store = LocalStore(tmp_path / "store")
    store.put("a/b/c/d", b"")
    store.put("a/x", b"")
    store.delete("a/b/c/d")
    assert [p.name for p in (tmp_path / "store").rglob("*")] == ["a", "x"]
    store.delete("a/x")
    assert list((tmp_path / "store").iterdir()) == []


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_what_it_makes_is_for_its_owner_alone(tmp_path: Path, umask: int) -> None:
    """Keys name patients: whatever the umask, nobody else reads a file or lists a folder."""
    file = tmp_path / "file"
    file.write_bytes(b"a file of the user's")
    before = os.umask(umask)
    try:
        store = LocalStore(tmp_path / "above" / "store")
        store.put("shards/9001/1/clip", b"bytes")
        store.put("shards/9001/1/file", file)
        store.put("shards/9001/1/once", b"bytes", if_absent=True)
    finally:
        os.umask(before)
    made = [tmp_path / "above", *(tmp_path / "above").rglob("*")]
    modes = {path.is_dir(): stat.S_IMODE(path.stat().st_mode) for path in made}
    assert modes == {True: 0o700, False: 0o600}
    assert len(made) == 8
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_dir()} == {0o700}


def test_addresses(tmp_path: Path) -> None:
    """A path and a file:// address open the same folder, which is made with all above it; other
    schemes are refused by name."""
    folder = tmp_path / "not" / "there"
    open_store(folder).put("a", b"1")
    assert open_store(f"file://{folder}").get("a") == b"1"
    with pytest.raises(ConfigError, match="gs://"):
        open_store("gs://bucket")
