"""What documents say: fenced blocks of code, commands in the text, names of files and modules."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.exceptions import TyperException

from lusgan_cli import COMMANDS, load
from lusgan_cli.options import chosen, parse_scores
from lusgan_cli.pools import parse_job, pool_kind
from lusgan_ops.pools import template

ROOT = Path(__file__).parent.parent
FOLDERS = (
    ".ci", "benchmarks", "deployments", "docker", "docs", "flows", "lusgan_core", "plugins",
    "tests",
)  # fmt: skip
"""Of the project."""
SHELL = ("bash", "console")
FENCE = re.compile(
    r"^(?:<!-- test: (?P<how>.*?) -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)

KINDS = ("run", "live", "containers", "not run", "file")
"""How a block is tested; see ``Block``."""
MARK = re.compile(r"(?P<how>run|live|containers)|(?P<with_name>not run:|file) (?P<name>.+)")


@dataclass(frozen=True)
class Block:
    """A fenced block of code.

    A comment on the line above says how it is tested: ``<!-- test: live -->`` and
    ``<!-- test: containers -->`` where the tests of those folders do what it shows, on stacks of
    theirs; ``<!-- test: not run: WHY -->`` for what takes a GPU or a cluster; ``<!-- test: file
    NAME -->`` for the content of a file. Without one it is run. Commands of all are parsed.
    """

    kind: str
    """Language, as the fence says it."""
    how: str
    """``run``, ``live``, ``containers``, ``not run`` or ``file``."""
    text: str
    name: str = ""
    """Of the file that it is the content of; why it is not run."""

    @property
    def commands(self) -> list[str]:
        """Commands of a shell block, one a line; of a console session what stands behind ``$``."""
        text = self.text.replace("\\\n", " ")
        if self.kind == "console":
            return [line[2:].strip() for line in text.splitlines() if line.startswith("$ ")]
        lines = (line.strip() for line in text.splitlines())
        return [line for line in lines if line and not line.startswith("#")]


def blocks(text: str) -> list[Block]:
    """Find the fenced blocks of a document. Raises ValueError for one that is marked wrongly."""
    found = []
    for match in FENCE.finditer(text):
        mark = MARK.fullmatch(match["how"] or "run")
        if mark is None:
            raise ValueError(f"a block is marked {match['how']!r}: expected {MARK.pattern}")
        how, name = mark["how"] or mark["with_name"].rstrip(":"), mark["name"] or ""
        if not match["kind"]:
            raise ValueError(f"a block names no language: {match['text'][:60]!r}")
        found.append(Block(match["kind"], how, match["text"], name))
    if text.count("```") != 2 * len(found):
        raise ValueError("a fence is not closed, or stands within a line")
    return found


def quoted(text: str) -> list[str]:
    """Return what stands between single backticks, fenced blocks left out."""
    rest = FENCE.sub("", text)
    return [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", rest)]


def lusgan_command(words: list[str]) -> list[str] | None:
    """Return the command of lusgan in a command line, None where there is none.

    It may be wrapped: ``docker run IMAGE lusgan demo``.
    """
    for place, word in enumerate(words[:-1]):
        following = words[place + 1]
        if word == "lusgan" and (place == 0 or following in COMMANDS):
            return words[place + 1 :]
    return None


def check_line(line: str, whole: bool) -> None:
    """Check a line of shell by what lusgan's parser and the project's folder know of it.

    Args:
        line: The command line.
        whole: Whether it must name all that the command requires; ``...`` in it stands for that.

    Raises:
        ValueError: It names a file that is not there, or an option or command unknown to lusgan.
    """
    words = shlex.split(line, comments=True)
    for word in words:
        check_path(word)
    command = lusgan_command(words)
    if command is not None:
        whole = whole and "..." not in command
        check_command([word for word in command if word != "..."], whole)


def check_command(words: list[str], whole: bool) -> None:
    """Raise ValueError unless lusgan's own parser takes a command line. Nothing is executed."""
    name, *given = ["1" if word == "N" else word for word in words]
    if name in ("--help", "--version", "--install-completion") and not given:
        return
    if name not in COMMANDS:
        raise ValueError(f"lusgan has no command {name!r}: {', '.join(COMMANDS)}")
    parameters = _parsed(name, given, whole)
    if "set_" in parameters and not parameters.get("config"):
        scores = parameters.get("scores")
        parse_scores(scores)
        chosen(parameters.get("preset", "demo"), None, list(parameters["set_"] or ()), scores)
    if parameters.get("job"):
        variables = parse_job(list(parameters["job"]))
        template(pool_kind(parameters["kind"]), parameters["gpu"], job=variables)


def _parsed(name: str, given: list[str], whole: bool) -> dict[str, Any]:
    """Parse a command's arguments; what it requires is filled in unless they must be whole."""
    command, arguments = load(name), list(given)
    while True:
        try:
            context = command.make_context(name, list(arguments))
        except TyperException as error:
            missing = getattr(error, "param", None)
            if whole or type(error).__name__ != "MissingParameter" or missing is None:
                raise ValueError(f"lusgan {name}: {error}") from error
            option = missing.opts[0]
            arguments += [option, "0"] if option.startswith("-") else ["0"]
        else:
            return dict(context.params)


def check_path(word: str, beside: Path = ROOT) -> None:
    """Raise ValueError for a word that names a file of the project which is not there.

    A word counts as one if it has a slash and begins with a folder of the project, or ends in
    ``.py``; it may be relative to the folder ``beside``. What git ignores need not be there.
    """
    path = Path(word.removeprefix("./"))
    if len(path.parts) < 2 or not re.fullmatch(r"[\w./-]+", word):
        return
    if path.parts[0] not in FOLDERS and path.suffix != ".py":
        return
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    if not any((folder / path).exists() for folder in (ROOT, beside)) and str(path) not in ignored:
        raise ValueError(f"there is no {word} in the project")
