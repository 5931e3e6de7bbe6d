"""``lusgan plugins``: the installed plugins, where they come from, and which are broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from lusgan_cli import options
from lusgan_cli.console import out, print_json, visible

if TYPE_CHECKING:
    from lusgan_core.registry import Broken, Record, Registry


def plugins(json: options.Json = False) -> None:
    """List what is installed, of every kind of plugin, and plugins that are broken.

    Exit code 1 if any plugin is broken.
    """
    from rich.table import Table

    from lusgan_core.registry import KINDS, installed

    registry = installed()
    broken = _broken(registry)
    if json:
        print_json(
            {
                "plugins": [
                    {
                        "kind": kind,
                        "name": name,
                        "description": record.description,
                        "from": registry.provider_of(f"{kind}/{name}"),
                        "options": options_of(record),
                    }
                    for kind in KINDS
                    for name, record in sorted(registry.records[kind].items())
                ],
                "broken": [{"plugin": str(one.provider), "reason": one.reason} for one in broken],
            }
        )
    else:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for heading in ("kind", "name", "what it is", "from"):
            table.add_column(heading)
        for kind in KINDS:
            for name, record in sorted(registry.records[kind].items()):
                source = registry.provider_of(f"{kind}/{name}")
                table.add_row(kind, name, visible(record.description), visible(source))
        out.print(table)
        for one in broken:
            provider, why = visible(str(one.provider)), visible(one.reason)
            out.print(f"[bold red]broken[/] {provider}: {why}")
    if broken:
        raise typer.Exit(1)


def _broken(registry: Registry) -> list[Broken]:
    """Plugins that cannot be used, and those whose presets set what no run takes."""
    from lusgan_core.config import preset_problem
    from lusgan_core.registry import Broken

    found = list(registry.broken)
    for name in registry.presets():
        problem = preset_problem(name, registry)
        if problem:
            found.append(Broken(registry.providers["preset", name], problem))
    return found


def options_of(record: Record) -> dict[str, Any] | None:
    """The JSON schema of a plugin's options by name; None for a kind that has none."""
    model = getattr(record, "options", None)
    return None if model is None else model.model_json_schema().get("properties", {})
