"""``lusgan plugins``: the installed plugins, where they come from, and which are broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from lusgan_cli import options
from lusgan_cli.console import out, print_json, visible

if TYPE_CHECKING:
    from lusgan_core.registry import Record


def plugins(json: options.Json = False) -> None:
    """List what plugins of every kind offer, and plugins that are broken.

    Exit code 1 if any plugin is broken.
    """
    from rich.table import Table

    from lusgan_core.registry import KINDS, installed

    registry = installed()
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
                "broken": [
                    {"plugin": str(broken.provider), "reason": broken.reason}
                    for broken in registry.broken
                ],
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
        for broken in registry.broken:
            provider, why = visible(str(broken.provider)), visible(broken.reason)
            out.print(f"[bold red]broken[/] {provider}: {why}")
    if registry.broken:
        raise typer.Exit(1)


def options_of(record: Record) -> dict[str, Any] | None:
    """The JSON schema of a plugin's options by name; None for a kind that has none."""
    model = getattr(record, "options", None)
    return None if model is None else model.model_json_schema().get("properties", {})
