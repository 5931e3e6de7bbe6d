"""Installed distributions of tests' own plugins: packages with their metadata, on a path."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

NETWORKS = {
    "slab/__init__.py": '''
"""A backbone of dense layers."""
from lusgan_core.api import Backbone, hookimpl
from slab.options import SlabOptions
from slab import generator, discriminator

@hookimpl
def register_backbones():
    return [Backbone("slab", "Dense layers", generator.build, discriminator.build,
                     options=SlabOptions)]
''',
    "slab/options.py": '''
from pydantic import Field
from lusgan_core.api import Options

class SlabOptions(Options):
    """Options of the slab."""
    slope: float = Field(0.2, ge=0, le=1, description="Slope of negative values")

    def width(self):
        return 8
''',
    "slab/generator.py": """
import math

def build(spec, options):
    from torch import nn
    pixels = spec.channels * spec.image_size**2
    return nn.Sequential(
        nn.Linear(spec.latent_size, options.width()), nn.LeakyReLU(options.slope),
        nn.Linear(options.width(), pixels), nn.Tanh(),
        nn.Unflatten(1, (spec.channels, spec.image_size, spec.image_size)),
    )
""",
    "slab/discriminator.py": """
import importlib

WIDTH = 8

def build(spec, options):
    from torch import nn
    scale = importlib.import_module("slab.scale")
    network = nn.Sequential(
        nn.Flatten(), nn.Linear(spec.pack * spec.channels * spec.image_size**2, WIDTH),
        nn.LeakyReLU(options.slope), nn.Linear(WIDTH, 1),
    )
    scale.apply(network)
    return network
""",
    "slab/scale.py": '''
from pathlib import Path
import slab_extra

def apply(network):
    """Scale the last layer by what a file says."""
    factor = float((Path(__file__).parent / "factor.txt").read_text())
    network[-1].weight.data.mul_(factor * slab_extra.FACTOR)
''',
    "slab/factor.txt": "0.5",
    "slab_extra/__init__.py": "FACTOR = 1.0\n",
}
"""A plugin whose networks are decided by many files: a module each for the two networks, one that
importlib loads, a file of data, an options model's method, a second package."""


def install(
    site: Path,
    name: str,
    files: Mapping[str, str],
    module: str,
    *,
    version: str = "1.0",
    source: Path | None = None,
) -> Path:
    """Lay a distribution out in ``site`` as pip does; returns the folder of its packages.

    With ``source`` the packages go there, and ``site`` gets a path file that leads to them, as in
    an editable installation.
    """
    home = source or site
    site.mkdir(parents=True, exist_ok=True)
    for old in site.glob(f"{name}-*.dist-info"):
        shutil.rmtree(old)
    for file, text in files.items():
        path = home / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[lusgan]\n{name} = {module}\n")
    record = list(files) if source is None else [f"__editable__.{name}-{version}.pth"]
    if source is not None:
        (site / record[0]).write_text(f"{source}\n")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in record))
    return home


def run_python(site: Path, *arguments: str, source: Path | None = None) -> str:
    """Run a fresh Python that sees the folder's distributions; returns what it prints."""
    paths = [str(site), *([str(source)] if source else [])]
    known = os.environ.get("PYTHONPATH", "")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*paths, *known.split(os.pathsep)])}
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment, capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
