from __future__ import annotations

import hashlib
import importlib
import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusgan_core.calls import provenance
from lusgan_core.calls.provenance import (
    Manifest,
    code_closure,
    code_fingerprint,
    digest_bytes,
    digest_file,
    digest_json,
    digest_stream,
    git_commit,
    library_versions,
    peak_rss_mb,
)

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
"""sha256 of "abc": the example of FIPS 180-2, appendix B.1."""
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
JSON = st.recursive(PLAIN, lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=10)


def test_digests_are_sha256_however_content_comes(tmp_path: Path) -> None:
    """Bytes, a stream and a file of the same content have the digest of the standard."""
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert digest_bytes(b"abc") == digest_stream(io.BytesIO(b"abc")) == digest_file(path) == ABC
    long = bytes(5_000_001)
    assert digest_stream(io.BytesIO(long)) == hashlib.sha256(long).hexdigest()


@given(st.dictionaries(st.text(), JSON, min_size=2))
def test_order_of_keys_is_nothing(value: dict[str, object]) -> None:
    """Equal JSON values have equal digests, whatever order their keys were set in."""
    backwards = dict(reversed(value.items()))
    assert digest_json(backwards) == digest_json(value)
    assert digest_json(json.loads(json.dumps(value))) == digest_json(value)


@pytest.mark.parametrize(
    ("one", "other"), [([1, 2], [2, 1]), ({"a": 1}, {"a": 2}), (["ab"], ["a", "b"]), ("1", 1)]
)
def test_different_values_have_different_digests(one: object, other: object) -> None:
    """What means another thing has another digest."""
    assert digest_json(one) != digest_json(other)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a package whose ``work`` imports in every way there is."""
    folder = tmp_path / "fingerprinted"
    (folder / "sub").mkdir(parents=True)
    for name, text in {
        "__init__": "",
        "work": "import os\nfrom fingerprinted import one\nfrom .sub import two\n"
        "def f():\n    import fingerprinted.late\n",
        "one": "from fingerprinted.one_helper import thing",
        "one_helper": "thing = 1",
        "sub/__init__": "",
        "sub/two": "from ..three import x",
        "three": "x = 1",
        "late": "from fingerprinted import work  # in a circle",
        "other": "y = 1",
    }.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [n for n in sys.modules if n.partition(".")[0] == "fingerprinted"]:
        del sys.modules[name]


def fingerprint(*modules: str) -> str:
    """Compute a fingerprint as a new process would."""
    code_fingerprint.cache_clear()
    importlib.invalidate_caches()
    return code_fingerprint(*modules)


def test_fingerprint_follows_imports_of_every_kind(package: Path) -> None:
    """Absolute, relative, of a name, in a function, in a circle: all that is used is in it."""
    found = {name.removeprefix("fingerprinted") for name in code_closure("fingerprinted.work")}
    assert found == {
        ".work", ".one", ".one_helper", ".sub.two", ".three", ".late"
    }  # fmt: skip


def test_fingerprint_changes_with_what_is_used_and_with_nothing_else(package: Path) -> None:
    """Any change of a module in the closure shows; one of another module does not."""
    before = fingerprint("fingerprinted.work")
    (package / "other.py").write_text("y = 2")
    assert fingerprint("fingerprinted.work") == before
    for name in ("work", "one_helper", "sub/two", "late"):
        path = package / f"{name}.py"
        text = path.read_text()
        path.write_text(text + "\n# changed")
        assert fingerprint("fingerprinted.work") != before, name
        path.write_text(text)
    assert fingerprint("fingerprinted.work") == before


def test_fingerprint_covers_all_modules_named(package: Path) -> None:
    """Two modules have another fingerprint than either; what is no module adds nothing."""
    both = fingerprint("fingerprinted.other", "fingerprinted.three")
    assert both not in (fingerprint("fingerprinted.other"), fingerprint("fingerprinted.three"))
    assert code_closure("fingerprinted.nothing", "no.such.package") == {}


def test_manifest_survives_json() -> None:
    """What is written to the store is what is read from it."""
    manifest = Manifest(stage="train", cache_key="0" * 64, counts={"frames": 3}, seed=2**62)
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


def test_machine_is_described() -> None:
    """Versions, commit and memory are the real ones, or say that they are unknown."""
    versions = library_versions()
    assert versions["numpy"] == importlib.import_module("numpy").__version__
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert set(provenance.LIBRARIES) <= set(versions)
    commit = git_commit()
    assert commit is None or len(commit.rstrip("+")) == 40
    assert 20 < peak_rss_mb() < 100_000
