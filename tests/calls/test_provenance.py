from __future__ import annotations

import hashlib
import importlib
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusgan_core.calls import provenance
from lusgan_core.calls.provenance import (
    Manifest,
    digest_bytes,
    digest_file,
    digest_json,
    digest_stream,
    git_commit,
    library_versions,
    peak_rss_mb,
    short_digest,
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


def test_short_digests_name_things() -> None:
    """Eight digits of the sha256 of a text, the same everywhere."""
    assert short_digest("abc") == ABC[:8]


def test_manifest_survives_json() -> None:
    """What is written to the store is what is read from it."""
    manifest = Manifest(stage="train", cache_key="0" * 64, counts={"frames": 3}, seed=2**62)
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


def _commit() -> str | None:
    """What git says of this checkout; None outside of one."""
    home = Path(provenance.__file__).parents[2]
    if not (home / ".git").exists():
        return None
    commit, changed = (
        subprocess.run(["git", "-C", home, *words], capture_output=True, text=True, check=True)
        for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "-uno"])
    )
    return commit.stdout.strip() + "+" * bool(changed.stdout.strip())


def test_machine_is_described() -> None:
    """Versions, commit and memory are the real ones, or say that they are unknown."""
    versions = library_versions()
    assert versions["numpy"] == importlib.import_module("numpy").__version__
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert set(provenance.LIBRARIES) <= set(versions)
    assert git_commit() == _commit()
    assert 20 < peak_rss_mb() < 100_000
