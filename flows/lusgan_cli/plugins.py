"""``lusgan plugins``: the installed plugins, and ``plugins new``: a package to start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lusgan_cli import options
from lusgan_cli.console import err, out, print_json, visible

if TYPE_CHECKING:
    pass


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
                        "options": registry.options_of(record),
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
