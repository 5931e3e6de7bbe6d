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
    from lusgan_core.registry import Broken, Registry


plugins = typer.Typer(
    add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False
)


@plugins.callback(invoke_without_command=True)
def listed(context: typer.Context, json: options.Json = False) -> None:
    """List installed plugins of every kind, and broken ones; `plugins new` starts one.

    Exit code 1 if any plugin is broken.
    """
    if context.invoked_subcommand:
        return
    from lusgan_core.config import unusable
    from lusgan_core.registry import installed

    registry = installed()
    broken = unusable(registry)
    if json:
        print_json(listing(registry, broken))
    else:
        _show(registry, broken)
    if broken:
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


def listing(registry: Registry, broken: list[Broken]) -> dict[str, Any]:
    """Describe the installed plugins for a program to read.

    Args:
        registry: What is installed.
        broken: What of it cannot be used.

    Returns:
        Records with options and licence, what is broken, was left out, and changes the process.
    """
    from lusgan_core.plugin_guard import guarded
    from lusgan_core.registry import KINDS

    with guarded("the plugins", watched=False):  # options models are a plugin's own code
        records = [
            {
                "kind": kind,
                "name": name,
                "description": record.description,
                "from": registry.provider_of(f"{kind}/{name}"),
                "licence": registry.licence_of(f"{kind}/{name}") or None,
                "options": registry.options_of(record),
            }
            for kind in KINDS
            for name, record in sorted(registry.records[kind].items())
        ]
    return {
        "plugins": records,
        "broken": [{"plugin": str(one.provider), "reason": one.reason} for one in broken],
        "left_out": [str(provider) for provider in registry.left_out],
        "changes": {str(provider): what for provider, what in registry.changes.items()},
    }


def _show(registry: Registry, broken: list[Broken]) -> None:
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
            licence = registry.licence_of(f"{kind}/{name}")
            told = f"{record.description} (licence: {licence})" if licence else record.description
            table.add_row(kind, name, visible(told), visible(source))
    out.print(table)
    for one in broken:
        out.print(f"[bold red]broken[/] {visible(str(one.provider))}: {visible(one.reason)}")
    for provider in registry.left_out:
        out.print(f"[yellow]left out[/] by {PLUGINS}: {visible(str(provider))}")
    for provider, what in registry.changes.items():
        out.print(
            f"[yellow]careless[/] {visible(str(provider))}: {visible(', '.join(what))} when it is "
            "loaded; lusgan puts back what it can"
        )
