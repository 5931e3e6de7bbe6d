"""The examples of README and documentation: run as they stand where one machine can, once.

How a block is tested is said in a comment above it; see ``documents.Block``. What is run works on
tiny phantom exams, with options over its own that make trainings short.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from distributions import run_python
from documents import KINDS, ROOT, SHELL, Block, blocks, check_line
from lusgan_cli import demo, main
from tiny_runs import PHANTOM, SETTINGS

pytestmark = pytest.mark.once

ELSEWHERE = ("docs/plugins.md", "docs/using-frames.md")
"""Pages whose examples have tests of their own."""
PAGES = ("README.md", *(
    path.relative_to(ROOT).as_posix()
    for path in sorted((ROOT / "docs").rglob("*.md"))
    if path.relative_to(ROOT).as_posix() not in ELSEWHERE
))  # fmt: skip
EXAMPLES = {page: blocks((ROOT / page).read_text(encoding="utf-8")) for page in PAGES}
TRAINS = ("demo", "run", "train", "evaluate")
"""Commands that may train."""
SHORT = tuple(word for setting in SETTINGS for word in ("--set", setting))
"""Options that make a training short, with the preset ``demo``."""
SMALL = ("--clips=4", "--frames=6", "--size=64")
"""Options that make phantom exams small."""


def marked(*how: str) -> list[Any]:
    """Return the blocks that are tested like that, named by their pages and first lines."""
    return [
        pytest.param(block, id=f"{page}: {block.text.partition(chr(10))[0][:50]}")
        for page, found in EXAMPLES.items()
        for block in found
        if block.how in how
    ]


@pytest.fixture(scope="module")
def ran() -> dict[str, str]:
    """Command lines that were run, each with the page that it was run for."""
    return {}


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize(
    "page", [page for page, found in EXAMPLES.items() if any(b.how == "run" for b in found)]
)
def test_examples_run(
    page: str,
    trained_folder: Path,
    ran: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All examples of a page end well, one after the other, in a folder with EXAMS and a STORE.

    What another page shows letter by letter is not run again.
    """
    shutil.copytree(trained_folder / "exams", tmp_path / "EXAMS")
    shutil.copytree(trained_folder / "lusgan-store", tmp_path / "STORE")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "PHANTOMS", PHANTOM)
    for block in EXAMPLES[page]:
        if block.how == "file":
            (tmp_path / block.name).write_text(block.text, encoding="utf-8")
        elif block.how != "run":
            continue
        elif block.kind == "python":
            subprocess.run([sys.executable, "-c", block.text], check=True, timeout=200)
        else:
            assert block.kind in SHELL, f"{block.kind} cannot be run: say what it is a file of"
            assert block.commands
            for line in block.commands:
                if ran.setdefault(shlex.join(shlex.split(line, comments=True)), page) == page:
                    run(line, monkeypatch)


