"""Shells complete commands and their options, though no command is loaded before it is called."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

RUN = "import sys; sys.argv[0] = 'lusgan'; from lusgan_cli.start import main; main()"


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("lusgan pr", {"promote", "prune"}), ("lusgan run --pre", {"--preset"})],
)
def test_what_is_typed_is_completed(typed: str, offered: set[str]) -> None:
    """As bash asks for it."""
    asked = {
        "_LUSGAN_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(typed.count(" ")),
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        env=os.environ | asked,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert set(done.stdout.split()) == offered, done.stderr
