"""The training loop: images a second here, in the report's own code, and with nothing to fetch.

    python benchmarks/training.py [--size 256] [--batch 8] [--iterations 6] [--preset paper]

Three loops take the same steps of the same networks (one discriminator step and as many generator
steps as the preset says) on the same frames:

- *here*: what more iterations of a whole training by ``lusgan_core.training.loop.train`` cost, with
  its previews, checkpoints, events and looks, into a store on the disk (the cost of twice as many
  less that of so many, so that what a training does once does not count);
- *constant*: the same steps alone, on tensors that are made once: what the processor can do;
- *report*: a loop as the report's code has it. Each step reads its batch from PNG files of
  800 x 1068 one by one (``data_path.report_way``), draws its noise and labels, keeps every loss as
  a number at once, and is written down plainly here: the loss is RaSGAN on binary cross entropy.

Costs are CPU seconds of the process, so that other work on the machine distorts little; the loops
take turns, and medians are shown. Peak memory is that of a process which runs one loop alone.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from data_path import report_way, write_frames
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from lusgan_core.calls.interrupts import StopFlag
from lusgan_core.calls.runtime import Runtime
from lusgan_core.config import resolve
from lusgan_core.networks.value_range import value_map
from lusgan_core.phantom.render import render_frames
from lusgan_core.registry import installed
from lusgan_core.store import LocalStore
from lusgan_core.training.job import Job
from lusgan_core.training.loop import train
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.recipe import recipe
from lusgan_core.training.state import TrainingState, fresh_state
from lusgan_core.training.step import Trainer

FRAMES = 96
LOOPS = ("here", "constant", "report")
CPU = torch.device("cpu")


class ConstantTrainer(Trainer):
    """The same steps, on one batch and one noise that are made once."""

    def __post_init__(self) -> None:
        """Make what each step would draw."""
        super().__post_init__()
        chosen = super()._indices(0)
        self._chosen, self._same = chosen, super()._real(chosen)
        self._drawn = super()._noise(torch.Generator().manual_seed(1))

    def _indices(self, batch: int) -> Tensor:
        return self._chosen

    def _real(self, indices: Tensor) -> Tensor:
        return self._same

    def _noise(self, chance: torch.Generator) -> Tensor:
        return self._drawn


def ready(options: TrainingOptions, size: int, kind: type[Trainer]) -> tuple[Trainer, Any]:
    """Return a trainer and its fresh state."""
    frames = torch.from_numpy(render_frames(2, FRAMES, size, 1))
    made = recipe(options, size, 1, value_map(options, frames), installed())
    return kind(options, made, frames), fresh_state(options, made, CPU, installed())


def here(options: TrainingOptions, size: int, folder: Path) -> Callable[[], float]:
    """Return whole trainings, which begin anew each time."""
    frames, count = render_frames(2, FRAMES, size, 1), iter(range(10_000))

    def once(times: int) -> float:
        job = Job(LocalStore(folder), f"model-{next(count)}", "benchmark")
        chosen = options.model_copy(update={"iterations": times * options.iterations})
        runtime = Runtime(device="cpu", threads=1)
        return cost(lambda: train(frames, chosen, job, installed(), runtime, StopFlag()))

    return lambda: once(2) - once(1)


def cost(work: Callable[[], Any]) -> float:
    """Return the CPU seconds of some work."""
    started = time.process_time()
    work()
    return time.process_time() - started


def constant(options: TrainingOptions, size: int, folder: Path) -> Callable[[], float]:
    """Return the steps alone."""
    trainer, state = ready(options, size, ConstantTrainer)

    def run() -> None:
        state.iteration = 0
        for _ in range(options.iterations):
            trainer.iterate(state)

    return lambda: cost(run)


def report(options: TrainingOptions, size: int, folder: Path) -> Callable[[], float]:
    """Return a loop as the report's code has it."""
    (folder / "png" / "score").mkdir(parents=True)
    write_frames(folder / "png" / "score", max(24, options.batch_size))
    _, state = ready(options, size, Trainer)
    batch = report_way(folder / "png", options.batch_size, size)
    losses: list[float] = []

    def run() -> None:
        for step in range(options.iterations):
            losses.append(discriminator_step(options, state, batch(step)))
            for _ in range(options.generator_steps):
                losses.append(generator_step(options, state, batch(step)))

    return lambda: cost(run)