def run(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command line: one of lusgan's in this process, any other by bash."""
    words = shlex.split(line, comments=True)
    if words[0] != "lusgan":
        subprocess.run(["bash", "-euc", line], check=True, timeout=200)
        return
    short = SHORT if words[1] in TRAINS else SMALL if words[1] == "phantom" else ()
    monkeypatch.setattr(sys, "argv", [*words, *short])
    assert exit_code() == 0, line


def exit_code() -> int:
    """Call the command line with the arguments of this process; returns how it ended."""
    try:
        main()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(bool(done.code))
    return 0


@pytest.mark.parametrize("block", marked("live", "containers", "not run"))
def test_other_examples_can_be_understood(block: Block) -> None:
    """Commands that take more than this machine are shell, and lusgan knows their options."""
    if block.kind == "python":
        compile(block.text, "<example>", "exec")
        return
    assert block.kind in SHELL
    script = "\n".join(block.commands)
    subprocess.run(["bash", "-n"], input=script, text=True, check=True, timeout=20)
    assert block.commands
    for line in block.commands:
        check_line(line, whole=True)


def test_the_plugin_is_installed_and_listed(tmp_path: Path) -> None:
    """The files of the plugin, as they are shown, make a package that lusgan finds and uses."""
    source, site = tmp_path / "my-plugin", tmp_path / "site"
    source.mkdir()
    for block in EXAMPLES["docs/how-to/plugin.md"]:
        if block.how == "file":
            (source / block.name).write_text(block.text, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    offline = ["--no-deps", "--no-index", "--no-build-isolation", "--target", str(site)]
    subprocess.run([*pip, *offline, str(source)], check=True, timeout=200)
    listed = json.loads(run_python(site, "-m", "lusgan_cli.start", "plugins", "--json"))
    assert listed["broken"] == []
    (mine,) = [plugin for plugin in listed["plugins"] if plugin["from"] == "my-plugin 0.1.0"]
    assert (mine["kind"], mine["name"]) == ("metric", "mae")
    code = (
        "import numpy as np; from lusgan_core.registry import installed;"
        "frame = np.full((8, 8), 250, np.uint8);"
        "print(installed().pair_metric('mae').value(frame, frame - 246))"
    )
    assert run_python(site, "-c", code).strip() == "246.0"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("lusgan run --exams EXAMS --stores STORE", "No such option"),
        ("lusgan run --store STORE", "Missing .*exams"),
        ("lusgan run --exams EXAMS --set training.batch=3", "unknown option training.batch"),
        ("lusgan runs --exams EXAMS", "no command 'runs'"),
        ("lusgan promote 1", "Missing .*model"),
        ("lusgan rollback ... 1 2", "unexpected extra argument"),
        ("lusgan deploy ... --type docker --job shm_sizes=8g", "shm_sizes"),
        ("docker run IMAGE lusgan demo --preset paper", "No such option"),
        ("docker build -f docker/Containerfile .", "there is no docker/Containerfile"),
    ],
)
def test_a_wrong_command_is_noticed(line: str, reason: str) -> None:
    """What an example gets wrong fails its test: options, commands, values, files."""
    with pytest.raises(ValueError, match=reason):
        check_line(line, whole=True)


def test_what_is_left_out_may_be_missing() -> None:
    """Three dots stand for what a command requires, and mentions in the text are never whole."""
    check_line("lusgan run ... --task-runner dask=ADDRESS", whole=True)
    check_line("lusgan promote", whole=False)


def test_blocks_are_found_with_their_marks() -> None:
    """Language, mark and commands are read; comments, output and continued lines are told apart."""
    text = (
        "```bash\n# first\nlusgan check \\\n  EXAMS\n```\n\n<!-- test: not run: a GPU -->\n"
        "```console\n$ make demo\n6 exams\n```\n<!-- test: file a.py -->\n```python\nx = 1\n```\n"
    )
    shell, session, file = blocks(text)
    assert (shell.how, shell.commands) == ("run", ["lusgan check    EXAMS"])
    assert (session.how, session.name, session.commands) == ("not run", "a GPU", ["make demo"])
    assert (file.how, file.name, file.text) == ("file", "a.py", "x = 1\n")


@pytest.mark.parametrize(
    "text",
    ["```\nls\n```\n", "```bash\nls\n", "<!-- test: skip -->\n```bash\nls\n```\n",
     "<!-- test: not run -->\n```bash\nls\n```\n", "<!-- test: file -->\n```toml\n```\n"],
)  # fmt: skip
def test_a_wrong_mark_is_refused(text: str) -> None:
    """A block without a language or an end, or with a mark that nobody knows, is no example."""
    with pytest.raises(ValueError, match=r"language|fence|marked"):
        blocks(text)


def test_every_kind_of_example_is_there() -> None:
    """Examples of every kind are found, the demo and the tests of the gate among them."""
    assert {block.how for found in EXAMPLES.values() for block in found} == set(KINDS)
    assert any("lusgan demo" in b.commands for b in EXAMPLES["README.md"] if b.how == "run")
    shown = [line for block in EXAMPLES["README.md"] for line in block.commands]
    assert any(line.startswith("make test") for line in shown)


def test_what_is_not_run_takes_more_than_this_machine() -> None:
    """A block that nothing runs says why in words of what it takes."""
    for page, found in EXAMPLES.items():
        for block in found:
            if block.how == "not run":
                assert re.search("GPU|cluster|server|gate", block.name), (page, block.name)
