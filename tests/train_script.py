"""Run by tests as a process of its own, to be killed: train_script.py FOLDER ITERATIONS."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

import tiny
from lusgan_core.calls.interrupts import stop_on_signals
from lusgan_core.errors import TrainingStopped
from lusgan_core.registry import installed


def main(folder: str, iterations: str) -> int:
    torch.set_num_threads(1)
    chosen = tiny.options(tiny.EVERYTHING, iterations=int(iterations))
    try:
        with stop_on_signals() as stop:
            tiny.run(Path(folder), chosen, installed(), stop=stop, checkpoint_s=0.01)
    except TrainingStopped as stopped:
        print(stopped, file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
