"""Where an artifact came from: digests, versions, and the manifest that records all of it.

A manifest is the last thing a stage writes. It names the inputs (by digest), the resolved options,
the version of the code and the artifacts, so that they can be made again.
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
from datetime import datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import Field, model_validator

from lusgan_core.domain import Record

LIBRARIES = ("torch", "numpy", "scipy", "h5py", "opencv-python-headless", "sewar")
CHUNK = 1 << 20


def digest_bytes(data: bytes) -> str:
    """sha256 of bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def digest_stream(stream: BinaryIO) -> str:
    """sha256 of the rest of a stream, in hex, in bounded memory."""
    state = hashlib.sha256()
    while chunk := stream.read(CHUNK):
        state.update(chunk)
    return state.hexdigest()


def digest_file(path: Path) -> str:
    """sha256 of a file's content, in hex."""
    with path.open("rb") as stream:
        return digest_stream(stream)


def short_digest(text: str) -> str:
    """Eight digits of the sha256 of a text, such as an address: they name it in keys and events."""
    return digest_bytes(text.encode())[:8]


def digest_json(value: object) -> str:
    """sha256 of a JSON value in canonical form: keys sorted, no spaces."""
    return digest_bytes(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


SEAL = "sha256"
"""Name, in the JSON of a sealed record, of the digest of the rest."""


class Sealed(Record):
    """A record that is stored with the digest of its own content, which is checked when it is read.

    A record without a digest, as earlier versions wrote it, is taken as it is.
    """

    @model_validator(mode="before")
    @classmethod
    def _check_seal(cls, values: Any) -> Any:
        if not isinstance(values, dict) or SEAL not in values:
            return values
        rest = {name: value for name, value in values.items() if name != SEAL}
        if digest_json(rest) != values[SEAL]:
            raise ValueError("the digest in it is not that of its content")
        return rest

    def sealed(self) -> bytes:
        """The record as JSON, with the digest of its content."""
        values = json.loads(self.model_dump_json())
        return json.dumps({**values, SEAL: digest_json(values)}, indent=1).encode()


class ArtifactRef(Record):
    """One object in the store."""

    key: str
    digest: str
    size: int


class Manifest(Sealed):
    """The result of one run of one stage, and everything needed to make it again."""

    stage: str
    cache_key: str
    """Digest of the inputs, the options, the stage's version and plugins; same key, same result."""
    label: str = ""
    """For people; never names a patient."""
    manifest_key: str = ""
    """Key of the manifest itself in the store."""
    created: datetime | None = None
    """When it was written, UTC."""
    inputs: dict[str, str] = Field(default_factory=dict)
    """Digests of the inputs, by name."""
    options: dict[str, Any] = Field(default_factory=dict)
    seed: int | None = None
    version: int = 0
    """Version of the stage; 0 in manifests of lusgan 0.1, which have ``code`` instead."""
    code: str = ""
    """Digest of the stage's source, in manifests of lusgan 0.1."""
    git_commit: str | None = None
    plugins: dict[str, str] = Field(default_factory=dict)
    """``kind/name`` of each plugin used -> distribution and version."""
    identities: dict[str, str] = Field(default_factory=dict)
    """``kind/name`` of each plugin used -> its identity in the cache key."""
    libraries: dict[str, str] = Field(default_factory=dict)
    device: str = "cpu"
    counts: dict[str, int] = Field(default_factory=dict)
    timings_s: dict[str, float] = Field(default_factory=dict)
    peak_rss_mb: float = 0.0
    artifacts: dict[str, ArtifactRef] = Field(default_factory=dict)
    data: dict[str, Any] = Field(default_factory=dict)
    """Facts for the next stage: a JSON record without pixels."""


@cache
def library_versions() -> dict[str, str]:
    """Versions of Python, lusgan and the libraries that compute."""
    versions = {"python": platform.python_version()}
    for name in ("lusgan", *LIBRARIES):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


@cache
def git_commit() -> str | None:
    """Commit of the checkout that the code runs from; ``+`` is appended where files were changed.

    Returns:
        The commit in hex; None where lusgan runs from an installed package.
    """
    home = Path(__file__).resolve().parents[2]
    if not (home / ".git").exists():
        return None
    try:
        commit = _git(home, "rev-parse", "HEAD")
        return f"{commit}+" if _git(home, "status", "--porcelain", "-uno") else commit
    except (OSError, subprocess.SubprocessError):
        return None


def _git(home: Path, *arguments: str) -> str:
    command = ["git", "-C", str(home), *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=10
    ).stdout.strip()


def peak_rss_mb() -> float:
    """Largest resident memory of this process so far, in 10^6 bytes."""
    try:
        import resource
    except ImportError:  # no such module on Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024) / 1e6
