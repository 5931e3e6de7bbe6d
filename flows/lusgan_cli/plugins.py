"""``lusgan plugins``: the installed plugins, where they are from, which are broken or left out.

``lusgan plugins new`` writes a package to start from.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lusgan_cli import options
from lusgan_cli.console import err, out, print_json, visible

if TYPE_CHECKING:
    from lusgan_core.registry import Record, Registry


plugins = typer.Typer(
    add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False
)


@plugins.callback(invoke_without_command=True)
def listed(context: typer.Context, json: options.Json = False) -> None:
    """List the plugins that are installed, and broken ones; `plugins new` starts one.

    Exit code 1 if any plugin is broken.
    """
    if context.invoked_subcommand:
        return
    from lusgan_core.registry import installed

    registry = installed()
    if json:
        print_json(listing(registry))
    else:
        _show(registry)
    if registry.broken:
        raise typer.Exit(1)


@plugins.command("new")
def new(
    folder: Annotated[
        Path, typer.Argument(metavar="NAME", help="Folder to write; it names the plugin too")
    ],
    kind: Annotated[
        str, typer.Option(help="Kind of plugin, as `lusgan plugins` lists them")
    ] = "metric",
) -> None:
    """Write a package with one plugin that works, and its tests, to start from."""
    from lusgan_cli.new_plugin import new_package

    for path in new_package(folder, kind):
        out.print(visible(str(path)))
    err.print(
        visible(f"next: pip install -e '{folder}[test]', then pytest there, then lusgan plugins")
    )


def listing(registry: Registry) -> dict[str, Any]:
    """The installed plugins, for a program to read."""
    from lusgan_core.plugin_guard import guarded
    from lusgan_core.registry import KINDS

    with guarded("the plugins", watched=False):  # options models are a plugin's own code
        records = [
            {
                "kind": kind,
                "name": name,
                "description": record.description,
                "from": registry.provider_of(f"{kind}/{name}"),
                "options": options_of(record),
            }
            for kind in KINDS
            for name, record in sorted(registry.records[kind].items())
        ]
    return {
        "plugins": records,
        "broken": [
            {"plugin": str(broken.provider), "reason": broken.reason} for broken in registry.broken
        ],
        "left_out": [str(provider) for provider in registry.left_out],
        "changes": {str(provider): what for provider, what in registry.changes.items()},
    }


def _show(registry: Registry) -> None:
    """Print a table of the records, then what is broken, was left out, or changes the process."""
    from rich.table import Table

    from lusgan_core.plugin_points import PLUGINS
    from lusgan_core.registry import KINDS

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("kind", "name", "what it is", "from"):
        table.add_column(heading)
    for kind in KINDS:
        for name, record in sorted(registry.records[kind].items()):
            source = registry.provider_of(f"{kind}/{name}")
            table.add_row(kind, name, visible(record.description), visible(source))
    out.print(table)
    for broken in registry.broken:
        out.print(f"[bold red]broken[/] {visible(str(broken.provider))}: {visible(broken.reason)}")
    for provider in registry.left_out:
        out.print(f"[yellow]left out[/] by {PLUGINS}: {visible(str(provider))}")
    for provider, what in registry.changes.items():
        out.print(
            f"[yellow]careless[/] {visible(str(provider))}: {visible(', '.join(what))} when it is "
            "loaded; lusgan puts back what it can"
        )


def options_of(record: Record) -> dict[str, Any] | None:
    """The JSON schema of a plugin's options by name; None for a kind that has none."""
    model = getattr(record, "options", None)
    return None if model is None else model.model_json_schema().get("properties", {})
