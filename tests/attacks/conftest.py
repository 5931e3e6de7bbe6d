"""A stack with exams, a report and models in it, for the tests of this folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from stack import Stack, lenient

from tiny_runs import write_exams

FIRST = ("9001", "9002", "9003")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder as live."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.live)


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter: what is closed below is closed by us."""
    before = os.umask(0)
    try:
        with tempfile.TemporaryDirectory(prefix="lusgan-attacks-") as name:
            Path(name).chmod(0o755)
            yield Path(name)
    finally:
        os.umask(before)


@pytest.fixture(scope="session")
def stack(open_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run `lusgan up --s3`, started with a umask of 0, on exams of three patients."""
    exams = write_exams(tmp_path_factory.mktemp("exams") / "exams", patients=4)
    with Stack(open_folder / "stack", lenient()) as stack:
        stack.start()
        stack.upload(exams, *FIRST)
        stack.exams = exams
        yield stack
