"""``lusgan pairs`` killed at any moment, and what it left damaged: never a wrong value."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from campaigns import Campaign

KILLED = """
import sys, time
from lusgan_core.measures.pairs import block_runner, compare, comparison
comparison.SAVE_EVERY_S = 0.0
compare.MEMORY_BYTES = 150_000
whole = block_runner.BlockRunner.values
def slowly(self, block):
    print("begun", flush=True)
    time.sleep(0.01)
    return whole(self, block)
block_runner.BlockRunner.values = slowly
from lusgan_cli import main
main()
"""
"""The command with small blocks, slowly, and a checkpoint after each."""
COUNT = 24


def image(rng: random.Random) -> Image.Image:
    """Noise, 24 x 24."""
    return Image.fromarray(np.frombuffer(rng.randbytes(576), np.uint8).reshape(24, 24))


def change(images: list[Path], rng: random.Random) -> None:
    """Put other pixels into two images."""
    for path in rng.sample(images, 2):
        image(rng).save(path)


def add(images: list[Path], rng: random.Random) -> None:
    """Put an image more into the folder."""
    image(rng).save(images[0].with_name("f_010x.png"))


def remove(images: list[Path], rng: random.Random) -> None:
    """Take an image away."""
    rng.choice(images).unlink()


def touch(images: list[Path], rng: random.Random) -> None:
    """Save an image again, as it is: nothing has changed."""
    path = rng.choice(images)
    with Image.open(path) as same:
        same.copy().save(path, compress_level=1)


def lose(files: list[Path], rng: random.Random) -> None:
    """Delete a file."""
    rng.choice(files).unlink()


def cut(files: list[Path], rng: random.Random) -> None:
    """Cut a file at any place."""
    path = rng.choice(files)
    os.truncate(path, rng.randrange(path.stat().st_size))


def flip(files: list[Path], rng: random.Random) -> None:
    """Change a byte of a file."""
    path = rng.choice(files)
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
    path.write_bytes(data)


DAMAGE: list[tuple[str, Callable[[list[Path], random.Random], None] | None]] = [
    ("images", change), ("values", lose), ("checkpoint", cut), ("images", touch), ("values", cut),
    ("images", add), ("checkpoint", flip), ("", None), ("images", remove), ("values", flip),
    ("checkpoint", lose),
]  # fmt: skip
"""What is damaged, and how; taken in turn."""


@pytest.mark.campaign("pairs")
def test_a_killed_comparison_ends_in_the_values_of_a_fresh_one(
    lusgan, campaign: Campaign, number: int, tmp_path, monkeypatch
) -> None:
    """Whatever was changed meanwhile; it goes on where it can, and says so where it cannot."""
    rng = campaign.chance(number)
    folder, full, cache = tmp_path / "set", tmp_path / "all.parquet", tmp_path / "cache"
    folder.mkdir()
    for i in range(COUNT):
        image(rng).save(folder / f"f_{i:03}.png")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    how = ["pairs", folder, "--metrics", "mse,rase", "--full", full]
    kill(how, rng.uniform(0.0, 0.6))
    places = {
        "images": sorted(folder.iterdir()),
        "values": sorted(tmp_path.glob(".all.parquet.values/*")),
        "checkpoint": sorted(cache.glob("lusgan/pairs-*.npz")),
    }
    what, damage = DAMAGE[number % len(DAMAGE)]
    saved, damaged = bool(places["checkpoint"]), damage is not None and bool(places[what])
    if damage is not None and damaged:
        damage(places[what], rng)
    said = lusgan(*how)
    assert said.code == 0, said.err
    over = "so it starts over" in said.err or ": starting over" in said.err
    if saved and (damage in (None, touch)):
        assert not over, said.err
    if saved and damaged and damage in (change, add, remove, lose, cut):
        assert over, said.err
    assert not list(cache.glob("lusgan/pairs-*"))
    assert not list(tmp_path.glob(".all*"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert lusgan(*how[:-1], tmp_path / "fresh.parquet").code == 0
    found, fresh = (parquet.read_table(tmp_path / f"{n}.parquet") for n in ("all", "fresh"))
    wrong = sum(
        int((np.abs(found[name].to_numpy() - fresh[name].to_numpy()) > 1e-9).sum())
        + int(np.isnan(found[name].to_numpy()).sum())
        for name in ("mse", "rase")
    )
    assert found["a"] == fresh["a"]
    assert not wrong
    campaign.row(
        kill=number, checkpoint=saved, damage=f"{what} {damage.__name__}" if damage else "none",
        started_over=over, rows=found.num_rows, wrong=wrong,
    )  # fmt: skip


def kill(how: list[object], after: float) -> None:
    """Run the command and kill it so many seconds after its first block began."""
    command = [sys.executable, "-c", KILLED, *map(str, how)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
