"""Records are checked field by field, by their annotations; ``defective_plugins`` has faults."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import Field

from lusgan_core.api import NoOptions, Options
from lusgan_core.record_checks import faults_of, option_faults
from lusgan_core.registry import KINDS, Registry

TYPES = [kind for _, types in KINDS.values() for kind in types]


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_every_field_of_every_kind_is_checked(kind: type[Any]) -> None:
    """What is no value of any field is refused for each of them, of new kinds as well: no field is
    annotated so loosely that everything passes."""
    record = object.__new__(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    for name in names:
        object.__setattr__(record, name, object())
    assert [fault.partition(" ")[0] for fault in faults_of(record, kind)] == names


def test_built_in_records_have_no_fault(plugins: Registry) -> None:
    """What is checked so strictly is what lusgan's own plugins offer."""
    for records in plugins.records.values():
        for record in records.values():
            assert faults_of(record, type(record)) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("symmetric", "no"), ("min_size", "8"), ("min_size", 8.0), ("bounds", [0.0, 65025.0])],
)
def test_nothing_is_converted(plugins: Registry, field: str, value: object) -> None:
    """A text is no number and no truth value, and a list no tuple, though it could be read so."""
    record = dataclasses.replace(plugins.pair_metric("mse"), **{field: value})
    (fault,) = faults_of(record, type(record))
    assert fault.startswith(f"{field} is {value!r}: expected")


@dataclasses.dataclass(frozen=True)
class Sample:
    """A record with types that are not loaded when it is checked."""

    name: str
    scale: NotImported.Tensor | None = None  # type: ignore[name-defined]  # noqa: F821
    parts: Sequence[NotImported] = ()  # type: ignore[name-defined]  # noqa: F821
    options: type[Options] = NoOptions


def test_types_that_are_not_loaded_are_taken_on_trust() -> None:
    """An annotation may name torch or numpy where they are imported for type checkers alone; what
    stands around their names is checked."""
    assert faults_of(Sample("a", scale=object(), parts=[object()]), Sample) == []
    (fault,) = faults_of(Sample("a", parts=3), Sample)  # type: ignore[arg-type]
    assert fault.startswith("parts is 3: expected")


class Inner(Options):
    tags: frozenset[str] = Field(frozenset(), description="Tags")


class Fine(Options):
    rate: float = Field(0.5, ge=0, le=1, description="Rate")
    sizes: tuple[int, ...] | None = Field((3, 5), description="Sizes")
    needed: int = Field(description="An option without default is allowed")


class Nested(Options):
    inner: Inner = Field(default_factory=Inner, description="Options within options")


def test_options_that_survive_json_pass() -> None:
    """Numbers, tuples, empty values and options without default are fine; a set is not, however
    deep it is."""
    assert list(option_faults(Fine)) == []
    (fault,) = option_faults(Nested)
    assert fault == "Nested.inner is of type frozenset[str], expected one that survives JSON"
