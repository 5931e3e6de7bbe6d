"""What one clip, frame, step, pair and task cost here, and what that comes to for many exams.

    python benchmarks/unit_costs.py [--clips 6] [--frames 60]

Measures on phantom exams of the usual size (800 pixels high) and on the preset `paper`, in CPU
seconds, so that other work on the machine distorts little; then multiplies. No GPU is used. What is
multiplied: ``--clips`` clips an exam of ``--frames`` labelled frames, spread evenly over four
scores; a retraining of all scores for each of 52 weeks; 14,500 synthetic frames a score.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lusgan_core.calls.call import StageContext
from lusgan_core.calls.provenance import library_versions
from lusgan_core.config import resolve
from lusgan_core.domain import ExamRecord
from lusgan_core.ingestion import stage as ingest
from lusgan_core.ingestion.discover import discover
from lusgan_core.measures.pairs.compare import compare_sets
from lusgan_core.measures.pairs.frameset import FrameSet
from lusgan_core.networks.value_range import value_map
from lusgan_core.networks.weights import network_bytes
from lusgan_core.phantom.options import PhantomOptions
from lusgan_core.phantom.render import render_frames
from lusgan_core.phantom.tree import write_phantoms
from lusgan_core.pipeline.runner import run_stage
from lusgan_core.preprocessing import stage as preprocess
from lusgan_core.registry import installed
from lusgan_core.store import LocalStore
from lusgan_core.store.source import open_source
from lusgan_core.training.checkpoint import save_state
from lusgan_core.training.previews import preview_frames
from lusgan_core.training.recipe import recipe
from lusgan_core.training.state import fresh_state
from lusgan_core.training.step import Trainer
from lusgan_flows.tasks import MOST_SHARED

METRICS = ("mse", "rmse", "psnr", "psnrb", "sam", "rase", "scc", "msssim")
BATCH = 8
"""Images a timed training step: costs go by the image, and 48 of the preset take long on a CPU."""
D_AND_G_STEPS = 4
"""An iteration of the preset draws a batch of real frames for each of them."""
SYNTHETIC, WEEKS, SCORES = 14_500, 52, 4
PREFECT = """
import sys
from lusgan_core.config import resolve
from lusgan_core.registry import installed
from lusgan_cli.pipeline import run_pipeline
config = resolve("demo", installed())
run_pipeline(sys.argv[1], sys.argv[2], config, preset="demo", until="preprocess")
"""


def cpu_seconds(work: Callable[[], Any]) -> float:
    """CPU seconds of all threads of this process."""
    started = time.process_time()
    work()
    return time.process_time() - started


def size_of(folder: Path, pattern: str = "*") -> int:
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())


def data_costs(folder: Path) -> dict[str, float]:
    """Ingest and preprocess a phantom exam as a run does, in one thread."""
    options = PhantomOptions(patients=1, clips_per_exam=4, frames_per_clip=30, size=800)
    write_phantoms(folder / "exams", options)
    source, store = open_source(str(folder / "exams")), LocalStore(folder / "store")
    context = StageContext(store, source)
    config = resolve("paper", installed())
    hashed = time.process_time()
    found = discover(source)
    costs: dict[str, float] = {"look": time.process_time() - hashed}
    calls = [ingest.call(exam, 1) for exam in found.exams]
    made: list[Any] = []
    costs["ingest"] = cpu_seconds(lambda: made.extend(run_stage(c, context) for c in calls))
    canvas = preprocess.whole_canvas([ExamRecord.model_validate(m.data) for m in made])
    shards = [preprocess.call(m, config.preprocessing, canvas, 1) for m in made]
    costs["preprocess"] = cpu_seconds(lambda: [run_stage(c, context) for c in shards])
    clips, frames = 4, 4 * 30
    return {
        "CPU s to look at a clip (digest)": costs["look"] / clips,
        "CPU s to ingest a clip": costs["ingest"] / clips,
        "CPU s to preprocess a frame": costs["preprocess"] / frames,
        "kB of .mat a frame": size_of(folder / "exams", "*.mat") / frames / 1e3,
        "kB of shard a frame": size_of(folder / "store" / "shards", "*.h5") / frames / 1e3,
    }


def training_costs() -> dict[str, float]:
    """Iterations of Figure 1's networks at 256 x 256, and the files that a training leaves."""
    registry = installed()
    options = resolve("paper", registry, settings=[f"training.batch_size={BATCH}"]).training
    frames = torch.from_numpy(render_frames(2, BATCH, 256, 1))
    made = recipe(options, 256, 1, value_map(options, frames), registry)
    state = fresh_state(options, made, torch.device("cpu"), registry)
    trainer = Trainer(options, made, frames)
    trainer.iterate(state)
    step = min(cpu_seconds(lambda: trainer.iterate(state)) for _ in range(3))
    noise = torch.randn(16, options.latent_size)
    image = cpu_seconds(
        lambda: preview_frames(state.best_generator, noise, made.record.values)
    ) / len(noise)
    return {
        "CPU s an image of a training iteration": step / BATCH,
        "CPU s to generate a frame": image,
        "MB of a generator": len(network_bytes(state.best_generator, {})) / 1e6,
        "MB of a checkpoint": len(save_state(state, "")) / 1e6,
    }


