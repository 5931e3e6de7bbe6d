"""The example plugin, built as a wheel and installed where a test can put it on the path."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "plugin_example"


@pytest.fixture(scope="session")
def example_plugin_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the example plugin's source, so that building leaves nothing behind."""
    source = tmp_path_factory.mktemp("example-source") / "lusgan-example"
    ignored = shutil.ignore_patterns("__pycache__", ".*_cache")
    shutil.copytree(EXAMPLE, source, ignore=ignored)
    return source


@pytest.fixture(scope="session")
def example_plugin_path(
    example_plugin_source: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Build and install the example plugin; put the folder returned on PYTHONPATH to have it."""
    wheels = tmp_path_factory.mktemp("example-wheel")
    target = tmp_path_factory.mktemp("example-site")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    offline = ["--no-deps", "--no-index"]
    _run(
        *pip,
        "wheel",
        *offline,
        "--no-build-isolation",
        "-w",
        str(wheels),
        str(example_plugin_source),
    )
    (wheel,) = wheels.glob("*.whl")
    _run(*pip, "install", *offline, "--target", str(target), str(wheel))
    return target


def _run(*command: str) -> None:
    """Run a command; on failure show what it said."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
