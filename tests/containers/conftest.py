"""Containers for real. ``docker/test/run`` makes the engine and the images; without it: a skip."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine import IMAGE, docker


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder as in need of an engine."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.containers)


@pytest.fixture(scope="session", autouse=True)
def image() -> str:
    """Return the image's name."""
    try:
        there = docker("image", "inspect", IMAGE)
    except FileNotFoundError:
        pytest.skip("NO CONTAINER TEST RUNS: Docker is not installed; run `make containers`")
    if there.returncode:
        pytest.skip(f"NO CONTAINER TEST RUNS: there is no image {IMAGE}; run `make containers`")
    return IMAGE
