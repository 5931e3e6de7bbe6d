"""What import-linter cannot say: which modules of an earlier stage a later one may import."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import lusgan_core

STAGES = (
    "ingestion", "preprocessing", "selection", "encoder", "training", "generation", "evaluation",
    "classification", "usefulness", "promotion", "reporting",
)  # fmt: skip
"""Rooms of stages, in the order of the data."""
FILES = {
    "ingestion": {"readers", "clip", "masks"},
    "preprocessing": {"shard"},
    "selection": {"dataset", "splits"},
    "encoder": {"weights"},
}
"""Modules that read what is not in a record: exam files, shards."""
ROOT = Path(lusgan_core.__file__).parent


def imported(path: Path) -> set[str]:
    """Return the modules of the core that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lusgan_core."):
            module = str(node.module).removeprefix("lusgan_core.")
            inside = [alias.name for alias in node.names if module in STAGES]
            found |= {f"{module}.{name}" for name in inside} or {module}
    return found


@pytest.mark.parametrize("room", STAGES)
def test_a_stage_takes_from_an_earlier_one_its_record_alone(room: str) -> None:
    """It imports an earlier stage's ``stage.py``, or what reads the files that it left."""
    earlier = STAGES[: STAGES.index(room)]
    wrong = []
    for path in (ROOT / room).rglob("*.py"):
        for module in imported(path):
            other, _, rest = module.partition(".")
            if other in earlier and rest != "stage" and rest not in FILES.get(other, ()):
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert wrong == []


def test_every_stage_has_its_stage_module() -> None:
    """A room of a stage has a ``stage.py`` with a version, a call and a run."""
    for room in STAGES:
        text = (ROOT / room / "stage.py").read_text(encoding="utf-8")
        names = {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
        assert {"call", "run"} <= names, room
        assert "\nVERSION = " in text, room
