"""The page for authors of plugins: its code runs, and its table says what is so."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from documents import ROOT, blocks, check_line
from lusgan_cli.new_plugin import SUITES, example
from lusgan_core import testing
from lusgan_core.api import SetMetric
from lusgan_core.config import RunConfig
from lusgan_core.registry import KINDS, Provider, Registry

TEXT = (ROOT / "docs/plugins.md").read_text(encoding="utf-8")
BLOCKS = blocks(TEXT)
FILES = {block.name: block.text for block in BLOCKS if block.how == "file"}
RUN = [block.text for block in BLOCKS if block.how == "run"]
ROW = re.compile(r"^\| (\w+) \| `(\w+)` \| (\d+) lines \| (.*?) \| .*? \| `(\w+)` \|$", re.M)


@pytest.mark.parametrize("kind", KINDS)
def test_the_examples_are_those_that_lusgan_writes(kind: str) -> None:
    """The page shows what `lusgan plugins new` writes, which is held to its suite elsewhere."""
    assert FILES[f"a_{kind}.py"] == example(kind)


def test_the_table_is_right() -> None:
    """A row a kind: its hook, the lines of its example, options that exist, and its suite."""
    rows = {row[0]: row[1:] for row in ROW.findall(TEXT)}
    assert list(rows) == list(KINDS)
    for kind, (hook, lines, options, suite) in rows.items():
        count = sum(1 for line in example(kind).splitlines() if line.strip())
        assert (hook, int(lines), suite) == (KINDS[kind][0], count, SUITES[kind])
        named = re.findall(r"`(\w+)\.(\w+)`", options)
        assert named or kind == "preset"
        for section, option in named:
            model: Any = RunConfig.model_fields[section].annotation
            assert option in model.model_fields, f"{section}.{option}"


def test_the_set_metric_keeps_its_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's set metric is a plugin, and passes the suite that the page names."""
    (tmp_path / "a_set_metric.py").write_text(FILES["a_set_metric.py"])
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry()
    registry.add(__import__("a_set_metric"), Provider("a_set_metric"))
    (record,) = registry.records["metric"].values()
    assert isinstance(record, SetMetric)
    suite = type("Suite", (testing.SetMetricContract,), {"record": record})
    run_tests(suite)
    sys.modules.pop("a_set_metric")


@pytest.mark.parametrize("number", range(len(RUN)))
def test_code_runs(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown is run as a module, and so are the tests that it defines."""
    name = f"shown_{number}"
    (tmp_path / f"{name}.py").write_text(RUN[number])
    monkeypatch.syspath_prepend(tmp_path)
    made: Mapping[str, Any] = vars(__import__(name))
    for suite in [made[key] for key in made if key.startswith("Test")]:
        run_tests(suite)
    sys.modules.pop(name)


def run_tests(suite: type[Any]) -> None:
    tests = [name for name in dir(suite) if name.startswith("test_")]
    assert len(tests) > 3
    for name in tests:
        getattr(suite(), name)()


def test_the_project_file_offers_the_module() -> None:
    """The pyproject.toml that is shown has the entry point that lusgan looks for."""
    project = tomllib.loads(FILES["pyproject.toml"])["project"]
    assert project["entry-points"] == {"lusgan": {"my_loss": "my_loss"}}


def test_commands_are_those_of_the_command_line() -> None:
    """Each command of lusgan that the page shows exists, with its options."""
    shown = [line.strip() for line in TEXT.splitlines() if line.startswith("    lusgan ")]
    assert len(shown) >= 4
    for line in shown:
        check_line(line.replace("=my_loss", "=LSGAN"), whole=False)
