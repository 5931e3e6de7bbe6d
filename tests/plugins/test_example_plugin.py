"""The example plugin: a separate distribution that is built, installed, found and used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from lusgan_core.registry import installed

NAMES = {"backbone": "mirror", "loss": "Wasserstein", "metric": "nmi"}


def python(path: Path, *arguments: str, cwd: Path | None = None) -> str:
    """Run Python with the example installed, and return what it prints."""
    environment = os.environ | {"PYTHONPATH": str(path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_is_not_installed_here() -> None:
    """This process has no such records: what the other tests see came with the wheel."""
    for kind, name in NAMES.items():
        assert name not in installed().records[kind]


def test_registry_lists_its_records_and_their_provider(example_plugin_path: Path) -> None:
    """Once on the path, its three records are listed with distribution and release."""
    code = (
        "import json; from lusgan_core.registry import installed; r = installed();"
        "print(json.dumps([[*key, str(p)] for key, p in r.providers.items()"
        " if p.module == 'lusgan_example'] + [[b.reason] for b in r.broken]))"
    )
    listed = json.loads(python(example_plugin_path, "-c", code))
    assert sorted(listed) == [
        [kind, name, "lusgan_example (lusgan-example 0.1.0)"] for kind, name in NAMES.items()
    ]


def test_registry_hands_its_records_out(example_plugin_path: Path) -> None:
    """Its networks, loss and metric are handed out by name, and compute together."""
    code = """
import numpy as np, torch
from lusgan_core.api import NetworkSpec, Targets
from lusgan_core.registry import installed
r = installed()
spec = NetworkSpec(image_size=32, channels=1, latent_size=8, pack=2)
backbone, loss = r.backbone("mirror"), r.loss("Wasserstein")
images = backbone.generator(spec, backbone.options())(torch.randn(4, 8))
logits = backbone.discriminator(spec, backbone.options())(images.reshape(2, 2, 32, 32))
targets = Targets(torch.ones_like(logits), torch.zeros_like(logits))
value = loss.discriminator(logits, logits, targets, loss.options(drift=0))
frame = np.arange(1024, dtype=np.uint8).reshape(32, 32)
print(tuple(images.shape), value.item(), r.pair_metric("nmi").value(frame, frame))
print(r.identity("backbone", "mirror") == r.identity("metric", "nmi"))
"""
    printed = python(example_plugin_path, "-c", code).splitlines()
    assert printed[0] == "(4, 1, 32, 32) 0.0 2.0"
    assert printed[1] == "True"


def test_its_own_tests_pass(example_plugin_path: Path, example_plugin_source: Path) -> None:
    """The tests that it ships, which inherit the contract suites, pass against what was built."""
    arguments = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    printed = python(example_plugin_path, *arguments, cwd=example_plugin_source)
    assert " passed" in printed
    assert "skipped" not in printed
