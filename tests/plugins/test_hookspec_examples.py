"""The example plugins in the hooks' docstrings: each is run as the plugin that it says it is."""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from lusgan_core.hookspecs import LusganSpecs
from lusgan_core.registry import KINDS, Provider, Registry
from lusgan_core.testing import (
    BackboneContract,
    FeatureExtractorContract,
    LossContract,
    PairMetricContract,
    PenaltyContract,
)

SUITES = {
    "backbone": BackboneContract,
    "loss": LossContract,
    "penalty": PenaltyContract,
    "metric": PairMetricContract,
    "feature": FeatureExtractorContract,
}


def example(hook: str) -> str:
    """The source of the example plugin in a hook's docstring."""
    text = inspect.getdoc(getattr(LusganSpecs, hook)) or ""
    _, _, code = text.partition("A whole plugin::\n")
    return textwrap.dedent(code)


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def registry(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A registry with nothing in it but the example of that kind, written to a file of its own."""
    name = f"example_of_a_{kind}"
    (tmp_path / f"{name}.py").write_text(example(KINDS[kind][0]))
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry()
    registry.add(__import__(name), Provider(name))
    yield registry
    del sys.modules[name]


def test_every_hook_has_a_whole_example(kind: str, registry: Registry) -> None:
    """The example of each hook is a plugin that offers exactly one record of its kind."""
    offered = {k: len(records) for k, records in registry.records.items()}
    assert offered == {k: int(k == kind) for k in KINDS}


def test_the_examples_keep_their_contracts(kind: str, registry: Registry) -> None:
    """What the examples offer passes every test of the suite for its kind."""
    (record,) = registry.records[kind].values()
    suite = type("TestExample", (SUITES[kind],), {"record": record})
    for name in dir(suite):
        if name.startswith("test_"):
            getattr(suite(), name)()


def test_there_is_an_example_for_each_hook() -> None:
    """No hook of the boundary is without a kind here, nor a kind without a hook."""
    hooks = {name for name in vars(LusganSpecs) if name.startswith("register_")}
    assert hooks == {hook for hook, _ in KINDS.values()}
