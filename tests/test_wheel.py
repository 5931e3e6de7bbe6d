"""The wheel that a release would be, installed where there is no checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel; all that it depends on is taken from the tests' own."""
    wheels, place = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("venv")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    alone = ["--no-deps", "--no-index"]
    build = [*pip, "wheel", *alone, "--no-build-isolation", "-w", str(wheels), str(ROOT)]
    subprocess.run(build, check=True, timeout=300)
    (wheel,) = wheels.glob("lusgan-*.whl")
    venv.create(place, symlinks=True)
    site = sysconfig.get_path("purelib", vars={"base": str(place), "platbase": str(place)})
    install = [*pip, "install", *alone, "--no-compile", "--prefix", str(place), str(wheel)]
    subprocess.run([*install, "--ignore-installed"], check=True, timeout=300)
    (Path(site) / "others.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return place


def said(place: Path, *command: str) -> str:
    """What a command of that environment prints, in a folder of its own."""
    environment = {n: v for n, v in os.environ.items() if n not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [place / "bin" / command[0], *command[1:]],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_wheel_has_all_that_a_run_needs(installed: Path) -> None:
    """Commands, plugins' entry points and their presets, files of deployments and templates."""
    assert said(installed, "lusgan", "--version").startswith("lusgan 0.")
    assert "demo" in said(installed, "lusgan", "--help")
    records = json.loads(said(installed, "lusgan", "plugins", "--json"))
    assert not records["broken"]
    kinds = {record["kind"] for record in records["plugins"]}
    assert kinds >= {"backbone", "loss", "metric", "reader", "exporter", "gate", "preset"}
    assert (
        len(json.loads(said(installed, "lusgan", "options", "--preset", "small", "--json"))) > 100
    )
    where = "import lusgan_core, lusgan_flows, lusgan_ops; print(lusgan_core.__file__)"
    assert said(installed, "python", "-c", where).startswith(str(installed))
    files = (
        "import lusgan_ops, lusgan_core.reporting as r; from pathlib import Path;"
        "a = Path(lusgan_ops.__file__).parent; b = Path(r.__file__).parent;"
        "print([p.name for d in (a, b) for p in sorted(d.rglob('*.*'))"
        " if p.suffix in ('.yaml', '.html', '.css', '.js')])"
    )
    found = said(installed, "python", "-c", files)
    assert "prefect.yaml" in found
    assert ".html" in found
