"""The options of a run as a list for people: value, what it may be, what it does."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from lusgan_core.config import RunConfig
from lusgan_core.domain import Record
from lusgan_core.errors import UnknownNameError
from lusgan_core.option_names import PLUGINS, leaves, sections
from lusgan_core.registry import Registry

SIGNS = {"ge": "≥ ", "gt": "> ", "le": "≤ ", "lt": "< "}
WORDS: dict[Any, str] = {int: "whole number", float: "number", str: "text", bool: "true or false"}
OF_ONE = {
    "training.backbone_options": ("backbone", "training.backbone"),
    "training.loss_options": ("loss", "training.loss"),
}
"""Sections of the options of one plugin: its kind, and the option that names it."""
BY_NAME = {
    "ingestion.readers": "reader",
    "training.penalties": "penalty",
    "training.augmentations": "augmentation",
    "generation.format_options": "exporter",
    "evaluation.metric_options": "metric",
    "evaluation.feature_options": "feature",
    "promotion.gates": "gate",
}
"""Sections that hold the options of several plugins, by the names of these."""


class OptionRow(Record):
    """One option of a run."""

    name: str
    """Dotted, as `--set` takes it."""
    value: str
    """JSON; empty where the plugin that it belongs to is not chosen."""
    allowed: str
    """What it may be."""
    description: str


def listed(config: RunConfig, registry: Registry, section: str = "") -> list[OptionRow]:
    """List the options of a run, those of every installed plugin among them.

    Args:
        config: The run's options, complete.
        registry: Installed plugins.
        section: Only options below this name, e.g. ``training`` or ``training.penalties.r1``.

    Returns:
        The options in the order of the stages.

    Raises:
        UnknownNameError: There is no such section.
    """
    rows = list(_rows(config, registry))
    chosen = [row for row in rows if f"{row.name}.".startswith(f"{section}.") or not section]
    if not chosen:
        raise UnknownNameError("section of options", section, sections(RunConfig))
    return chosen


def _rows(config: RunConfig, registry: Registry) -> Iterator[OptionRow]:
    values = config.model_dump(mode="json")
    for path, field in leaves(RunConfig).items():
        value = _at(values, path)
        if path in OF_ONE:
            kind, named = OF_ONE[path]
            yield from _of_plugin(registry, kind, _at(values, named), path, value)
        elif path in BY_NAME:
            yield _row(path, field, sorted(value), registry)
            for name in sorted(registry.records[BY_NAME[path]]):
                own = value.get(name)
                yield from _of_plugin(registry, BY_NAME[path], name, f"{path}.{name}", own)
        else:
            yield _row(path, field, value, registry)


def _of_plugin(
    registry: Registry, kind: str, name: str, path: str, values: Mapping[str, Any] | None
) -> Iterator[OptionRow]:
    """The options of one plugin; without values where it is not chosen."""
    model: type[BaseModel] | None = getattr(registry.records[kind].get(name), "options", None)
    for own, field in model.model_fields.items() if model else ():
        row = _row(f"{path}.{own}", field, None, registry)
        given = "" if values is None or own not in values else json.dumps(values[own])
        yield row.model_copy(update={"value": given})


def _at(values: Any, path: str) -> Any:
    for part in path.split("."):
        values = values[part]
    return values


def _row(path: str, field: Any, value: Any, registry: Registry) -> OptionRow:
    kinds = PLUGINS.get(path, ())
    names = sorted(name for kind in kinds for name in registry.records[kind])
    return OptionRow(
        name=path,
        value=json.dumps(value),
        allowed=", ".join(names) or allowed(field.annotation, field.metadata),
        description=field.description or "",
    )


def allowed(kind: Any, metadata: typing.Iterable[Any] = ()) -> str:
    """Say what an option of a type may be.

    Args:
        kind: Its annotation.
        metadata: Its bounds, as pydantic keeps them.

    Returns:
        E.g. ``whole number, ≥ 1``, ``"paper", "fit"`` or ``none, or text``.
    """
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return allowed(inside[0], [*_bounds_of(inside[1:]), *metadata])
    if origin is typing.Literal:
        return ", ".join(map(str, inside))
    if origin in (typing.Union, types.UnionType):
        others = [allowed(part, metadata) for part in inside if part is not type(None)]
        return " or ".join([*others, *(["none"] if type(None) in inside else [])])
    if origin in (list, tuple):
        parts = [part for part in inside if part is not Ellipsis]
        count = f"{len(parts)} " if Ellipsis not in inside and len(parts) > 1 else "list: "
        return f"{count}{allowed(parts[0])}{'s' if count[0].isdigit() else ''}"
    limits = [f"{SIGNS[one]}{getattr(bound, one):g}" for bound in metadata for one in SIGNS
              if getattr(bound, one, None) is not None]  # fmt: skip
    return ", ".join([WORDS.get(kind, "section"), *limits])


def _bounds_of(annotations: typing.Iterable[Any]) -> list[Any]:
    """Bounds in annotations, also those within a field's."""
    found: list[Any] = []
    for one in annotations:
        found += getattr(one, "metadata", None) or [one]
    return found
