"""All-pairs similarity: lusgan's engine beside sewar, torchmetrics, piq and pytorch-msssim.

    python benchmarks/pairs.py                      # 2,000 x 100 frames of 256 x 256, eight metrics
    python benchmarks/pairs.py --first 14500        # the report's job
    python benchmarks/pairs.py --json results.json

One run times them all on the same frames: the engine on the whole job in a process of its own
(cold: interpreter, imports and loading of compiled kernels included in ``seconds of wall clock``),
the others on a sample each, in their best batched form. sewar is timed before and after, in one
process on one core, because the comparison is with "one sewar process" and machines get noisy. A
sample of the engine's values is checked against sewar's on the way.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

METRICS = ("mse", "rmse", "psnr", "psnrb", "sam", "rase", "scc", "msssim")
TOLERANCE = {"mse": 0.0, "rmse": 1e-12, "psnr": 1e-9, "psnrb": 1e-9, "sam": 1e-9, "rase": 1e-6}
"""Relative; the others 1e-6 absolute."""


def speckle(count: int, size: int, seed: int) -> np.ndarray:
    """Speckled fans on black, (count, size, size) uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / size
    radius, angle = np.hypot(y + 0.25, x - 0.5), np.abs(np.arctan2(x - 0.5, y + 0.25))
    fan = (radius > 0.3) & (radius < 1.22) & (angle < 0.62)
    frames = np.empty((count, size, size), np.uint8)
    for frame in frames:
        real, imaginary = gaussian_filter(rng.standard_normal((2, size, size)), (0, 1, 1.6))
        envelope = np.hypot(real, imaginary)
        depth = np.exp(-radius * rng.uniform(0.5, 2.5))
        pleura = 6 * np.exp(-(((radius - rng.uniform(0.45, 0.7)) * size / 3) ** 2))
        level = 20 * np.log10(envelope / envelope.mean() * (depth + 0.3 * pleura) + 1e-3)
        frame[:] = np.clip((level + 45) / 60, 0, 1) * 255 * fan
    return frames


def many(count: int, size: int, seed: int) -> np.ndarray:
    """As many different frames, from 48 drawn ones: shifted sideways, every other one turned."""
    drawn, rng = speckle(min(count, 48), size, seed), np.random.default_rng(seed)
    frames = np.empty((count, size, size), np.uint8)
    for i in range(count):
        frame = np.roll(drawn[i % len(drawn)], int(rng.integers(size)), axis=1)
        frames[i] = frame[:, ::-1] if i // len(drawn) % 2 else frame
    return frames


def engine_job(folder: Path, threads: int | None, device: str, choice: str) -> dict[str, Any]:
    """Run the whole job here, in this process; what it took, and the neighbours found."""
    import resource

    from lusgan_core.measures.pairs.compare import compare_sets
    from lusgan_core.measures.pairs.frameset import FrameSet

    a, b = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in "ab")
    found = compare_sets(
        FrameSet(a), FrameSet(b), METRICS, device=device, threads=threads, engine=choice
    )
    return {
        "engine": found.engine,
        "pairs": found.pairs,
        "seconds computing": found.seconds,
        "seconds of CPU": time.process_time(),
        "peak memory MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "nearest": {
            name: [result.values[:, 0].tolist(), result.indices[:, 0].tolist()]
            for name, result in found.metrics.items()
        },
    }