def packs(options: TrainingOptions, images: Tensor, network: nn.Module) -> Tensor:
    """Return logits of images, packed as the preset says."""
    count = options.pack or 1
    logits: Tensor = network(images.reshape(len(images) // count, count, *images.shape[2:]))
    return logits


def discriminator_step(options: TrainingOptions, state: TrainingState, real: Tensor) -> float:
    """RaSGAN's discriminator step with smooth labels, of which some are flipped."""
    noise = torch.randn(len(real), options.latent_size)
    fake = state.generator(noise).detach()
    a, b = (packs(options, images, state.discriminator) for images in (real, fake))
    ones, zeros = 0.7 + 0.5 * torch.rand_like(a), 0.3 * torch.rand_like(b)
    flips = torch.randperm(len(a))[: int(0.05 * len(a))]
    ones[flips], zeros[flips] = zeros[flips].clone(), ones[flips].clone()
    loss = cross_entropy(a - b.mean(), ones) + cross_entropy(b - a.mean(), zeros)
    state.discriminator_optimiser.zero_grad()
    loss.backward()
    state.discriminator_optimiser.step()
    return loss.item()


def generator_step(options: TrainingOptions, state: TrainingState, real: Tensor) -> float:
    """RaSGAN's generator step."""
    fake = state.generator(torch.randn(len(real), options.latent_size))
    a, b = (packs(options, images, state.discriminator) for images in (real, fake))
    loss = cross_entropy(a - b.mean(), torch.zeros_like(a))
    loss = loss + cross_entropy(b - a.mean(), torch.ones_like(b))
    state.generator_optimiser.zero_grad()
    loss.backward()
    state.generator_optimiser.step()
    return loss.item()


def peak_mb() -> float:
    """Largest resident memory of this process, 10^6 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def alone(given: argparse.Namespace, loop: str) -> float:
    """Peak memory of a process that runs one loop."""
    command = [
        sys.executable, __file__, "--only", loop, "--size", str(given.size),
        "--batch", str(given.batch), "--iterations", "1", "--preset", given.preset,
        "--set", *given.set,
    ]  # fmt: skip
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--set", nargs="*", default=["training.backbone=dcgan"])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=8, help="the preset's own is slow on a CPU")
    parser.add_argument("--iterations", type=int, default=6, help="of each turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--loops", nargs="+", default=list(LOOPS), choices=LOOPS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=LOOPS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    settings = [
        *given.set, f"preprocessing.image_size={given.size}",
        f"training.batch_size={given.batch}", f"training.iterations={given.iterations}",
    ]  # fmt: skip
    options = resolve(given.preset, installed(), settings=settings).training
    usual = resolve(given.preset, installed()).training
    previews = max(2, round(usual.previews * given.iterations / usual.iterations))
    options = options.model_copy(update={"previews": previews})
    makers = {"here": here, "constant": constant, "report": report}
    with tempfile.TemporaryDirectory(prefix="lusgan-bench-") as name:
        if given.only:
            makers[given.only](options, given.size, Path(name))()
            print(peak_mb())
            return
        runs = {loop: makers[loop](options, given.size, Path(name)) for loop in given.loops}
        costs: dict[str, list[float]] = {loop: [] for loop in runs}
        for turn in range(given.turns + 1):
            for loop, run in runs.items():
                seconds = run()
                if turn:  # the first one warms up
                    costs[loop].append(seconds)
    images = given.iterations * given.batch * options.discriminator_steps
    rates = {loop: images / statistics.median(costs[loop]) for loop in runs}
    memory = {loop: alone(given, loop) for loop in runs}
    found: dict[str, Any] = {
        "images_per_cpu_s": rates,
        "peak_mb": memory,
        "times": {loop: rates["here"] / rates[loop] for loop in rates if "here" in rates},
    }
    if given.json:
        print(json.dumps(found))
        return
    print(
        f"{given.preset} {' '.join(given.set)}, {given.size} px, batch {given.batch}; PyTorch "
        f"{torch.__version__}, one thread, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    for loop in runs:
        spread = ", ".join(f"{images / cost:.2f}" for cost in costs[loop])
        print(f"  {loop:9} {rates[loop]:8.2f} images/CPU s ({spread})  {memory[loop]:6.0f} MB")
    for loop, times in found["times"].items():
        print(f"  here against {loop:9} {times:.1%}")


if __name__ == "__main__":
    main()