def pair_costs() -> dict[str, float]:
    """All pairs of 400 and 100 frames under eight metrics, after one run that compiles."""
    frames = np.concatenate([render_frames(score, 50, 256, 1) for score in range(4)])
    a, b = FrameSet(np.concatenate([frames, frames[:, :, ::-1]])), FrameSet(frames[::2])
    compare_sets(FrameSet(a.block(0, 8)), b, METRICS, engine="numba")
    seconds = cpu_seconds(lambda: compare_sets(a, b, METRICS, engine="numba"))
    return {"CPU ms to compare a pair (8 metrics)": 1e3 * seconds / (len(a) * len(b))}


def prefect_costs(folder: Path) -> dict[str, float]:
    """Growth of Prefect's SQLite file by flows over one and over nine tiny exams."""
    sizes = {}
    for exams in (1, 9):
        home = folder / f"prefect-{exams}"
        tiny = PhantomOptions(patients=exams, clips_per_exam=1, frames_per_clip=1, size=64)
        write_phantoms(folder / f"tiny-{exams}", tiny)
        settings = {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        places = [str(folder / f"tiny-{exams}"), str(folder / f"store-{exams}")]
        subprocess.run(
            [sys.executable, "-c", PREFECT, *places], env=inherited | settings, check=True,
            capture_output=True,
        )  # fmt: skip
        sizes[exams] = size_of(home, "prefect.db*")
    a_task = (sizes[9] - sizes[1]) / (8 * 2)
    return {
        "kB in Prefect's database a task": a_task / 1e3,
        "MB of Prefect's database before any": (sizes[1] - 2 * a_task) / 1e6,
    }


def projection(u: dict[str, float], exams: int, clips: int, frames: int) -> list[tuple[str, str]]:
    """What so many exams come to."""
    n_clips, n_frames = exams * clips, exams * clips * frames
    reading = (u["CPU s to look at a clip (digest)"] + u["CPU s to ingest a clip"]) * n_clips + u[
        "CPU s to preprocess a frame"
    ] * n_frames
    iteration = u["CPU s an image of a training iteration"] * 48
    training = iteration * 4000 * SCORES
    epochs = 4000 * 48 * D_AND_G_STEPS / (n_frames / SCORES)
    synthetic = u["CPU s to generate a frame"] * SYNTHETIC * SCORES
    models = (u["MB of a generator"] + u["MB of a checkpoint"]) * SCORES
    pairs = u["CPU ms to compare a pair (8 metrics)"] / 1e3 * SYNTHETIC * n_frames
    tasks = 2 * min(exams, MOST_SHARED)
    a_task = u["kB in Prefect's database a task"] / 1e3
    return [
        ("exams as they come", f"{u['kB of .mat a frame'] * n_frames / 1e6:,.0f} GB"),
        ("shards", f"{u['kB of shard a frame'] * n_frames / 1e6:,.1f} GB"),
        ("frames of one score in memory", f"{n_frames / SCORES * 256 * 256 / 1e9:,.1f} GB"),
        ("reading them once", f"{reading / 3600:,.1f} CPU h"),
        ("training four scores once (paper)", f"{training / 3600:,.0f} CPU h"),
        ("passes over the frames in that", f"{epochs:,.2g}"),
        ("14,500 synthetic frames a score", f"{synthetic / 3600:,.1f} CPU h"),
        ("comparing all with all real ones", f"{pairs / 3600:,.0f} CPU h"),
        ("models of 52 retrainings", f"{models * WEEKS / 1e3:,.1f} GB"),
        ("Prefect's database, a run to which all are new", f"{a_task * (tasks + 21):,.1f} MB"),
        ("objects in the store", f"{n_clips + 2 * exams:,}"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, default=6, help="clips an exam")
    parser.add_argument("--frames", type=int, default=60, help="labelled frames a clip")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    started = time.monotonic()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="lusgan-") as temporary:
        folder = Path(temporary)
        units = data_costs(folder) | training_costs() | pair_costs() | prefect_costs(folder)
    versions = library_versions()
    named = ", ".join(f"{name} {versions.get(name, '?')}" for name in ("python", "torch", "numpy"))
    print(f"{platform.machine()}, {os.cpu_count()} cores, {named}; no GPU was used")
    took = time.monotonic() - started
    print(f"load {load:.1f} before, {os.getloadavg()[0]:.1f} after; took {took:.0f} s")
    for name, value in units.items():
        print(f"{name:42} {value:12.3g}")
    print(f"\nexams of {options.clips} clips of {options.frames} labelled frames")
    columns = [projection(units, n, options.clips, options.frames) for n in (1_000, 100_000)]
    print(f"{'':42} {'1,000 exams':>16} {'100,000 exams':>16}")
    for (name, few), (_, many) in zip(*columns, strict=True):
        print(f"{name:42} {few:>16} {many:>16}")


if __name__ == "__main__":
    main()
