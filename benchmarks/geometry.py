"""How alike clips become: what each geometry and intensity leaves of the differences between them.

    python benchmarks/geometry.py EXAMS OUT [--size 64]

Preprocesses a folder of exams with every combination and prints, over all clips: how many can be
used, the share of the square that is painted, how far two clips' painted regions agree
(intersection over union: mean and 5th percentile over all pairs), and how much the clips differ in
mean and in contrast of their grey levels (standard deviation between clips of the mean, and of the
standard deviation, over painted pixels). OUT keeps the stores.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np

from lusgan_core.calls.call import StageContext
from lusgan_core.config import resolve
from lusgan_core.ingestion.discover import discover
from lusgan_core.pipeline.chain import run_chain
from lusgan_core.pipeline.runner import Inline
from lusgan_core.preprocessing.shard import read_shard_frames
from lusgan_core.registry import installed
from lusgan_core.store import LocalStore
from lusgan_core.store.source import open_source

GEOMETRIES, INTENSITIES = ("paper", "fit", "polar"), ("none", "percentile", "clahe")
PAINTED = 8
"""Grey level above which a pixel counts as painted, where any frame of the clip reaches it."""


def line(exams: str, out: Path, size: int, geometry: str, intensity: str) -> str:
    """Preprocess the exams in one way, and return what there is to tell."""
    settings = [
        f"preprocessing.image_size={size}",
        f"preprocessing.geometry={geometry}",
        f"preprocessing.intensity={intensity}",
        "runtime.device=cpu",
    ]
    config = resolve("demo", installed(), settings=settings)
    store = out / f"{geometry}-{intensity}-{size}"
    source = open_source(exams)
    context, found = StageContext(LocalStore(store), source, config.runtime), discover(source)
    run_chain(Inline(context), found, config, installed(), preset="demo", until="preprocess")
    painted, means, contrasts = [], [], []
    for path in sorted(store.glob("shards/**/*.h5")):
        frames = read_shard_frames(path)
        region = frames.max(axis=0) > PAINTED
        painted.append(region.ravel())
        levels = frames[:, region]
        means.append(levels.mean())
        contrasts.append(levels.std())
    regions = np.array(painted, float)
    both, areas = regions @ regions.T, regions.sum(axis=1)
    overlap = (both / (areas[:, None] + areas - both))[np.triu_indices(len(regions), 1)]
    return (
        f"{geometry:5}  {intensity:10}  {len(regions):5}  {regions.mean():7.0%}  "
        f"{overlap.mean():8.2f}  {np.percentile(overlap, 5):5.2f}  {np.std(means):5.1f}  "
        f"{np.std(contrasts):8.1f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("exams", help="folder of exams")
    parser.add_argument("out", type=Path, help="folder for the stores")
    parser.add_argument("--size", type=int, default=64, help="side of the images, pixels")
    given = parser.parse_args()
    print("geometry intensity  clips  painted   overlap     5%   mean  contrast")
    for geometry, intensity in itertools.product(GEOMETRIES, INTENSITIES):
        print(line(given.exams, given.out, given.size, geometry, intensity), flush=True)


if __name__ == "__main__":
    main()
