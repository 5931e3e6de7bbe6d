"""Containers for real. ``docker/test/run`` makes the engine and the images; without it: a skip."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from engine import IMAGE, ContainerStack, docker


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


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerStack]:
    """Run the stack for the session."""
    with ContainerStack(tmp_path_factory.mktemp("stack"), free_ports()) as running:
        yield running


def free_ports() -> tuple[int, int, int]:
    """Return three ports on which nobody listens."""
    with ExitStack() as probes:
        sockets = [probes.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        first, second, third = (probe.getsockname()[1] for probe in sockets)
    return first, second, third
