"""``lusgan compare``: runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lusgan_cli import options
from lusgan_cli.console import out, print_json, visible

if TYPE_CHECKING:
    from lusgan_core.reporting.compare import Comparison


def compare(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN RUN ...",
            help="Eight digits of each run's report, or its address; without any, runs are listed",
            show_default=False,
        ),
    ] = None,
    store: options.Store = options.DEFAULT_STORE,
    page: Annotated[Path, typer.Option("--out", metavar="FILE", help="The page to write")] = Path(
        "compare.html"
    ),
    json: options.Json = False,
) -> None:
    """Put runs side by side: options that differ, samples, and values with their floors.

    Writes one page, and prints the options and the values.
    """
    from lusgan_core.reporting.compare import compare_runs, comparison_page
    from lusgan_core.reporting.runs import find_run, list_runs
    from lusgan_core.store import existing_store

    kept = existing_store(store)
    if not runs:
        listed = list_runs(kept)
        if json:
            print_json([{"run": r.name, "made": r.when, "title": r.title} for r in listed])
        for run in () if json else listed:
            out.print(f"{run.name}  {run.when}  {visible(run.title)}", soft_wrap=True)
        if not listed and not json:
            out.print("no runs")
        return
    compared = compare_runs(kept, [find_run(kept, name) for name in runs])
    if json:
        print_json(summary(compared))
        return
    page.write_text(comparison_page(compared, kept), encoding="utf-8")
    _print(compared)
    out.print(f"page: {page}", soft_wrap=True)


def summary(compared: Comparison) -> dict[str, object]:
    """Write a comparison as a JSON object.

    Args:
        compared: The comparison.

    Returns:
        The runs, options that differ by name, and the values of each score; null where a run has
        no such value.
    """
    return {
        "runs": [{"run": run.name, "made": run.when} for run in compared.runs],
        "options": {name: list(row) for name, row in compared.options.items()},
        "values": {
            str(score): [
                [value.model_dump(mode="json") if value else None for value in row] for row in rows
            ]
            for score, rows in compared.values.items()
        },
    }


def _print(compared: Comparison) -> None:
    from rich.table import Table

    from lusgan_core.reporting.wording import number

    names = [run.name for run in compared.runs]
    table = Table("option", *names, box=None, header_style="bold", pad_edge=False)
    for name, row in compared.options.items():
        table.add_row(name, *(visible(text) for text in row))
    out.print(table if compared.options else "all options are the same")
    for score, rows in compared.values.items():
        heads = [head for name in names for head in (name, "floor")]
        table = Table(f"score {score}", "", *heads, box=None, header_style="bold", pad_edge=False)
        for values in rows:
            first = next(value for value in values if value)
            cells = [
                number(end) for v in values for end in ((v.value, v.floor) if v else (None,) * 2)
            ]
            table.add_row(visible(first.title), " × ".join(first.between), *cells)
        out.print(table)
