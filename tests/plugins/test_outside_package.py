"""A gate, preset, exporter and feature extractor of a distribution of their own, in a whole run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "lusgan-outside"
version = "1.5"

[project.entry-points.lusgan]
lusgan_outside = "lusgan_outside"
"""
PACKAGE = """
import numpy as np
from pydantic import Field
from lusgan_core.api import (
    Exporter, FeatureExtractor, Gate, Options, Preset, Verdict, find, hookimpl
)

class Limits(Options):
    most: float = Field(1.0, ge=0, le=1, description="Largest SSIM of two synthetic frames")

def check(candidate, current, options):
    found = find(candidate.values, "ssim", ("synthetic", "synthetic"), "max")
    if found is None or found.value is None:
        return Verdict.not_measured("add ssim to evaluation.metrics")
    reason = f"the most alike have an SSIM of {found.value:.3f}, up to {options.most:g} is fine"
    return Verdict(passed=found.value <= options.most, reason=reason, values=(found,))

def levels(device):
    return lambda frames: np.quantile(
        frames.reshape(len(frames), -1), (0.25, 0.5, 0.75), axis=1
    ).T.astype(np.float32)

class Pgm:
    def __init__(self, folder, samples, options):
        self.folder, self.samples, self.names = folder, samples, []

    def add(self, frame):
        height, width = frame.shape
        head = f"P5\\n# {self.samples.statement}\\n{width} {height}\\n255\\n"
        self.names.append(f"{len(self.names)}.pgm")
        self.folder.put(self.names[-1], head.encode() + frame.tobytes())

    def finish(self):
        return self.names

TINY = {
    "scores": [2],
    "preprocessing": {"image_size": 32},
    "training": {
        "backbone_options": {"width": 4}, "iterations": 4, "batch_size": 4, "previews": 2,
        "preview_frames": 4,
    },
    "generation": {"count": 3, "formats": ["pgm"]},
    "evaluation": {
        "metrics": ["ssim", "kid"], "features": ["levels"], "real_frames": 6,
        "synthetic_frames": 3, "among_frames": 4,
    },
    "promotion": {"gates": {"twins": {"most": 1}}},
}

@hookimpl
def register_gates():
    return [Gate("twins", "No two frames are the same", check, options=Limits, needs=("ssim",))]

@hookimpl
def register_presets():
    return [Preset("outside_tiny", "A demo of seconds", TINY, ("It is tiny.",), based_on="demo")]

@hookimpl
def register_features():
    return [FeatureExtractor("levels", "Quartiles of grey levels", levels, "CC-BY-4.0", 3)]

@hookimpl
def register_exporters():
    return [Exporter("pgm", "Portable grey maps", Pgm)]
"""
RUN = """
import json, sys
from pathlib import Path
from pydantic import TypeAdapter
from lusgan_core.calls.call import StageContext
from lusgan_core.config import resolve
from lusgan_core.ingestion.discover import discover
from lusgan_core.phantom.options import PhantomOptions
from lusgan_core.phantom.tree import write_phantoms
from lusgan_core.pipeline import parameters
from lusgan_core.pipeline.chain import run_chain
from lusgan_core.pipeline.runner import Inline
from lusgan_core.registry import installed
from lusgan_core.store import LocalStore
from lusgan_core.store.source import open_source

folder = Path(sys.argv[1])
phantom = PhantomOptions(patients=3, clips_per_exam=4, frames_per_clip=6, size=64)
write_phantoms(folder / "exams", phantom)
source, store = open_source(str(folder / "exams")), LocalStore(folder / "store")
config = resolve("outside_tiny", installed())
runner = Inline(StageContext(store, source))
outcome = run_chain(runner, discover(source), config, installed(), preset="outside_tiny")
outcome.check()
print(json.dumps({
    "manifests": {n: m.model_dump(mode="json") for n, m in outcome.scores[2].items()},
    "report": outcome.report.model_dump(mode="json"),
    "page": store.get(outcome.report.artifacts["page"].key).decode(),
    "config": TypeAdapter(parameters.Config).json_schema(),
    "preset": TypeAdapter(parameters.Preset).json_schema(),
}))
"""
LIST = """
import sys
from lusgan_cli.start import main

sys.argv = ["lusgan", "plugins", "--json"]
main()
"""
ORIGIN = "lusgan-outside 1.5"


