"""Run by tests as a process of its own, to be killed: monitored_script.py FOLDER ITERATIONS."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).with_name("training")))

from test_monitored import BREAKS, MONITORED

import tiny


def main(folder: str, iterations: str) -> None:
    torch.set_num_threads(1)
    chosen = tiny.options(MONITORED, iterations=int(iterations))
    registry, given = tiny.with_loss(BREAKS), tiny.validation()
    tiny.run(Path(folder), chosen, registry, checkpoint_s=0.01, validation=given)


if __name__ == "__main__":
    main(*sys.argv[1:])
