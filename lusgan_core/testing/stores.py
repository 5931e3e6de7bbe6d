"""The contract of a store, whatever it keeps its objects in.

A store's own test class inherits the suite and says how a store is opened::

    class TestLocalStore(StoreContract):
        @pytest.fixture(autouse=True)
        def choose(self, tmp_path):
            self.uri = str(tmp_path)

Writers race in threads and in processes; what a store does when its disk is full differs between
kinds of stores, and is for their own tests.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from lusgan_core.errors import AlreadyExistsError, MissingArtifactError, StoreError
from lusgan_core.store import Store, open_store

BAD_KEYS = (
    "",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/../b",
    "a/./b",
    "a\\b",
    "a\nb",
    "a\0b",
    "a\x1b[2J",
)
"""Keys each of which breaks one rule."""
WRITERS = 16

RACER = """
import sys
from lusgan_core.errors import AlreadyExistsError
from lusgan_core.store import open_store
uri, key, name = sys.argv[1:]
store = open_store(uri)
print("ready", flush=True)
sys.stdin.readline()
try:
    store.put(key, name.encode() * 100_000, if_absent=True)
    print("won")
except AlreadyExistsError:
    print("lost")
"""


class StoreContract:
    """The tests of a store. Set ``uri`` to an address where no object is yet."""

    uri: str
    races: int = 10
    """How often threads race for a key; fewer if the server is slow to answer the losers."""

    @property
    def store(self) -> Store:
        """The store, opened anew, as another process would."""
        return open_store(self.uri)

    def test_what_is_put_is_got(self) -> None:
        """Bytes come back as they went in: none, few, and more than one chunk of a stream."""
        for size in (0, 1, 3_000_001):
            data = bytes(range(256)) * (size // 256 + 1)
            self.store.put("a/b.bin", data[:size])
            assert self.store.get("a/b.bin") == data[:size], f"{size} bytes came back changed"

    def test_files_are_put_and_stay(self) -> None:
        """A local file is copied; it stays where it is."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            path.write_bytes(b"content" * 300_000)
            self.store.put("from/file", path)
            assert self.store.get("from/file") == path.read_bytes(), "a file came back changed"

    def test_put_replaces(self) -> None:
        """A second put to a key counts, whole: nothing of a longer first one is left."""
        self.store.put("key", b"a long first value")
        self.store.put("key", b"second")
        assert self.store.get("key") == b"second", "the second put does not count"

    def test_open_streams_and_seeks(self) -> None:
        """An open object can be read in parts, from anywhere."""
        self.store.put("stream", bytes(range(100)))
        with self.store.open("stream") as stream:
            assert stream.seekable(), "the stream does not seek"
            stream.seek(90)
            assert stream.read(5) == bytes(range(90, 95)), "seeking ends up elsewhere"
            assert stream.seek(0, io.SEEK_END) == 100, "the end is not at the size"

    def test_an_open_object_is_not_disturbed(self) -> None:
        """A reader sees one version of an object, though it is replaced meanwhile."""
        self.store.put("object", b"old" * 1_000_000)
        with self.store.open("object") as stream:
            first = stream.read(3)
            self.store.put("object", b"new" * 1_000_000)
            assert first + stream.read() == b"old" * 1_000_000, "old and new are mixed"

    def test_local_copy_is_a_file_with_the_content(self) -> None:
        """Libraries that want a path get one."""
        self.store.put("copy/me", b"content")
        with self.store.local_copy("copy/me") as path:
            assert path.read_bytes() == b"content", "the local copy differs"

    def test_what_is_not_there_is_missing(self) -> None:
        """Reading names the key in a MissingArtifactError, for folders of keys as well."""
        self.store.put("folder/object", b"")

        def copy(key: str) -> None:
            with self.store.local_copy(key):
                pass

        for key in ("nothing", "folder", "folder/object/below", "n" * 300):
            assert not self.store.exists(key), f"{key} exists"
            for read in (self.store.get, self.store.open, copy):
                error = raised(MissingArtifactError, lambda r=read, k=key: r(k))  # type: ignore[misc]
                assert key in str(error), f"the message does not name the key: {error}"

    def test_exists_after_put_and_not_after_delete(self) -> None:
        """A deleted object is gone from get, exists and list, and can be put again."""
        self.store.put("a/b/c", b"1")
        assert self.store.exists("a/b/c")
        self.store.delete("a/b/c")
        assert not self.store.exists("a/b/c"), "it exists after its deletion"
        assert not list(self.store.list()), "it is listed after its deletion"
        self.store.put("a/b/c", b"2", if_absent=True)
        assert self.store.get("a/b/c") == b"2"

    def test_delete_leaves_the_rest_and_minds_nothing_missing(self) -> None:
        """Deleting removes one object, and a missing object is no error."""
        self.store.put("a/b", b"")
        self.store.put("a/bc", b"")
        for key in ("a/b", "a/b", "a", "nothing/at/all", "a/bc/below"):
            self.store.delete(key)
        assert [o.key for o in self.store.list()] == ["a/bc"]

    def test_list_is_sorted_and_tells_sizes(self) -> None:
        """Objects are listed in the order of their keys, in whatever order they were written."""
        keys = ["b", "a/c", "a-b/c", "a.b", "a/B", "a0", "a/c.d/e", "ab/c", "é", "z/0010", "z/009"]
        for key in keys:
            self.store.put(key, key.encode())
        listed = list(self.store.list())
        assert [o.key for o in listed] == sorted(keys), "the listing is not sorted by key"
        assert [o.size for o in listed] == [len(o.key.encode()) for o in listed], "sizes are wrong"

    def test_list_takes_any_prefix_of_a_key(self) -> None:
        """A prefix may end anywhere in a key, not only at a slash."""
        keys = ["m/s-0/x", "m/s-0/y/z", "m/s-01", "m/s-1/x", "mm", "n"]
        for key in keys:
            self.store.put(key, b"")
        for prefix in (
            "",
            "m",
            "m/",
            "m/s-0",
            "m/s-0/",
            "m/s-0/y/z",
            "m/s-0/y/z/",
            "q",
            "/",
            "a//b",
        ):
            wanted = [key for key in keys if key.startswith(prefix)]
            listed = [o.key for o in self.store.list(prefix)]
            assert listed == wanted, f"prefix {prefix!r}: {listed}, expected {wanted}"

    def test_bad_keys_are_refused(self) -> None:
        """Nothing leaves the store or hides in it: keys are checked by every method."""

        def copy(key: str) -> None:
            with self.store.local_copy(key):
                pass

        store = self.store
        for key in BAD_KEYS:
            for call in (
                lambda k: store.put(k, b""), store.get, store.open, store.exists, store.delete, copy
            ):  # fmt: skip
                error = raised(StoreError, lambda c=call, k=key: c(k))  # type: ignore[misc]
                assert not isinstance(error, MissingArtifactError), f"{key!r} passes for a key"
        assert not list(store.list())

    def test_conditional_put_keeps_the_first(self) -> None:
        """With if_absent a taken key is left alone and named in an AlreadyExistsError."""
        self.store.put("key", b"first", if_absent=True)
        error = raised(AlreadyExistsError, lambda: self.store.put("key", b"second", if_absent=True))
        assert "key" in str(error), f"the message does not name the key: {error}"
        assert self.store.get("key") == b"first", "the second one won"
        assert [o.key for o in self.store.list()] == ["key"], "the loser left something behind"

    def test_one_of_many_threads_wins(self) -> None:
        """Of writers racing for a key in threads exactly one wins, and its data is whole."""
        store, barrier = self.store, threading.Barrier(WRITERS)
        for number in range(self.races):
            winners: list[int] = []

            def race(name: int, key: str = f"race/{number}", won: list[int] = winners) -> None:
                barrier.wait()
                try:
                    store.put(key, bytes([name]) * 100_000, if_absent=True)
                    won.append(name)
                except AlreadyExistsError:
                    pass

            threads = [threading.Thread(target=race, args=(name,)) for name in range(WRITERS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(winners) == 1, f"{len(winners)} of {WRITERS} writers won"
            assert store.get(f"race/{number}") == bytes(winners) * 100_000, "its data is not whole"

    def test_one_of_several_processes_wins(self) -> None:
        """Of writers racing for a key in processes exactly one wins, and its data is whole."""
        names = ("one", "two", "six")
        racers = [
            subprocess.Popen(
                [sys.executable, "-c", RACER, self.uri, "race", name],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for name in names
        ]  # fmt: skip
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n", "a writer did not start"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("go\n")
            racer.stdin.flush()
        said = [racer.communicate(timeout=60)[0].strip() for racer in racers]
        assert sorted(said) == ["lost", "lost", "won"], f"they said {said}"
        winner = names[said.index("won")]
        assert self.store.get("race") == winner.encode() * 100_000, "its data is not whole"

    def test_readers_never_see_half_an_object(self) -> None:
        """While an object is replaced again and again, every read gives one version, whole."""
        store = self.store
        versions = [bytes([n]) * (50_000 + n) for n in range(8)]
        store.put("object", versions[0])
        done = threading.Event()

        def write() -> None:
            for version in versions * 5:
                store.put("object", version)
            done.set()

        writer = threading.Thread(target=write)
        writer.start()
        while not done.is_set():
            assert store.get("object") in versions, "a read gave half an object"
        writer.join()

    def test_puts_and_deletes_in_one_folder_do_not_disturb_each_other(self) -> None:
        """Deleting a folder's last object while another is put there loses neither's work."""
        store, failures = self.store, []

        def churn(name: str) -> None:
            try:
                for _ in range(100):
                    store.put(f"folder/deep/{name}", name.encode())
                    assert store.get(f"folder/deep/{name}") == name.encode()
                    store.delete(f"folder/deep/{name}")
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=churn, args=(name,)) for name in ("a", "b", "c")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures, f"{failures[0]!r}"


def raised(kind: type[Exception], act: Callable[[], object]) -> Exception:
    """Call a function that must raise an error.

    Args:
        kind: Type of the error that is expected.
        act: Function to call.

    Returns:
        The error.

    Raises:
        AssertionError: The function raises no error.
    """
    try:
        act()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} was raised")
