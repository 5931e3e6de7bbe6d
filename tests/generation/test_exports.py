"""What is done with exporters in a generation: where they write, what is recorded, what if not."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lusgan_core.api import Exporter, NoOptions, Samples
from lusgan_core.calls.call import Product, StageContext, execute, new_call, reference_to
from lusgan_core.errors import PluginError
from lusgan_core.generation.copy_out import copy_out
from lusgan_core.generation.exports import Exports
from lusgan_core.generation.stage import SampleSet
from lusgan_core.store import LocalStore

TOLD = Samples(score=1, model="m", seed=7, count=2)
FRAMES = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4)


class Plain:
    """A file a frame."""

    def __init__(self, folder: Any, told: Samples, options: Any) -> None:
        self.folder, self.names = folder, []

    def add(self, frame: Any) -> None:
        self.names.append(f"sub/{len(self.names)}.raw")
        self.digest = self.folder.put(self.names[-1], frame.tobytes())

    def finish(self) -> Any:
        return self.names


class LastFails(Plain):
    def finish(self) -> Any:
        raise ZeroDivisionError("at the end")


class Leaves(Plain):
    def finish(self) -> Any:
        raise SystemExit("enough")


class Climbs(Plain):
    def add(self, frame: Any) -> None:
        self.folder.put("../frames.h5", b"")


class Repeats(Plain):
    def add(self, frame: Any) -> None:
        self.folder.put("one.raw", frame.tobytes())


class Lists(Plain):
    def add(self, frame: Any) -> None:
        self.folder.put("SHA256SUMS", b"")


class Texts(Plain):
    def add(self, frame: Any) -> None:
        self.folder.put("one.txt", "text")


class Hides(Plain):
    def finish(self) -> Any:
        return self.names[:1]


class OneText(Plain):
    def finish(self) -> Any:
        return "sub/0.raw"


def exporter(opened: Any, name: str = "theirs", **more: Any) -> Exporter:
    return Exporter(name, "Of somebody else", opened, **more)


def export(store: LocalStore, *chosen: Exporter) -> dict[str, Any]:
    exports = Exports(store, "samples/s", [(one, NoOptions()) for one in chosen], TOLD)
    for frame in FRAMES:
        exports.add(frame)
    return exports.finish()


def keys(store: LocalStore) -> list[str]:
    return [item.key for item in store.list()]


def test_files_are_recorded_with_their_digests(tmp_path: Path) -> None:
    """Each file is below the exporter's folder, and its reference holds key, size and sha256."""
    store = LocalStore(tmp_path)
    found = export(store, exporter(Plain))
    assert list(found) == ["theirs/sub/0.raw", "theirs/sub/1.raw"]
    for ref, frame in zip(found.values(), FRAMES, strict=True):
        assert store.get(ref.key) == frame.tobytes()
        assert (ref.digest, ref.size) == (hashlib.sha256(frame.tobytes()).hexdigest(), 16)
    assert keys(store) == [f"samples/s/{name}" for name in found]


def test_of_a_file_a_frame_the_list_is_recorded(tmp_path: Path) -> None:
    """The run's record stays small; the list that it names has the digest of each file."""
    store = LocalStore(tmp_path)
    found = export(store, exporter(Plain, file_per_frame=True))
    assert list(found) == ["theirs/SHA256SUMS"]
    digests = [hashlib.sha256(frame.tobytes()).hexdigest() for frame in FRAMES]
    listed = store.get(found["theirs/SHA256SUMS"].key).decode()
    assert listed == f"{digests[0]}  sub/0.raw\n{digests[1]}  sub/1.raw\n"


@pytest.mark.parametrize(
    ("opened", "said"),
    [
        (LastFails, "the exporter theirs failed: ZeroDivisionError: at the end"),
        (Leaves, "the exporter theirs failed: SystemExit: enough"),
        (Climbs, "cannot write '../frames.h5': a name is a path below the exporter's own folder"),
        (Repeats, "wrote 'one.raw' twice"),
        (Lists, "wrote SHA256SUMS, which lusgan writes"),
        (Texts, "wrote str to 'one.txt', expected bytes"),
        (Hides, "finish returned 1 names, 2 files were written"),
        (OneText, "finish returned str, expected the names of its files"),
        (lambda *_: None, "'NoneType' object has no attribute 'add'"),
        (lambda: None, "takes 0 positional arguments"),
    ],
)
def test_an_exporter_that_fails_is_named_and_leaves_nothing(
    tmp_path: Path, opened: Any, said: str
) -> None:
    """The error names it; what it and the others had written is gone, and the rest is not."""
    store = LocalStore(tmp_path)
    store.put("samples/s/frames.h5", b"ours")
    with pytest.raises(PluginError, match="the exporter theirs failed") as caught:
        export(store, exporter(Plain, "fine"), exporter(opened))
    assert said in str(caught.value)
    assert keys(store) == ["samples/s/frames.h5"]
    assert store.get("samples/s/frames.h5") == b"ours"


def test_an_exporter_gets_nothing_of_the_store_but_put(tmp_path: Path) -> None:
    """What it is given can write files, and has no other public name."""
    given: list[Any] = []

    class Keeps(Plain):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            given.append(self.folder)

    export(LocalStore(tmp_path), exporter(Keeps))
    assert [name for name in dir(given[0]) if not name.startswith("_")] == ["put"]


class Whole(Plain):
    def add(self, frame: Any) -> None:
        self.names = ["all.raw"]

    def finish(self) -> Any:
        self.folder.put("all.raw", b"all")
        return self.names


def test_files_of_any_exporter_are_copied_out_below_its_name(tmp_path: Path) -> None:
    """As they are in the store, with the list of their digests where there is one."""
    store, folder = LocalStore(tmp_path / "store"), "samples/score-1/m/seed-7"
    exporters = [
        (Exporter("theirs", "A file a frame", Plain, file_per_frame=True), NoOptions()),
        (Exporter("whole", "One file", Whole), NoOptions()),
    ]

    def run(*_: object) -> Product:
        exports = Exports(store, folder, exporters, TOLD)
        for frame in FRAMES:
            exports.add(frame)
        key = f"{folder}/frames.h5"
        store.put(key, b"frames")
        samples = SampleSet(
            score=1, model="m", folder=folder, frames_key=key, count=len(FRAMES), seed=7
        )
        return Product(samples, exports.finish() | {"frames": reference_to(store, key)})

    call = new_call(
        "generate", 1, label="generate", inputs={}, options=None, arguments={},
        manifest=lambda key: f"{folder}/manifest.json",
    )  # fmt: skip
    made, out = execute(call, StageContext(store), run), tmp_path / "out"
    assert copy_out(store, made, out) == 3
    files = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    assert set(files) == {
        "manifest.json", "theirs/SHA256SUMS", "theirs/sub/0.raw", "theirs/sub/1.raw",
        "whole/all.raw",
    }  # fmt: skip
    for name in files.keys() - {"manifest.json"}:
        assert files[name].read_bytes() == store.get(f"{folder}/{name}")