def python(site: Path, *arguments: str) -> str:
    """Run Python with the package installed, and return what it prints."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), *sys.path])}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build and install the package into a folder of its own."""
    source = tmp_path_factory.mktemp("outside-source")
    (source / "pyproject.toml").write_text(PROJECT)
    (source / "lusgan_outside").mkdir()
    (source / "lusgan_outside" / "__init__.py").write_text(PACKAGE)
    target = tmp_path_factory.mktemp("outside-site")
    subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install",
         "--no-deps", "--no-index", "--no-build-isolation", "--target", str(target), str(source)],
        check=True, capture_output=True, timeout=240,
    )  # fmt: skip
    return target


@pytest.fixture(scope="module")
def ran(site: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run the chain with the package's preset, gate and exporter."""
    return json.loads(python(site, "-c", RUN, str(tmp_path_factory.mktemp("outside-run"))))


def test_they_are_listed(site: Path) -> None:
    """`lusgan plugins` names all four, their origin, their options and a licence."""
    listed = json.loads(python(site, "-c", LIST))
    assert listed["broken"] == []
    found = {(p["kind"], p["name"]): p for p in listed["plugins"] if p["from"] == ORIGIN}
    assert set(found) == {
        ("gate", "twins"), ("preset", "outside_tiny"), ("exporter", "pgm"), ("feature", "levels")
    }  # fmt: skip
    assert found["feature", "levels"]["licence"] == "CC-BY-4.0"
    assert found["gate", "twins"]["options"]["most"]["maximum"] == 1


def test_the_form_offers_them(ran: dict[str, Any]) -> None:
    """Each is among the choices where one of its kind is chosen."""
    sections = ran["config"]["$defs"]
    generation = sections["GenerationOptions"]["properties"]
    assert "pgm" in generation["formats"]["items"]["enum"]
    assert "pgm" in generation["format_options"]["propertyNames"]["enum"]
    gates = sections["PromotionOptions"]["properties"]["gates"]
    off, own = gates["properties"]["twins"]["anyOf"]
    assert off == {"enum": [None], "title": "off"}
    assert own["properties"]["most"]["maximum"] == 1
    assert ran["preset"]["enum"] == ["paper", "small", "demo", "outside_tiny"]


def test_the_frames_are_exported_and_recorded(ran: dict[str, Any]) -> None:
    """The manifest names each file with a digest, and the exporter with its release."""
    manifest = ran["manifests"]["generate"]
    names = {f"pgm/{number}.pgm" for number in range(3)}
    assert set(manifest["artifacts"]) == names | {"frames"}
    assert all(len(manifest["artifacts"][name]["digest"]) == 64 for name in names)
    assert manifest["plugins"]["exporter/pgm"] == ORIGIN


def test_the_gate_decides(ran: dict[str, Any]) -> None:
    """It alone was asked, as the preset says; its verdict is in the record and in the report."""
    manifest = ran["manifests"]["promote"]
    (verdict,) = manifest["data"]["verdicts"]
    assert (verdict["gate"], verdict["passed"], verdict["measured"]) == ("twins", True, True)
    assert manifest["data"]["promoted"]
    ours = {"divergence", "realism", "diversity", "collapse", "fidelity", "copies", "near_copies"}
    assert set(manifest["data"]["absent"]) == ours
    assert manifest["plugins"] == {"gate/twins": ORIGIN}
    assert "the most alike have an SSIM of" in ran["page"]


def test_the_report_names_them(ran: dict[str, Any]) -> None:
    """The page shows where each came from, where the preset departs from its reference, and the
    licence of the extractor."""
    for label in ("gate/twins", "preset/outside_tiny", "exporter/pgm", "feature/levels"):
        assert f'<th scope="row">{label}</th><td><code>{ORIGIN}</code>' in ran["page"]
    assert "preset/demo" in ran["page"]
    assert "It is tiny." in ran["page"]
    assert '<th scope="row">feature/levels</th><td><code>CC-BY-4.0</code>' in ran["page"]
    assert ran["report"]["plugins"]["preset/outside_tiny"] == ORIGIN
