"""Options as nested dictionaries: read from files and texts, laid over each other, flattened."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lusgan_core.errors import ConfigError
from lusgan_core.training.options import TrainingOptions

OPEN = {
    "readers",
    "backbone_options",
    "loss_options",
    "penalties",
    "augmentations",
    "format_options",
    "metric_options",
    "feature_options",
    "gates",
}
"""Sections whose names belong to plugins."""
LISTED = {"readers", "penalties", "augmentations", "gates"}
"""Those of them that say which plugins there are: a file that gives one gives all of it."""


class Whole(dict[str, Any]):
    """A section given as one value (``--set training.penalties={...}``), not a name at a time."""


def _wholes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Mark sections that name all plugins there are as given whole, at any depth."""
    return {
        name: Whole(value)
        if name in LISTED and isinstance(value, Mapping)
        else _wholes(value)
        if isinstance(value, Mapping) and name not in OPEN
        else value
        for name, value in values.items()
    }


def flatten(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Flatten nested options to ``{"training.batch_size": 32}``.

    Args:
        values: Options, nested by section. Sections that belong to plugins (``OPEN``) stay whole.
        above: What to put before every name, ending in a dot.

    Returns:
        Values by dotted name.
    """
    flat: dict[str, Any] = {}
    for name, value in values.items():
        path = f"{above}{name}"
        if isinstance(value, Mapping) and name not in OPEN:
            flat |= flatten(value, f"{path}.")
        else:
            flat[path] = value
    return flat


def merge(values: dict[str, Any], more: Mapping[str, Any], *, lays_over: bool = True) -> None:
    """Lay options over others, in place; another backbone or loss starts from its own defaults.

    An open section that is given as a whole, or empty, replaces the one that was there.

    Args:
        values: The options below, which are changed.
        more: The options above.
        lays_over: False for settings that are given together: their order means nothing, and a
            backbone that is named after its options keeps them.
    """
    for name, value in sorted(more.items()):  # a plugin's name comes before its options
        below = values.get(name)
        if name in OPEN and (isinstance(value, Whole) or value == {}):
            values[name] = Whole(value)
        elif isinstance(value, Mapping):
            values[name] = below = below if isinstance(below, dict) else {}
            merge(below, value, lays_over=lays_over)
        else:
            if lays_over and name in ("backbone", "loss"):
                usual = TrainingOptions.model_fields[name].default
                if (usual if below is None else below) != value:
                    values.pop(f"{name}_options", None)
            values[name] = value


def setting(text: str) -> dict[str, Any]:
    """Read one option, such as ``training.batch_size=32``, as nested options.

    Raises:
        ConfigError: It is not of the form NAME=VALUE.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text!r}: expected NAME=VALUE, e.g. training.batch_size=32")
    return _nested(name.strip(), _literal(value.strip()))


def _nested(name: str, value: Any) -> dict[str, Any]:
    first, dot, rest = name.partition(".")
    return {first: _nested(rest, value)} if dot else {first: value}


def _literal(text: str) -> Any:
    """Read a value as JSON; anything that is not JSON is text, and empty text is None."""
    try:
        value = json.loads(text)
        return Whole(_wholes(value)) if isinstance(value, dict) else value
    except ValueError:
        return text or None


def read_file(path: Path) -> dict[str, Any]:
    """Read a file of options, JSON where the suffix is ``.json``, else TOML; raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"--config {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"--config {path} is not {path.suffix or 'TOML'}: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"--config {path}: expected sections such as [training]")
    return _wholes(values)
