"""An API reference can be made of the docstrings: they document arguments and results."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from lusgan_cli import COMMANDS, MODULES

ROOT = Path(__file__).parents[1]
PACKAGES = ("lusgan_core", "flows", "plugins")
HELP = {f"flows/lusgan_cli/{MODULES.get(name, name)}.py:{name}" for name in COMMANDS}
HELP |= {f"flows/lusgan_cli/plugins.py:{name}" for name in ("listed", "new")}
"""Functions of the command line whose docstring is what ``--help`` shows."""
NOTHING = ("None", "NoReturn", "Iterator[None]")
"""Annotations of functions without a result."""


@dataclass(frozen=True)
class Function:
    """A public function or method, as it stands in the source."""

    place: str
    node: ast.FunctionDef | ast.AsyncFunctionDef
    bases: tuple[str, ...] = ()
    """Names of the bases of a method's class."""

    @property
    def doc(self) -> str:
        return ast.get_docstring(self.node) or ""

    @property
    def decorators(self) -> str:
        return " ".join(ast.unparse(decorator) for decorator in self.node.decorator_list)

    @property
    def missing(self) -> list[str]:
        """Sections that the docstring should have and has not."""
        lines = self.doc.splitlines()
        returns = ast.unparse(self.node.returns) if self.node.returns else "None"
        yields = returns.partition("[")[0] in ("Iterator", "AsyncIterator", "Generator")
        result = {"Returns:", "Yields:"} if yields else {"Returns:"}
        lacks_result = returns not in NOTHING and not result & set(lines)
        return ["Args:"] * ("Args:" not in lines) + ["Returns:"] * lacks_result


def functions(node: ast.Module | ast.ClassDef, place: str) -> Iterator[Function]:
    """Public functions of a module or class, and public methods of its public classes."""
    bases = getattr(node, "bases", ())
    names = tuple(ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in bases)
    for child in node.body:
        if getattr(child, "name", "_").startswith("_"):
            continue
        if isinstance(child, ast.ClassDef):
            yield from functions(child, f"{place}{child.name}.")
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Function(f"{place}{child.name}", child, names)


@cache
def classes() -> dict[str, list[ast.ClassDef]]:
    """All classes of the project by name."""
    found: dict[str, list[ast.ClassDef]] = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    found.setdefault(node.name, []).append(node)
    return found


def overrides(function: Function) -> bool:
    """Whether a base class of the project documents the arguments of the same method."""
    todo, seen = list(function.bases), set[str]()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        for base in classes().get(name, ()):
            for method in functions(base, ""):
                if method.node.name == function.node.name and "Args:" in method.doc:
                    return True
                todo += method.bases
    return False


def needs_sections(function: Function) -> bool:
    """Whether a function has more than one argument and no reason to leave them out."""
    given = function.node.args
    arguments = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return (
        len([name for name in arguments if name not in ("self", "cls")]) > 1
        and function.place not in HELP
        and "overload" not in function.decorators
        and not function.doc.startswith("See ")
        and not overrides(function)
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_arguments_and_results_are_documented(package: str) -> None:
    """A public function of several arguments has Args and Returns in its docstring."""
    problems = []
    for path in sorted((ROOT / package).rglob("*.py")):
        place = f"{path.relative_to(ROOT).as_posix()}:"
        for function in functions(ast.parse(path.read_text(encoding="utf-8")), place):
            if needs_sections(function) and function.missing:
                problems.append(f"{function.place} lacks {' and '.join(function.missing)}")
    assert not problems, "\n".join(problems)
