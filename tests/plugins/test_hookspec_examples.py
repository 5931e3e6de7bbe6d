"""The example plugins in the hooks' docstrings: each is run as the plugin that it says it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lusgan_cli.new_plugin import contract_test, example
from lusgan_core.hookspecs import LusganSpecs
from lusgan_core.registry import KINDS, Provider, Registry


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def module(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module with the example of that kind, and of one with its test."""
    name = f"example_of_a_{kind}"
    (tmp_path / f"{name}.py").write_text(example(kind))
    (tmp_path / f"check_{name}.py").write_text(contract_test(kind, name))
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    for loaded in (name, f"check_{name}"):
        sys.modules.pop(loaded, None)


def test_every_hook_has_a_whole_example(kind: str, module: str) -> None:
    """The example of each hook is a plugin that offers exactly one record of its kind."""
    registry = Registry()
    registry.add(__import__(module), Provider(module))
    offered = {k: len(records) for k, records in registry.records.items()}
    assert offered == {k: int(k == kind) for k in KINDS}


def test_the_examples_keep_their_contracts(kind: str, module: str) -> None:
    """What the examples offer passes every test that `lusgan plugins new` writes for its kind."""
    written = vars(__import__(f"check_{module}"))
    (suite,) = [found for name, found in written.items() if name.startswith("TestExample")]
    tests = [name for name in dir(suite) if name.startswith("test_")]
    assert len(tests) > 3, f"the suite for a {kind} has hardly a test"
    for name in tests:
        getattr(suite(), name)()


def test_there_is_an_example_for_each_hook() -> None:
    """No hook of the boundary is without a kind here, nor a kind without a hook."""
    hooks = {name for name in vars(LusganSpecs) if name.startswith("register_")}
    assert hooks == {hook for hook, _ in KINDS.values()}
