"""Campaigns are listed, and asked for by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from campaigns import KINDS

TESTS = Path(__file__).parent


def ask(*options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on a folder with one campaign's tests, as ``make campaign`` does on all."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "campaign", "-p", "no:cacheprovider", *options,
         "ingestion/test_masks.py", "plugins/test_mat_clips.py"],
        cwd=TESTS, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


def test_without_a_name_they_are_listed() -> None:
    """An empty name lists every campaign, and runs none."""
    done = ask("--campaign=")
    assert done.returncode == 0, done.stderr
    for name, kind in KINDS.items():
        assert f"{name:8}{kind.what}" in done.stdout
    assert "passed" not in done.stdout


def test_an_unknown_name_is_refused() -> None:
    """A name that does not exist fails, and lists those that do."""
    done = ask("--campaign=nothing")
    assert done.returncode == 2
    assert all(name in done.stdout for name in KINDS)


def test_one_is_run_at_the_length_asked_for() -> None:
    """The table at the end has a row for each file, damaged as often as was asked."""
    done = ask("--campaign=files", "--campaign-size=3", "--campaign-seed=5")
    assert done.returncode == 0, done.stdout
    assert "campaign, seed 5" in done.stdout
    rows = [line for line in done.stdout.splitlines() if line.startswith("mask, ")]
    assert rows
    assert all(row.split()[-2] == "3" for row in rows), rows
