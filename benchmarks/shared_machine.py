"""Training on the CPU of a machine that others use too: sleeping threads against spinning ones.

Times the demo's training step on all cores while as many other processes keep the machine busy,
once with OMP_WAIT_POLICY=PASSIVE (what the ``lusgan`` command sets) and once with the library's
own choice. Each in a fresh process, in turn; medians and their ratio.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys

STEP = """
import time
import torch
from lusgan_core.phantom.render import render_frames
from lusgan_core.config import preset_values
from lusgan_core.registry import installed
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.recipe import recipe
from lusgan_core.training.state import fresh_state
from lusgan_core.training.step import Trainer
from lusgan_core.networks.value_range import value_map
options = TrainingOptions(**preset_values("demo", installed())["training"])
frames = torch.from_numpy(render_frames(2, 32, 64, 1))
made = recipe(options, 64, 1, value_map(options, frames), installed())
state = fresh_state(options, made, torch.device("cpu"), installed())
trainer = Trainer(options, made, frames)
trainer.iterate(state)
started = time.monotonic()
for _ in range(8):
    trainer.iterate(state)
print((time.monotonic() - started) / 8)
"""


def busy() -> None:
    """Keep one core busy."""
    while True:
        pass


def step_seconds(policy: str | None) -> float:
    """Seconds of a training step in a fresh process."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")}
    if policy:
        env["OMP_WAIT_POLICY"] = policy
    done = subprocess.run(
        [sys.executable, "-c", STEP], env=env, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    others = [multiprocessing.Process(target=busy, daemon=True) for _ in range(os.cpu_count() or 1)]
    for process in others:
        process.start()
    times: dict[str, list[float]] = {"sleeping": [], "spinning": []}
    for _ in range(given.repeats):
        times["sleeping"].append(step_seconds("PASSIVE"))
        times["spinning"].append(step_seconds(None))
    for process in others:
        process.terminate()
    sleeping, spinning = (statistics.median(times[name]) for name in ("sleeping", "spinning"))
    result = {"sleeping_s": sleeping, "spinning_s": spinning, "ratio": spinning / sleeping}
    if given.json:
        print(json.dumps(result))
    else:
        print(f"a training step on a busy machine ({os.cpu_count()} cores, as many others at work)")
        print(f"  threads that sleep (lusgan)  {sleeping * 1000:8.0f} ms")
        print(f"  threads that spin            {spinning * 1000:8.0f} ms")
        print(f"  ratio                        {result['ratio']:8.1f}")


if __name__ == "__main__":
    main()
