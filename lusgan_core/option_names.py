"""Reads options as people write them: short names, other spellings, lists without brackets.

``image_size`` finds ``preprocessing.image_size``, the only option of that name, and ``batch_size``
the training's; a plugin is found whatever the case of its name (``ralsgan``), and where a list is
expected ``0.5,0.9`` is one.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from lusgan_core.errors import ConfigError
from lusgan_core.layered_options import OPEN, Whole, merge
from lusgan_core.registry import Registry

FIRST = "training"
"""Section whose own options win where other sections have options of that name, too."""
PLUGINS = {
    "ingestion.readers": ("reader",),
    "training.backbone": ("backbone",),
    "training.loss": ("loss",),
    "training.penalties": ("penalty",),
    "training.augmentations": ("augmentation",),
    "training.monitor.features": ("feature",),
    "generation.formats": ("exporter",),
    "generation.format_options": ("exporter",),
    "evaluation.metrics": ("metric",),
    "evaluation.metric_options": ("metric",),
    "evaluation.likeness": ("metric",),
    "evaluation.features": ("feature",),
    "evaluation.feature_options": ("feature",),
    "evaluation.audit_features": ("feature",),
    "promotion.gates": ("gate",),
}
"""Options that name plugins, by the kind of these."""


def leaves(model: type[BaseModel], above: str = "") -> dict[str, Any]:
    """List the options of a model and of its sections.

    Args:
        model: The model, e.g. ``RunConfig``.
        above: What to put before each name, ending in a dot.

    Returns:
        Dotted name -> the field. Sections that belong to plugins are one option each.
    """
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        inner = section_of(field.annotation)
        if inner is not None and name not in OPEN:
            found |= leaves(inner, f"{above}{name}.")
        else:
            found[f"{above}{name}"] = field
    return found


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The model of a section; None where an option is a value."""
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation if is_model else None


def full_name(name: str, model: type[BaseModel]) -> str:
    """Find the section of an option that is named without it.

    Args:
        name: E.g. ``batch_size``, ``penalties.r1.weight`` or ``training.batch_size``.
        model: The options of a run.

    Returns:
        The name from the first section on; the same where it begins with a section, or no section
        has such an option.

    Raises:
        ConfigError: Options of several sections, and none of the training, are called so.
    """
    first, dot, rest = name.partition(".")
    if first in model.model_fields:
        return name
    found = [path for path in leaves(model) if f".{path}".endswith(f".{first}")]
    found += [path for path in sections(model) if path.endswith(f".{first}") and dot]
    found = [path for path in found if path == f"{FIRST}.{first}"] or found
    if len(found) > 1:
        raise ConfigError(
            f"--set {name}: {len(found)} options are called so: "
            f"{' and '.join(f'{path}{dot}{rest}' for path in found)}; name one of them"
        )
    return f"{found[0]}{dot}{rest}" if found else name


def sections(model: type[BaseModel], above: str = "") -> list[str]:
    """List the sections below a model, at any depth.

    Args:
        model: The model, e.g. ``RunConfig``.
        above: What to put before each name, ending in a dot.

    Returns:
        Their dotted names.
    """
    found: list[str] = []
    for name, field in model.model_fields.items():
        inner = section_of(field.annotation)
        if inner is not None:
            found += [f"{above}{name}", *sections(inner, f"{above}{name}.")]
    return found


def read_texts(values: dict[str, Any], model: type[BaseModel]) -> None:
    """Replace texts that stand for something else, in place.

    ``none`` is None wherever an option may be empty, unless it has a choice of that name; where a
    list is expected, ``a,b`` is one.

    Args:
        values: Options, nested.
        model: The model that they are for.
    """
    for name, field in model.model_fields.items():
        value, kind = values.get(name), field.annotation
        inner = section_of(kind)
        if isinstance(value, dict) and inner is not None:
            read_texts(value, inner)
        elif isinstance(value, str) and value.lower() == "none" and may_be_none(kind):
            values[name] = None
        elif isinstance(value, str | int | float) and is_list(kind):
            values[name] = [_item(part) for part in str(value).split(",") if part.strip()]


def may_be_none(kind: Any) -> bool:
    """Whether an option of a type may be empty."""
    return type(None) in typing.get_args(kind)


def is_list(kind: Any) -> bool:
    """Whether an option of a type is a list of values, or may be one."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return any(is_list(part) for part in typing.get_args(kind))
    return typing.get_origin(kind) in (list, tuple)


def _item(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()


def respell(values: dict[str, Any], registry: Registry) -> None:
    """Spell the names of plugins as they are installed, in place.

    Args:
        values: Options of a run, nested.
        registry: Installed plugins.
    """
    for path, kinds in PLUGINS.items():
        *above, last = path.split(".")
        section: Any = values
        for name in above:
            section = section.get(name) if isinstance(section, dict) else None
        if not isinstance(section, dict) or last not in section:
            continue
        known = {same(name): name for kind in kinds for name in registry.records[kind]}
        section[last] = _respelt(section[last], known)


def same(name: str) -> str:
    """A name without case, hyphens, underscores and spaces."""
    return "".join(letter for letter in name.casefold() if letter not in "-_ ")


def _respelt(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return value if value in known.values() else known.get(same(value), value)
    if isinstance(value, list | tuple):
        return [_respelt(one, known) for one in value]
    if isinstance(value, Mapping):
        own: dict[str, Any] = {}
        for name, given in value.items():  # one plugin may be spelt in two ways
            merge(own, {_respelt(name, known): given}, lays_over=False)
        return Whole(own) if isinstance(value, Whole) else own
    return value
