"""Trainings of one machine share its GPUs out among themselves."""

from __future__ import annotations

import subprocess
import sys
import uuid

import torch

from lusgan_core.networks.device import first_free, free_gpu

HOLD = """
import sys
from lusgan_core.networks.device import first_free
with first_free(sys.argv[1:]) as number:
    print(number, flush=True)
    sys.stdin.read()
"""


def test_each_process_has_one_of_its_own():
    """The first gets the first, the next the second; who comes late has none until one dies."""
    names = [uuid.uuid4().hex, uuid.uuid4().hex]
    holders = []
    for number in (0, 1):
        command = [sys.executable, "-c", HOLD, *names]
        holders.append(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        assert holders[-1].stdout.readline() == f"{number}\n"
    with first_free(names) as number:
        assert number is None
    holders[0].kill()
    holders[0].communicate()
    with first_free(names) as number, first_free(names) as none:
        assert (number, none) == (0, None)
    holders[1].communicate("")


def test_what_was_asked_for_is_used():
    """Without several GPUs, and where one is named, there is nothing to choose."""
    for name in ("cpu", "cuda:1"):
        with free_gpu(torch.device(name)) as device:
            assert device == torch.device(name)