def run_engine(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The job in a fresh process, timed from outside."""
    command = [sys.executable, __file__, "--job", str(folder), "--device", options.device]
    command += ["--engine", options.engine]
    command += ["--threads", str(options.threads)] if options.threads else []
    began = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    result["seconds of wall clock"] = time.perf_counter() - began
    return result


def time_sewar(a: np.ndarray, b: np.ndarray, pairs: int) -> dict[str, float]:
    """Seconds a pair, by metric: the fastest of its pairs, which is the least disturbed."""
    import sewar

    seconds = {}
    for name in METRICS:
        function, best = getattr(sewar, name), np.inf
        for i in range(pairs):
            began = time.perf_counter()
            function(a[i % len(a)], b[i % len(b)])
            best = min(best, time.perf_counter() - began)
        seconds[name] = float(best)
    return seconds


def check(a: np.ndarray, b: np.ndarray, nearest: dict[str, Any], pairs: int) -> dict[str, float]:
    """The largest error of a sample of the engine's nearest values against sewar's."""
    import sewar

    errors = {}
    for name, (values, indices) in nearest.items():
        worst = 0.0
        for j in np.unique(np.linspace(0, len(b) - 1, pairs).astype(int)):
            expected = float(np.real(getattr(sewar, name)(a[indices[j]], b[j])))
            error = 0.0 if expected == values[j] else abs(values[j] - expected)
            worst = max(worst, error / (abs(expected) if name in TOLERANCE and error else 1.0))
        if worst > TOLERANCE.get(name, 1e-6):
            raise SystemExit(f"{name} is off by {worst:.2g}: the timings mean nothing")
        errors[name] = worst
    return errors


def time_rivals(a: np.ndarray, b: np.ndarray, seconds: float) -> dict[str, dict[str, float]]:
    """Pairs a second of every rival's batched form of a metric of ours, by all cores."""
    import piq
    import pytorch_msssim
    import torch
    from torchmetrics.functional import image as tm

    torch.set_num_threads(os.cpu_count() or 1)
    torch.set_grad_enabled(False)
    one = torch.from_numpy(np.array(a[:1])).float()[:, None]
    batch = torch.from_numpy(np.array(b[:16])).float()[:, None]
    x, y = one.expand(len(batch), -1, -1, -1).contiguous(), batch
    p, q = x / 255, y / 255
    colour = (x.repeat(1, 3, 1, 1) + 1, y.repeat(1, 3, 1, 1) + 1)
    jobs: dict[str, dict[str, Callable[[], Any]]] = {
        "torchmetrics": {
            "psnr": lambda: tm.peak_signal_noise_ratio(
                x, y, data_range=255.0, reduction="none", dim=(1, 2, 3)
            ),
            "sam": lambda: tm.spectral_angle_mapper(*colour, reduction="none"),
            "rase": lambda: [
                tm.relative_average_spectral_error(x[i : i + 1], y[i : i + 1]) for i in range(4)
            ],
            "scc": lambda: tm.spatial_correlation_coefficient(x, y, reduction="none"),
            "msssim": lambda: tm.multiscale_structural_similarity_index_measure(
                x, y, data_range=255.0, reduction="none"
            ),
        },
        "piq": {
            "psnr": lambda: piq.psnr(p, q, data_range=1.0, reduction="none"),
            "msssim": lambda: piq.multi_scale_ssim(p, q, data_range=1.0, reduction="none"),
        },
        "pytorch-msssim": {
            "msssim": lambda: pytorch_msssim.ms_ssim(x, y, data_range=255, size_average=False)
        },
    }
    return {
        library: {
            name: _rate(job, 4 if name == "rase" else len(batch), seconds)
            for name, job in these.items()
        }
        for library, these in jobs.items()
    }


def _rate(job: Callable[[], Any], pairs: int, seconds: float) -> float:
    """Pairs a second: the fastest repetition within so many seconds."""
    best, began = np.inf, time.perf_counter()
    job()
    while time.perf_counter() - began < seconds:
        start = time.perf_counter()
        job()
        best = min(best, time.perf_counter() - start)
    return float(pairs / best)


def report(result: dict[str, Any]) -> str:
    """The result as a text to read."""
    engine, sewar = result["lusgan"], result["sewar"]
    pairs = engine["pairs"]
    lines = [
        f"{result['machine']}: {pairs:,} pairs of {result['size']} x {result['size']} grey frames,"
        f" {len(METRICS)} metrics",
        f"lusgan   {engine['engine']}",
        f"         {engine['seconds of wall clock']:.1f} s of wall clock from a cold start, "
        f"{engine['seconds computing']:.1f} s of them computing; "
        f"{engine['seconds of CPU']:.1f} s of CPU; {engine['peak memory MB']:,.0f} MB at most",
        f"         {result['pairs a second']:,.0f} pairs/s, all metrics together",
        f"sewar    {sum(sewar.values()) * 1e3:.1f} ms a pair in one process: "
        + ", ".join(f"{name} {1e3 * s:.2f}" for name, s in sewar.items()),
        f"ratio    {result['times sewar per core']:,.0f} times sewar per core, by CPU time; "
        f"{result['times sewar']:,.0f} times one sewar process by wall clock, on all cores",
    ]
    for library, rates in result["rivals"].items():
        each = ", ".join(f"{name} {rate:,.0f}" for name, rate in rates.items())
        lines.append(f"{library:14} pairs/s: {each}")
    errors = ", ".join(f"{name} {error:.1g}" for name, error in result["errors"].items())
    lines.append(f"largest errors against sewar on a sample: {errors}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="All pairs: lusgan beside four libraries.")
    parser.add_argument("--first", type=int, default=2000, help="real frames")
    parser.add_argument("--second", type=int, default=100, help="synthetic frames")
    parser.add_argument("--size", type=int, default=256, help="pixels a side")
    parser.add_argument("--threads", type=int, help="of the engine; all cores by default")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--engine", default="auto", choices=["auto", "numba", "triton", "torch"])
    parser.add_argument("--sample", type=int, default=8, help="pairs that sewar is timed on, twice")
    parser.add_argument("--json", type=Path, help="also write the result here")
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        job = engine_job(options.job, options.threads, options.device, options.engine)
        print(json.dumps(job))
        return
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        a, b = many(options.first, options.size, 1), many(options.second, options.size, 2)
        np.save(folder / "a.npy", a)
        np.save(folder / "b.npy", b)
        before = time_sewar(a, b, options.sample)
        engine = run_engine(folder, options)
        after = time_sewar(a, b, options.sample)
    sewar = {name: min(before[name], after[name]) for name in METRICS}
    rate = engine["pairs"] / engine["seconds of wall clock"]
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "size": options.size,
        "pairs a second": rate,
        "times sewar": rate * sum(sewar.values()),
        "times sewar per core": engine["pairs"] / engine["seconds of CPU"] * sum(sewar.values()),
        "errors": check(a, b, engine.pop("nearest"), 10),
        "lusgan": engine,
        "sewar": sewar,
        "rivals": time_rivals(a, b, 3.0),
    }
    print(report(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
