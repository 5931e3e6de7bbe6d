"""Writes the reference pages of the documentation from the code that they are about.

A page names its part by a comment, ``<!-- generated: cli -->``; see ``PARTS``. Whatever the code
lacks to fill a page, such as a description, raises ValueError, and the site is not built.
"""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import lusgan_cli
import lusgan_core
from lusgan_cli import COMMANDS, load
from lusgan_core import api
from lusgan_core.config import RunConfig, preset_values
from lusgan_core.pipeline import events
from lusgan_core.registry import KINDS, installed

PRESETS = ("paper", "small", "demo")
Row = tuple[str, ...]


def cli() -> str:
    """A section a command: its help, then a table of its arguments and options."""
    return "\n\n".join(part for name in COMMANDS for part in _command(name, load(name)))


def _command(name: str, command: Any) -> Iterator[str]:
    yield f"## `lusgan {name}`"
    yield inspect.cleandoc(command.help or COMMANDS[name])
    if rows := [_parameter(p) for p in command.params if p.name != "help" and not _hidden(p)]:
        yield table(("option", "what it says", "default"), rows)
    for below, other in getattr(command, "commands", {}).items():
        yield from _command(f"{name} {below}", other)


def _hidden(parameter: Any) -> bool:
    return bool(getattr(parameter, "hidden", False))


def _parameter(parameter: Any) -> Row:
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    if not parameter.opts[0].startswith("-"):
        names = f"`{parameter.metavar or parameter.name.upper()}`"
    default = "required" if parameter.required else _value(parameter.default)
    return names, _sentence(parameter.help, names), default


def options() -> str:
    """A section a stage, with a table of its options, then the options of built-in plugins."""
    presets = {name: preset_values(name, installed()) for name in PRESETS}
    return "\n\n".join([*_sections(presets), *_plugins()])


def _sections(presets: Mapping[str, Any]) -> Iterator[str]:
    head = ("option", "what it says", "values", "default, or by preset")
    run = RunConfig.model_json_schema()
    for section, schema in run["properties"].items():
        if fields := _fields(schema, run["$defs"], section):
            yield f"## {section}"
            yield _sentence(_found(schema, run["$defs"]).get("description"), section)
            rows = [
                (f"`{name.partition('.')[2]}`", text, values, _defaults(presets, name, default))
                for name, text, values, default in fields
            ]
            yield table(head, rows)
        else:
            yield f"`{section}`: {_sentence(schema.get('description'), section)}."


def _defaults(presets: Mapping[str, Any], name: str, default: Any) -> str:
    """What an option is unless it is set: one value, or each preset's where they differ."""
    found = {preset: _set(values, name, default) for preset, values in presets.items()}
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    return ", ".join(f"{preset}: {value or 'none'}" for preset, value in found.items())


def _set(values: Mapping[str, Any], name: str, default: Any) -> str:
    """What a preset gives an option, its default where it says nothing."""
    found: Any = values
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return _value(default)
        found = found[part]
    return _value(found)


def _plugins() -> Iterator[str]:
    yield "## Options of plugins"
    yield "Those of the built-in ones; `lusgan plugins` lists all that are installed."
    for kind in KINDS:
        rows = []
        for name, record in sorted(installed().records[kind].items()):
            if not hasattr(record, "options") or kind == "preset":
                continue
            schema = record.options.model_json_schema()
            for option, text, values, default in _fields(schema, schema.get("$defs", {}), ""):
                rows.append((f"`{name}`", f"`{option}`", text, values, _value(default)))
        if rows:
            yield f"### {kind.capitalize()}"
            yield table((kind, "option", "what it says", "values", "default"), rows)


def _fields(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], above: str
) -> list[tuple[str, str, str, Any]]:
    """Name, description, values and default of all options below a section, at any depth."""
    found = []
    for name, field in _found(schema, definitions).get("properties", {}).items():
        dotted = f"{above}.{name}" if above else name
        if below := _fields(field, definitions, dotted):
            found += below
        else:
            text = _sentence(field.get("description"), dotted)
            found.append((dotted, text, _values(field, definitions), field.get("default")))
    return found


