"""Examples of the documentation that take a running ``lusgan up``, on the shared stack."""

from __future__ import annotations

import shlex

import pytest
from stack import TRAINERS, Stack

from documents import ROOT, Block, blocks
from tiny_runs import SETTINGS, write_exams

pytestmark = pytest.mark.timeout(900)
PAGES = sorted((ROOT / "docs").rglob("*.md"))
LIVE = [b for page in PAGES for b in blocks(page.read_text("utf-8")) if b.how == "live"]
SHELL = [block for block in LIVE if block.kind == "bash"]
SHORT = ("--preset=demo", *(f"--set={setting}" for setting in SETTINGS))
"""Over the options of an example that trains."""


@pytest.fixture(scope="module")
def stack(up: Stack, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The stack, with exams in its bucket."""
    up.need(*TRAINERS)
    if not up.s3().list_objects_v2(Bucket="exams", Prefix="9001/").get("Contents"):
        exams = write_exams(tmp_path_factory.mktemp("documents") / "exams")
        up.upload(exams, "9001", "9002", "9003")
    return up


@pytest.mark.parametrize("block", SHELL, ids=lambda block: block.commands[0][:40])
def test_examples_run(stack: Stack, block: Block) -> None:
    """Each command that is shown ends well; `lusgan up` is the stack that answers them."""
    for line in block.commands:
        command, *words = shlex.split(line, comments=True)
        assert command == "lusgan"
        words = ["9001/1" if word == "PATIENT/EXAM" else word for word in words]
        if words[0] == "up":
            continue
        more = SHORT if words[0] == "run" else (f"--home={stack.home}",)
        done = stack.lusgan(*words, *more, s3=True)
        assert done.returncode == 0, f"{line}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


def test_all_that_an_operator_is_shown_is_here() -> None:
    """Among them are the commands that ask a running stack."""
    shown = {line.split()[1] for block in SHELL for line in block.commands}
    assert {"up", "status", "doctor", "notify", "run"} <= shown