def _found(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in schema:
        return schema
    return {**definitions[str(schema["$ref"]).rpartition("/")[2]], **schema}


def _values(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """The type of an option with its choices or bounds, in words."""
    field = _found(field, definitions)
    if "anyOf" in field:
        kinds = [_values(one, definitions) for one in field["anyOf"]]
        return " or ".join("none" if kind == "null" else kind for kind in kinds)
    if "enum" in field or "const" in field:
        return ", ".join(f"`{choice}`" for choice in field.get("enum", [field.get("const")]))
    bounds = [
        f"{sign} {field[name]}"
        for name, sign in (
            ("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<")
        )
        if name in field
    ]  # fmt: skip
    words = {
        "array": "list", "string": "text", "object": "by name", "boolean": "`true`, `false`",
        "integer": "whole number",
    }  # fmt: skip
    kind = str(field.get("type", "any"))
    return ", ".join([words.get(kind, kind), *bounds])


def api_pages() -> str:
    """A directive of mkdocstrings for every public name of the library and of plugins."""
    library = [
        f"::: lusgan_core.{lusgan_core._MODULES[name]}.{name}" for name in lusgan_core.__all__
    ]
    records = sorted({record.__name__ for _, records in KINDS.values() for record in records})
    own = [f"::: {getattr(api, name).__module__}.{name}" for name in records]
    return "\n\n".join(
        ["## The library", "`import lusgan_core as lusgan` has these names.", *library,
         "## Records of plugins", "What `lusgan_core.api` offers to plugins.", *own]
    )  # fmt: skip


def events_table() -> str:
    """A row for each event, with the text below its constant in ``lusgan_core.pipeline.events``."""
    body = ast.parse(inspect.getsource(events)).body
    rows = []
    for statement, after in zip(body, [*body[1:], None], strict=True):
        if not isinstance(statement, ast.Assign):
            continue
        for name in (n.id for n in ast.walk(statement) if isinstance(n, ast.Name)):
            value = getattr(events, name)
            if isinstance(value, str) and value.startswith("lusgan."):
                rows.append((f"`{value}`", _sentence(_text(after), name)))
    return table(("event", "when, and what it holds"), rows)


def _text(statement: ast.stmt | None) -> str | None:
    """The docstring that a statement is, None if it is something else."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return inspect.cleandoc(str(statement.value.value))
    return None


def exit_codes() -> str:
    """A row for each exit code, from the docstring of the command line."""
    text = " ".join((lusgan_cli.__doc__ or "").split())
    _, found, codes = text.rstrip(".").partition("Exit codes: ")
    if not found:
        raise ValueError("the docstring of lusgan_cli lists no exit codes")
    return table(
        ("code", "meaning"), [tuple(code.strip().split(" ", 1)) for code in codes.split(";")]
    )


def table(head: Row, rows: list[Row]) -> str:
    """Write a Markdown table.

    Args:
        head: Names of the columns.
        rows: Cells; a bar or an end of a line in one is written so that the table stays whole.

    Returns:
        The table.
    """
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, cells))} |" for cells in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _sentence(text: str | None, what: str) -> str:
    if not text:
        raise ValueError(f"{what} has no description, which its reference page needs")
    return text


def _value(value: Any) -> str:
    if value in (None, "", [], {}, ()):
        return ""
    if isinstance(value, Path):
        return f"`{value}`".replace(str(Path.home()), "~")
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


PARTS: dict[str, Callable[[], str]] = {
    "cli": cli,
    "options": options,
    "api": api_pages,
    "events": events_table,
    "exit codes": exit_codes,
}
"""Parts of pages that are written from the code, by the name in the page's comment."""
